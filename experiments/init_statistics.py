"""Shows how initialization changes the activations of a network of ten layers of 500 units.

    # prints the table and writes out/init_statistics.png in about 15 s
    python -m experiments.init_statistics --workdir=out

This is the CNN lectures' table; the input is a unit Gaussian. With Xavier's initialization
(variance 1 / fan-in) the tanh layers have the standard deviations of the CNN lectures: 1.00, 0.63,
0.49, 0.41, 0.36, 0.32, 0.29, 0.27, 0.25, 0.24, 0.23. With N(0, 0.01^2) they vanish; with N(0, 1)
nearly every tanh saturates at -1 or 1. ReLU halves the variance of each layer, so the signal
vanishes slowly with Xavier's initialization and keeps its size with He's (variance 2 / fan-in).
Batch norm makes all initializations alike.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from flax import linen as nn

from cnnlab.nn import initializers
from cnnlab.nn.layers import Act, BatchNorm, Dense
from cnnlab.report import plots, style
from cnnlab.report.table import Column, Table
from cnnlab.train import workdir

from . import common

flags.declare_key_flag('workdir')
_LAYERS = flags.DEFINE_integer('layers', 10, 'Number of hidden layers.', lower_bound=1)
_UNITS = flags.DEFINE_integer(
    'units', 500, 'Number of units of each layer, and of values of each input.', lower_bound=2
)
_INPUTS = flags.DEFINE_integer(
    'inputs', 1000, 'Number of inputs, drawn from N(0, 1).', lower_bound=2
)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of the weights and the inputs.', lower_bound=0)

ACTIVATIONS = {'tanh': jnp.tanh, 'ReLU': nn.relu}
INITIALIZERS = {
    'small: N(0, 0.01²)': initializers.gaussian(0.01),
    'large: N(0, 1)': initializers.gaussian(1.0),
    'Xavier': initializers.xavier_fan_in(),
    'He': initializers.he(),
}


class DeepNet(nn.Module):
    """`layers` times a dense layer, batch norm if `norm`, and the activation.

    Returns the activations of every layer, input first.
    """

    layers: int
    act: str
    initializer: str
    norm: bool

    @nn.compact
    # (n, units) -> layers + 1 arrays (n, units)
    def __call__(self, x):
        out, units = [x], x.shape[-1]
        for i in range(1, self.layers + 1):
            x = Dense(
                units, bias=False, kernel_init=INITIALIZERS[self.initializer], name=f'dense{i}'
            )(x)
            if self.norm:
                x = BatchNorm(name=f'norm{i}')(x, True)
            x = Act(ACTIVATIONS[self.act], name=f'act{i}')(x)
            out.append(x)
        return out


def activations(net: DeepNet, units: int, inputs: int, seed: int) -> list[np.ndarray]:
    """Returns the activations of every layer for unit Gaussian input and one draw of the weights.

    Returns:
      one float32 array (inputs, units) per layer, input first.
    """
    data, weights = jax.random.split(jax.random.key(seed))
    x = jax.random.normal(data, (inputs, units))
    return [np.asarray(a) for a in net.apply(net.init(weights, x), x, mutable=['batch_stats'])[0]]


def shown(x: float) -> str:
    """Formats two decimals as in the CNN lectures, or a power of ten if x is tiny or huge."""
    return f'{x:.2f}' if 0.005 <= x < 1000 else f'{x:.0e}'


def statistics_table(found: dict[DeepNet, list[np.ndarray]]) -> Table:
    """Returns the table of standard deviations by layer, one row per network.

    The last columns give the share of values that are saturated and of units that are dead in the
    last layer.
    """
    layers = len(next(iter(found.values())))
    columns = [
        Column('activation'),
        Column('initialization'),
        Column('batch norm'),
        *(Column('input' if i == 0 else f'layer {i}', align='right') for i in range(layers)),
        Column('last layer |x| > 0.99', 'percent'),
        Column('dead units', 'percent'),
    ]
    rows = [
        (
            net.act,
            net.initializer,
            'yes' if net.norm else 'no',
            *(shown(a.std()) for a in values),
            float((np.abs(values[-1]) > 0.99).mean()) if net.act == 'tanh' else None,
            float((values[-1] <= 0).all(0).mean()) if net.act == 'ReLU' else None,
        )
        for net, values in found.items()
    ]
    return Table(
        columns,
        rows,
        'Standard deviation of the activations, layer by layer',
        'A dead unit gives 0 for every input; a saturated tanh lies beyond 0.99 either way.',
    )


def histograms(found: dict[DeepNet, list[np.ndarray]]) -> plots.Figure:
    """Draws one row of histograms per network, input at the left.

    Each histogram has its own range; the ends are written below it.
    """
    layers = len(next(iter(found.values())))
    made = style.figure(1.05 * layers + 2, 0.95 * len(found) + 0.4)
    grid = made.subplots(len(found), layers, squeeze=False)
    for i, axes in enumerate(grid[0]):
        axes.set_title('input' if i == 0 else f'layer {i}', fontsize=8, color=style.INK)
    for row, (net, values) in zip(grid, found.items(), strict=True):
        for i, (axes, a) in enumerate(zip(row, values, strict=True)):
            high = 1.0 if net.act == 'tanh' and i else float(np.abs(a).max()) or 1.0
            low = -high if net.act == 'tanh' or i == 0 else 0.0
            axes.stairs(*np.histogram(a, 30, (low, high)), fill=True, color=style.color(i > 0))
            axes.set_yticks([])
            axes.set_xticks((low, high), (f'{low:.2g}', f'{high:.2g}'), fontsize=5)
            axes.spines[['top', 'right', 'left']].set_visible(False)
        row[0].set_ylabel(
            f'{net.act}, {net.initializer.partition(":")[0]}'
            + ('\nbatch norm' if net.norm else ''),
            fontsize=7,
            rotation=0,
            ha='right',
            va='center',
            color=style.INK,
        )
    return made


def main(_):
    """Prints the table and writes the histograms."""
    nets = [
        DeepNet(_LAYERS.value, act, kind, norm)
        for act in ACTIVATIONS
        for kind in INITIALIZERS
        for norm in (False, True)
    ]
    found = {net: activations(net, _UNITS.value, _INPUTS.value, _SEED.value) for net in nets}
    print(statistics_table(found).to_text(), end='')
    path = workdir.writable(common.workdir()) / 'init_statistics.png'
    plots.save(histograms(found), pathlib.Path(path))
    print(f'wrote {path}')


if __name__ == '__main__':
    common.start(main)
