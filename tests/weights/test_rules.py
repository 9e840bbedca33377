"""What holds for the rules of every supported id; a new one is under these tests by being
registered.
"""

import ast
import functools
import json
import pathlib

import pytest

from cnnlab import tree, weights
from cnnlab.models import registry
from cnnlab.weights import api, catalog, key_maps
from tests import golden


def test_every_id_and_its_model_are_found_by_a_search_for_them():
    folder = pathlib.Path(key_maps.__path__[0])
    texts = {
        node.value
        for path in folder.glob('*.py')
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
    }
    assert [id for id in weights.supported() if id not in texts] == []
    assert [id for id in weights.supported() if catalog.source(id).model not in texts] == []


@pytest.mark.parametrize('id', weights.supported())
def test_the_model_of_an_id_is_registered_with_these_fields(id):
    found = catalog.source(id)
    registry.create(found.model, **found.fields, **dict.fromkeys(found.flags, True))


def is_listed(name, fields, flags):
    """Whether the paths of that network stand in a golden file, so that nothing need be traced."""
    return not fields and not flags and 0 < golden.leaves(name) <= golden.LISTED


def by_model():
    """Every id, those of equal networks in a row: one trace serves them.

    Of each family at a source the smallest network that need not be traced, or else the smallest,
    is asked in `make test`; the others share its rules, and are `full` where they must be traced or
    are deep.
    """
    ids = sorted(weights.supported(), key=lambda id: (model_of(id)[0], str(model_of(id)[1:]), id))
    traced = [id for id in ids if not is_listed(*model_of(id))]
    families = {}
    for id in ids:
        families.setdefault((id.partition('/')[0], registry.entry(model_of(id)[0]).cls), []).append(
            id
        )
    smallest = {
        min(members, key=lambda id: (id in traced, golden.leaves(model_of(id)[0])))
        for members in families.values()
    }

    def tier(id):
        if id in smallest:
            return pytest.mark.slow if id in traced else ()
        return pytest.mark.full if id in traced or golden.is_deep(model_of(id)[0]) else ()

    return [pytest.param(id, marks=tier(id)) for id in ids]


def model_of(id):
    """(name, fields, flags) of the network that an id fills, hashable."""
    found = catalog.source(id)
    return found.model, tuple(sorted(found.fields.items())), tuple(sorted(found.flags))


@functools.lru_cache(maxsize=4)
def paths(name, fields, flags):
    """The paths of the leaves to be filled; those of a network as registered stand in its golden
    file.
    """
    if is_listed(name, fields, flags):
        return list(json.loads(golden.file(name).read_text()))
    model = registry.create(name, **dict(fields), **dict.fromkeys(flags, True))
    return list(tree.named_leaves(api.wanted_shapes(model, registry.entry(name).input_shape)))


@pytest.mark.parametrize('id', by_model())
def test_every_leaf_has_one_name_at_the_source_and_that_name_leads_back(id):
    found, wanted = catalog.source(id), paths(*model_of(id))
    names = {path: found.key_map.theirs(path) for path in wanted}
    assert [path for path, theirs in names.items() if theirs is None] == []
    assert len({theirs[0] for theirs in names.values()}) == len(wanted)
    assert {path: found.key_map.ours(name)[0] for path, (name, _, _) in names.items()} == {
        path: path for path in wanted
    }
    assert all(
        found.key_map.is_counter(c.name) for _, _, counters in names.values() for c in counters
    )
