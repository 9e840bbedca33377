"""What holds for the rules of every supported id; a new one is under these tests by being registered."""
import pytest

from cnnlab import tree, weights
from cnnlab.models import registry
from cnnlab.weights import api, catalog


@pytest.mark.parametrize('id', weights.supported())
def test_the_model_of_an_id_is_registered_with_these_fields(id):
    found = catalog.source(id)
    registry.create(found.model, **found.fields, **dict.fromkeys(found.flags, True))


@pytest.mark.slow
@pytest.mark.parametrize('id', weights.supported())
def test_every_leaf_has_one_name_at_the_source_and_that_name_leads_back(id):
    found = catalog.source(id)
    model = registry.create(found.model, **found.fields, **dict.fromkeys(found.flags, True))
    wanted = tree.named_leaves(api.wanted_shapes(model, catalog.input_shape(found)))
    names = {path: found.book.theirs(path) for path in wanted}
    assert [path for path, theirs in names.items() if theirs is None] == []
    assert len({theirs[0] for theirs in names.values()}) == len(wanted)
    assert {path: found.book.ours(name)[0] for path, (name, _, _) in names.items()} == {path: path for path in wanted}
    assert all(found.book.is_counter(c.name) for _, _, counters in names.values() for c in counters)
