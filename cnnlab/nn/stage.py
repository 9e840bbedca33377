"""A stage of a network: blocks one after the other, or one traced block that a scan runs over all
equal ones.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnlab.nn.norms import BatchNormConfig


class Stage(nn.Module):
    """Blocks block1, block2, ...: the first may change the shape, the rest are equal, and the last
    may differ. (n, h, w, c) -> (n, h', w', features).

    Variables have the same names and shapes with and without `scan`.
    """

    # called with drop_path and name; the block is called with (x, train)
    first: Callable[..., nn.Module]
    rest: Callable[..., nn.Module]
    # the drop rate of each block, which also says how many blocks there are
    drop_path: tuple[float, ...]
    # keeps only the inputs of the blocks for the backward pass, and computes the rest again
    remat: bool = False
    # traces the equal blocks once, so that networks of a thousand layers compile in seconds; layers
    # within the scan have no path and cannot be captured
    scan: bool = False
    # None: the last block is as the rest
    last: Callable[..., nn.Module] | None = None
    # settings of all batch norms of the network; the functions that make blocks hand it to them
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train):
        def run(make, i, x):
            block = make(drop_path=self.drop_path[i - 1], name=f'block{i}')
            return (
                nn.remat(lambda block, x: block(x, train))(block, x)
                if self.remat
                else block(x, train)
            )

        total = len(self.drop_path)
        equal = range(2, total + 1 if self.last is None else total)
        x = run(self.first, 1, x)
        # Layers to freeze are found by their paths, which blocks have outside of a scan only. The
        # variables are made by the scan all the same, so that freezing changes none of their bits.
        if self.scan and equal and (self.is_initializing() or not self.norm.frozen):
            x = self._scanned(equal, x, train)
        else:
            for i in equal:
                x = run(self.rest, i, x)
        return x if self.last is None else run(self.last, total, x)

    def _scanned(self, equal, x, train):
        paths = [f'block{i}' for i in equal]
        rates = tuple(self.drop_path[i - 1] for i in equal)
        if self.is_initializing():
            self._make_variables(paths, x)
        trees: list[dict[str, Any]] = [
            {
                c: self.get_variable(c, p)
                for c in ('params', 'batch_stats')
                if self.has_variable(c, p)
            }
            for p in paths
        ]
        keys = (
            jax.random.split(self.make_rng('dropout'), len(paths))
            if train and self.has_rng('dropout')
            else None
        )

        def body(x, each):
            variables, rate, key = each
            block = self.rest(drop_path=rate if any(rates) else 0.0, parent=None)
            y, moved = block.apply(
                variables,
                x,
                train,
                mutable=['batch_stats'],
                rngs=None if key is None else {'dropout': key},
            )
            return y, moved.get('batch_stats', {})

        each = (
            jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees),
            jnp.asarray(rates, jnp.float32),
            keys,
        )
        x, statistics = jax.lax.scan(jax.checkpoint(body) if self.remat else body, x, each)
        if (
            statistics
            and train
            and not self.is_initializing()
            and self.is_mutable_collection('batch_stats')
        ):
            for i, path in enumerate(paths):
                self.put_variable(
                    'batch_stats', path, jax.tree.map(lambda a, i=i: a[i], statistics)
                )
        return x

    def _make_variables(self, paths, x):
        block = self.rest(drop_path=0.0, parent=None)
        keys = jax.random.split(self.make_rng('params'), len(paths))
        # a loop: under vmap every block would compile a random generator of its own
        made = jax.lax.map(lambda key: block.init(key, x, False), keys)
        for i, path in enumerate(paths):
            for collection, tree in made.items():
                self.put_variable(collection, path, jax.tree.map(lambda a, i=i: a[i], tree))
