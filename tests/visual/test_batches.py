"""Batches of one size."""

import numpy as np

from cnnlab.visual import batches


def test_every_index_comes_once_and_every_batch_is_full():
    sizes = []

    def function(indices):
        sizes.append(len(indices))
        return {'twice': 2 * indices, 'pair': (indices, indices)}

    found = batches.gathered(function, 10, 4, 'test')
    assert (
        sizes == [4, 4, 4]
        and found['twice'].tolist() == list(range(0, 20, 2))
        and found['pair'][1].tolist() == list(range(10))
    )
    assert [len(i) for i, _ in batches.each(np.asarray, 3, 8, 'test')] == [3]
