"""What the tables of experiments.attack count, on outcomes made by hand."""

import numpy as np
import pytest

from cnnlab.attacks.catalog import Outcome
from cnnlab.studies import attack_tables
from cnnlab.studies.attack_tables import Entry


def outcome(right, l2):
    """Ten images: which are right, and by how much they were changed."""
    size = np.asarray(l2, float)
    return Outcome(
        np.zeros((10, 1, 1, 1), np.float32),
        np.zeros((10, 2), np.float32),
        np.asarray(right),
        {'l2': size, 'linf': size, 'l0': (size > 0).astype(int)},
    )


CLEAN = outcome([True] * 8 + [False] * 2, [0] * 10)
# seven of eight fooled, the eighth not
LEAST = outcome([False] * 7 + [True] + [False] * 2, [1, 2, 3, 4, 5, 6, 7, 9, 0, 0])


def test_least_changes_have_their_points_where_images_were_fooled():
    entry = Entry('net', 'deepfool', None, LEAST, LEAST.right)
    [(label, lines)] = attack_tables.panels(CLEAN, [entry], {'l2': [0.5], 'linf': [0.1]}).items()
    assert 'l2' in label and lines['DeepFool'] == [
        (0, 8),
        (1, 7),
        (2, 6),
        (3, 5),
        (4, 4),
        (5, 3),
        (6, 2),
        (7, 1),
    ]
    budgeted = Entry('net', 'pgd_l2', 20.0, outcome([False] * 10, [20] * 10))
    [(_, lines)] = attack_tables.panels(
        CLEAN, [entry, budgeted], {'l2': [20.0], 'linf': []}
    ).items()
    assert lines['DeepFool'][-2:] == [(7, 1), (20, 1)] and lines['PGD, l2'] == [(0, 8), (20, 0)]


def test_an_attack_that_fooled_nothing_has_a_level_line():
    entry = Entry('net', 'deepfool', None, CLEAN, CLEAN.right)
    [(_, lines)] = attack_tables.panels(CLEAN, [entry], {'l2': [0.5, 2.0], 'linf': []}).items()
    assert lines['DeepFool'] == [(0, 8), (2, 8)]


def test_what_rounding_undoes_is_not_fooled_as_stored():
    stored = LEAST.right.copy()
    stored[:5] = True
    [table] = attack_tables.tables({'net': CLEAN}, [Entry('net', 'deepfool', None, LEAST, stored)])
    row = dict(zip([c.name for c in table.columns], table.rows[0], strict=True))
    assert row['attacked'] == 8 and row['median l2'] == 4
    assert row['fooled'] == pytest.approx(7 / 8) and row['as stored'] == pytest.approx(2 / 8)


def test_half_learns_and_half_judges():
    learned, judged = attack_tables.halves(5)
    assert learned.tolist() == [False, True, False, True, False] and (learned != judged).all()
    assert all(h.tolist() == [True] for h in attack_tables.halves(1))
