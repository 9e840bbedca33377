"""Blocks in a row: one after the other, or one traced block run over all by a scan, from the same variables."""
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn


class Stage(nn.Module):
    """block1, block2, ...: the first may change the shape, the rest are equal. (n, h, w, c) -> (n, h', w', features).

    `scan` traces the equal blocks once, which lets nets of a thousand layers compile in seconds. Variables have the same names and shapes
    either way; module paths inside the scan cannot be captured. `remat` keeps only the inputs of blocks for the backward pass.
    """
    first: Callable[..., nn.Module]  # called with drop_path and name; the block is called with (x, train)
    rest: Callable[..., nn.Module]
    drop_path: tuple[float, ...]  # one rate a block, so its length is the number of blocks
    remat: bool = False
    scan: bool = False

    @nn.compact
    def __call__(self, x, train):
        call = nn.remat(lambda block, x: block(x, train)) if self.remat else lambda block, x: block(x, train)
        x = call(self.first(drop_path=self.drop_path[0], name='block1'), x)
        if self.scan and len(self.drop_path) > 1:
            return self._scanned(x, train)
        for i, rate in enumerate(self.drop_path[1:], 2):
            x = call(self.rest(drop_path=rate, name=f'block{i}'), x)
        return x

    def _scanned(self, x, train):
        paths = [f'block{i}' for i in range(2, len(self.drop_path) + 1)]
        rates = jnp.asarray(self.drop_path[1:], jnp.float32)
        dropping = train and any(self.drop_path[1:])
        if self.is_initializing():
            self._make_variables(paths, x, train)
        trees = [{c: self.get_variable(c, p) for c in ('params', 'batch_stats')} for p in paths]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
        keys = jax.random.split(self.make_rng('dropout'), len(paths)) if dropping else None

        def body(x, each):
            variables, rate, key = each
            block = self.rest(drop_path=rate if dropping else 0.0, parent=None)
            y, moved = block.apply(variables, x, train, mutable=['batch_stats'], rngs={'dropout': key} if dropping else None)
            return y, moved['batch_stats']

        x, statistics = jax.lax.scan(jax.checkpoint(body) if self.remat else body, x, (stacked, rates, keys))
        if train and not self.is_initializing() and self.is_mutable_collection('batch_stats'):
            for i, path in enumerate(paths):
                self.put_variable('batch_stats', path, jax.tree.map(lambda a, i=i: a[i], statistics))
        return x

    def _make_variables(self, paths, x, train):
        block = self.rest(drop_path=0.0, parent=None)
        keys = jax.random.split(self.make_rng('params'), len(paths))
        made = jax.vmap(lambda key: block.init(key, x, train))(keys)
        for i, path in enumerate(paths):
            for collection, tree in made.items():
                self.put_variable(collection, path, jax.tree.map(lambda a, i=i: a[i], tree))
