"""The network that a recipe's field `model` names."""

import pytest

from cnnlab.models import registry
from cnnlab.recipes.recipe import Recipe
from cnnlab.train import network
from cnnlab.train.setup import build_setup


def test_a_published_id_means_the_network_that_its_weights_fit():
    found = network.registered(Recipe('timm/vgg16', 'digits', model_fields={'num_classes': 7}))
    assert (found.model, found.model_fields) == ('vgg16', {'dense': True, 'num_classes': 7})


def test_fields_of_the_recipe_go_before_those_of_the_weights():
    found = network.registered(Recipe('timm/vgg16', 'digits', model_fields={'dense': False}))
    assert found.model_fields == {'dense': False}


def test_the_classes_are_those_of_the_data():
    found = network.registered(Recipe('timm/convnext_tiny.fb_in22k', 'digits'))
    assert (found.model, found.model_fields) == ('convnext_tiny', {})


def test_a_registered_network_stays_as_it_is():
    recipe = Recipe('mlp2', 'digits', model_fields={'hidden': (3,)})
    assert network.registered(recipe) == recipe


def test_a_run_states_the_registered_network():
    setup = build_setup(Recipe('akamaster/resnet20', 'digits'), devices=1)
    assert setup.recipe.model == 'cifar_resnet20'
    assert setup.model == registry.create('cifar_resnet20')


@pytest.mark.parametrize('name', ['mlp_2', 'torchvision/vgg_16'])
def test_what_is_no_network_suggests_the_nearest(name):
    with pytest.raises(KeyError, match='did you mean'):
        network.registered(Recipe(name, 'digits'))
