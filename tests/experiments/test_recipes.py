"""The table of recipes: the committed list is up to date and agrees with the recipes."""

import pathlib

from cnnlab.recipes import registry
from experiments import recipes

LIST = pathlib.Path(__file__).resolve().parents[2] / 'docs' / 'recipes.md'


def test_the_list_of_recipes_is_that_of_the_book():
    assert recipes.recipes_table(list(registry.RECIPES)).to_markdown() == LIST.read_text(), (
        'run `make docs` and commit docs/recipes.md'
    )


def test_a_row_says_what_the_recipe_says():
    [row] = recipes.recipes_table(['resnet50_torchvision_v2']).rows
    assert row[:4] == ('resnet50_torchvision_v2', 'resnet50_v1_5', 'ilsvrc2012', 1024)
    assert (
        row[5:7] == ('cosine, warm-up 5 epochs', '600')
        and 'mixup 0.2' in row[7]
        and '4 repeats' in row[7]
    )
    assert row[10] is None
    [zfnet] = recipes.recipes_table(['zfnet']).rows
    assert 'optimizer.weight_decay, schedule.factor, schedule.patience' in zfnet[10]
