"""Parameters and multiply-adds against independent sources: other packages, and layer tables."""

import json
import pathlib

import pytest

from cnnlab import weights
from cnnlab.analysis import cost
from cnnlab.models import registry
from tests.models import layer_tables as tables

PEERS = json.loads(pathlib.Path(__file__).with_name('peers.json').read_text())
SUMS = {
    'alexnet': tables.with_biases(tables.ALEXNET),
    'zfnet': tables.with_biases(tables.ZFNET),
    'googlenet': tables.with_biases(tables.GOOGLENET),
    # C1, S2, C3, S4, C5, F6 of the paper's Section II.B; the codes of the output are not trained
    'lenet5': 156 + 12 + 1_516 + 32 + 48_120 + 10_164,
    **{
        f'cifar_resnet{6 * n + 2}': tables.with_norms(*tables.residual(n))
        for n in (3, 5, 7, 9, 18, 200)
    },
    **{
        f'wrn{6 * n + 4}_{k}': tables.with_norms(*tables.wide(n, k))
        for n, k in ((2, 8), (4, 10), (6, 4))
    },
    **{
        f'cifar_densenet{3 * n + 4}_{k}': tables.with_norms(*tables.dense(n, k, False))
        for n, k in ((12, 12), (32, 12), (32, 24))
    },
    **{
        f'cifar_densenet_bc{6 * n + 4}_{k}': tables.with_norms(*tables.dense(n, k, True))
        for n, k in ((16, 12), (41, 24), (31, 40))
    },
}


@pytest.mark.parametrize('name', SUMS)
def test_registered_counts_are_the_sums_over_the_papers_layers(name):
    assert registry.entry(name).params == SUMS[name]


def test_registered_counts_are_those_of_the_peers_packages():
    supported = weights.supported()
    counted = {id: PEERS[id]['params'] for id in supported if id in PEERS}
    registered = {id: registry.entry(weights.entry(id).model).params for id in counted}
    assert registered == counted
    # akamaster's networks are no package, and timm publishes no weights of its B6
    assert {id.split('/')[0] for id in set(supported) - set(counted)} <= {'akamaster', 'timm'}
    assert len(counted) > 200


@pytest.mark.parametrize(
    ('name', 'layers'),
    [
        ('alexnet', tables.ALEXNET),
        ('zfnet', tables.ZFNET),
        ('googlenet', tables.GOOGLENET),
        pytest.param('wrn28_10', [*tables.wide(4, 10)[0], (1, 640, 10, 1)], marks=pytest.mark.slow),
    ],
)
def test_multiply_adds_are_the_sums_over_the_papers_layers(name, layers):
    assert cost.totals(name).macs == tables.multiply_adds(layers)
