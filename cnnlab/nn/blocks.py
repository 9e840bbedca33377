"""Bricks that two or more families share."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab import names
from cnnlab.nn import initializers
from cnnlab.nn.layers import Act, Conv, GlobalAvgPool

# (block, x) -> the output of a branch of the block
Branch = Callable[[nn.Module, jax.Array], jax.Array]


class SqueezeExcite(nn.Module):
    """x times a gate per channel, from the global mean through two 1x1 layers: Hu et al. 2017,
    arXiv:1709.01507.

    (n, h, w, c) -> (n, h, w, c); `width` is the number of channels between the two layers.
    """

    width: int
    act: Callable = nn.relu
    gate: Callable = nn.sigmoid
    kernel_init: initializers.Initializer = initializers.he()

    @nn.compact
    def __call__(self, x):
        y = GlobalAvgPool(keep=True, name='mean')(x)
        y = Conv(self.width, 1, act=self.act, kernel_init=self.kernel_init, name='reduce')(y)
        y = Conv(x.shape[-1], 1, kernel_init=self.kernel_init, name='expand')(y)
        return x * Act(self.gate, name='gate')(y)


def _drops_nothing(rate: float | jax.Array) -> bool:
    """Whether a rate is known to be 0 while tracing."""
    return isinstance(rate, int | float) and rate == 0


class DropPath(nn.Module):
    """In training, drops the whole branch of an image with probability `rate` and divides the kept
    ones by 1 - rate.

    The later form of `StochasticDepth`, under the name of Larsson et al. 2016: evaluation is as
    without it.
    """

    # an array where a scan runs over blocks of several rates
    rate: float | jax.Array

    @nn.compact
    def __call__(self, x, train):
        if not train or _drops_nothing(self.rate):
            return x
        keep = jax.random.bernoulli(
            self.make_rng('dropout'), 1 - self.rate, (x.shape[0],) + (1,) * (x.ndim - 1)
        )
        return x * (keep / (1 - self.rate)).astype(x.dtype)

    # not wrapped: the branch's layers are children of the block, not of this module
    @nn.nowrap
    def run_branch(
        self, branch: Branch, block: nn.Module, x: jax.Array, shape: tuple[int, ...], train: bool
    ) -> jax.Array:
        """branch(block, x) of this `shape`, dropped for some images; see `StochasticDepth`."""
        return self(branch(block, x), train)


class StochasticDepth(nn.Module):
    """In training, leaves the branch out for the whole batch with probability `rate`; in
    evaluation, multiplies it by 1 - rate.

    Huang et al. 2016, arXiv:1603.09382, as in its code (yueatsprograms/Stochastic_Depth,
    ResidualDrop.lua). Called with a branch that is computed already, it saves nothing; `run_branch`
    does not compute a branch that is left out.
    """

    rate: float | jax.Array

    def kept(self):
        """bool (), in training: whether the branch is part of the network for this batch."""
        return jax.random.bernoulli(self.make_rng('dropout'), 1 - self.rate)

    @nn.compact
    def __call__(self, x, train):
        if _drops_nothing(self.rate):
            return x
        return x * jnp.asarray(self.kept() if train else 1 - self.rate, x.dtype)

    @nn.nowrap
    def run_branch(
        self, branch: Branch, block: nn.Module, x: jax.Array, shape: tuple[int, ...], train: bool
    ) -> jax.Array:
        """The branch where it is kept; else zeros, and batch statistics that do not move.

        Args:
          branch: (block, x) -> array of `shape`; its layers are children of the block.
          block: the module that has the branch.
          x: the input of the branch.
          shape: of its output.
          train: whether branches are left out.
        """
        if not train or _drops_nothing(self.rate) or block.is_initializing():
            return self(branch(block, x), train)
        kept = self.kept()
        # a copy: flax writes to the dictionaries
        before = jax.tree.map(lambda a: a, block.variables.get('batch_stats', {}))
        # A CPU computes the branch all the same: within a conditional XLA's convolutions lose their
        # threads and fast forms there, which costs several times what is saved (ResNet-20, batch
        # 32, two cores: 0.66 s a step within conditionals, 0.11 s without).
        computed = jax.lax.platform_dependent(kept, cpu=jnp.ones_like, default=lambda kept: kept)
        y = nn.cond(computed, branch, lambda _, x: jnp.zeros(shape, x.dtype), block, x)
        if block.is_mutable_collection('batch_stats'):
            for name, after in block.variables.get('batch_stats', {}).items():
                unmoved = jax.tree.map(
                    lambda new, old: jnp.where(kept, new, old), after, before[name]
                )
                block.put_variable('batch_stats', name, unmoved)
        return y * kept.astype(x.dtype)


class SpatialDropout(nn.Module):
    """In training, drops whole maps: each channel of each image with probability `rate`, the kept
    ones divided by 1 - rate.

    Tompson et al. 2014, arXiv:1411.4280: neighboring pixels of a map are alike, so that leaving
    single ones out removes little. (n, h, w, c) -> the same shape.
    """

    rate: float

    @nn.compact
    def __call__(self, x, train):
        spread = tuple(range(1, x.ndim - 1))
        return nn.Dropout(self.rate, broadcast_dims=spread, deterministic=not train, name='drop')(x)


class ShakeShake(nn.Module):
    """a * first + (1 - a) * second: in training a is uniform in 0 .. 1, and another b takes its
    place in the backward pass; else 1/2.

    Gastaldi 2017, Shake-shake regularization, arXiv:1705.07485, under the names of
    github.com/xgastaldi/shake-shake: `forward` is 'shake' or 'even' (1/2), `backward` 'shake',
    'even' or 'keep' (b = a), and `level` 'image' (a draw for each) or 'batch' (one for all). (n,
    ...), (n, ...) -> (n, ...).
    """

    forward: str = 'shake'
    backward: str = 'shake'
    level: str = 'image'

    @nn.compact
    def __call__(self, first, second, train):
        names.among('forward pass of shake-shake', self.forward, ('shake', 'even'))
        names.among('backward pass of shake-shake', self.backward, ('shake', 'even', 'keep'))
        names.among('level of shake-shake', self.level, ('image', 'batch'))
        if not train:
            return (first + second) / 2
        shape = (first.shape[0] if self.level == 'image' else 1,) + (1,) * (first.ndim - 1)

        def weight(how):
            return (
                jax.random.uniform(self.make_rng('dropout'), shape, first.dtype)
                if how == 'shake'
                else jnp.full(shape, 0.5, first.dtype)
            )

        a = weight(self.forward)
        b = a if self.backward == 'keep' else weight(self.backward)
        difference = first - second
        return b * difference + second + jax.lax.stop_gradient((a - b) * difference)
