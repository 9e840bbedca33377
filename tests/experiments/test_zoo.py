"""The tables of the zoo: every network in one family, and the committed list up to date."""

import pathlib

import pytest

from cnnlab import weights
from cnnlab.models import registry
from cnnlab.studies import network_tables

LIST = pathlib.Path(__file__).resolve().parents[2] / 'docs' / 'networks.md'


@pytest.mark.parametrize('name', registry.names())
def test_a_network_is_of_one_family(name):
    assert len([family.title for family in network_tables.FAMILIES if name in family.names()]) == 1


def test_a_family_is_shown_by_one_of_its_own():
    assert [
        family.title for family in network_tables.FAMILIES if family.typical not in family.names()
    ] == []


def test_the_list_of_networks_is_that_of_the_registry():
    wanted = network_tables.sources(registry.names()).to_markdown()
    assert wanted == LIST.read_text(), (
        'run `python -m experiments.zoo --table=sources --format=markdown --out=docs/networks.md` '
        'and commit the file'
    )


def test_every_id_of_published_weights_is_listed_with_its_network():
    table = network_tables.sources(registry.names())
    listed = [id for cell in table.values('weights') if cell for id in cell.split(', ')]
    assert sorted(listed) == weights.supported()


def test_costs_are_those_of_the_registered_networks():
    table = network_tables.costs(['lenet5', 'mlp2'])
    assert table.values('parameters') == [60_000, registry.entry('mlp2').params]
    # every weight once; the biases are 100 + 10
    assert table.values('MACs')[1] == registry.entry('mlp2').params - 110
