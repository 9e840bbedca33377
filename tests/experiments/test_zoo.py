"""The tables of the zoo: every network in one family, and the committed list up to date."""

import pathlib
import shutil

import pytest

from cnnlab import weights
from cnnlab.models import registry
from cnnlab.studies import network_tables
from tests.experiments.commands import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIST, README = ROOT / 'docs' / 'networks.md', ROOT / 'README.md'


def test_every_network_is_of_one_family():
    families = registry.families()
    assert all(families)
    assert sorted(name for names in families.values() for name in names) == registry.names()


def test_a_family_is_shown_by_the_oldest_of_its_networks():
    for names in registry.families().values():
        years = [registry.entry(name).year for name in names]
        assert years == sorted(years)


def test_families_stand_in_the_order_of_their_age():
    years = [registry.entry(names[0]).year for names in registry.families().values()]
    assert years == sorted(years)
    assert registry.families()['VGG'][0] == 'vgg16'


def test_the_list_of_networks_is_that_of_the_registry():
    wanted = network_tables.sources(registry.names()).to_markdown()
    assert wanted == LIST.read_text(), (
        'run `make docs`, look at what it wrote, and commit docs/networks.md'
    )


def test_the_families_in_the_readme_are_those_of_the_registry():
    rows = [line.split(' | ') for line in README.read_text().splitlines()]
    listed = [
        (row[0].removeprefix('| '), *row[1:4]) for row in rows if len(row) == 8 and row[1].isdigit()
    ]
    wanted = [
        (family, str(len(names)), names[0], f'{registry.entry(names[0]).params:,}')
        for family, names in registry.families().items()
    ]
    assert listed == wanted, 'run `make docs` and commit README.md'


@pytest.mark.slow
def test_make_docs_leaves_the_readme_as_it_is(tmp_path):
    readme = tmp_path / 'README.md'
    shutil.copy(README, readme)
    run('zoo', '--table=families', '--format=markdown', f'--out={readme}')
    assert readme.read_text() == README.read_text(), 'run `make docs` and commit README.md'


def test_every_id_of_published_weights_is_listed_with_its_network():
    table = network_tables.sources(registry.names())
    listed = [id for cell in table.values('weights') if cell for id in cell.split(', ')]
    assert sorted(listed) == weights.supported()


def test_costs_are_those_of_the_registered_networks():
    table = network_tables.costs(['lenet5', 'mlp2'])
    assert table.values('parameters') == [60_000, registry.entry('mlp2').params]
    # every weight once; the biases are 100 + 10
    assert table.values('MACs')[1] == registry.entry('mlp2').params - 110
