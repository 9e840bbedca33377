"""Blocks that several families of networks share: gates, and regularization by dropping."""

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
    """Multiplies every channel by a gate in 0 .. 1, computed from the channels' global means by two
    1x1 convolutions. (n, h, w, c) -> the same shape.

    Reference: Hu et al. 2017, Squeeze-and-excitation networks, arXiv:1709.01507.
    """

    # channels between the two convolutions
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
    """In training, drops the branch of each image with probability `rate` and divides the kept ones
    by 1 - rate; in evaluation, does nothing.

    This is the later form of `StochasticDepth`, under the name that Larsson et al. 2016
    (arXiv:1605.07648) gave to dropping paths.
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
        """Runs branch(block, x) and drops some images; see `StochasticDepth.run_branch`."""
        return self(branch(block, x), train)


class StochasticDepth(nn.Module):
    """In training, leaves the branch out for the whole batch with probability `rate`; in
    evaluation, multiplies it by 1 - rate.

    Called with the output of a branch it saves no time; `run_branch` does not compute a branch that
    is left out.

    Reference: Huang et al. 2016, Deep networks with stochastic depth, arXiv:1603.09382, and
    ResidualDrop.lua in its code (github.com/yueatsprograms/Stochastic_Depth).
    """

    rate: float | jax.Array

    def kept(self):
        """Draws, in training, whether this batch has the branch: bool ()."""
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
        """Runs the branch where it is kept; else gives zeros, and batch statistics stay.

        Args:
          branch: (block, x) -> array; its layers are children of the block.
          block: the module that the branch belongs to.
          x: (n, h, w, c), the input of the branch.
          shape: of the branch's output.
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
    """In training, drops each channel of each image with probability `rate` and divides the kept
    ones by 1 - rate. (n, h, w, c) -> the same shape.

    Neighboring pixels of a feature map are alike, so that dropping single pixels, as Dropout does,
    removes little information.

    Reference: Tompson et al. 2014, arXiv:1411.4280.
    """

    rate: float

    @nn.compact
    def __call__(self, x, train):
        spread = tuple(range(1, x.ndim - 1))
        return nn.Dropout(self.rate, broadcast_dims=spread, deterministic=not train, name='drop')(x)


class ShakeShake(nn.Module):
    """Mixes two branches, a * first + (1 - a) * second, with a random weight that the backward pass
    replaces by another one. (n, ...), (n, ...) -> (n, ...).

    In training the forward pass weighs by a and the backward pass by b; in evaluation both branches
    weigh 1/2.

    Reference: Gastaldi 2017, Shake-shake regularization, arXiv:1705.07485; the fields have the
    names of github.com/xgastaldi/shake-shake.
    """

    # a: 'shake' draws it uniformly in 0 .. 1, 'even' is 1/2
    forward: str = 'shake'
    # b: 'shake', 'even', or 'keep' for b = a
    backward: str = 'shake'
    # what one draw is for: an 'image' or the whole 'batch'
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
        # autodiff takes the last term for a constant: the value has weight a, the gradient weight b
        return b * difference + second + jax.lax.stop_gradient((a - b) * difference)
