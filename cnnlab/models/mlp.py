"""Perceptrons of two and three layers, trained by back-propagation: Rumelhart, Hinton & Williams
1986, in the sizes of the CNN lectures.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.activations import by_name
from cnnlab.nn.layers import Dense, flatten, refuse_rank


class Perceptron(nn.Module):
    """Fully connected layers fc1, fc2, ... over the flattened image, with an activation between
    them.

    Without biases, 3072-100-10 has the 308,200 weights of the CNN lectures. The variables hold for
    images of one size.
    """

    # units of the hidden layers
    hidden: tuple[int, ...]
    bias: bool = True
    # after each hidden layer: a name of nn.activations
    act: str = 'relu'
    num_classes: int = 10

    @nn.compact
    # (n, h, w, c) -> float32 logits (n, num_classes)
    def __call__(self, x, train=False):
        refuse_rank(self, x, 4, 2)
        x = flatten(x)
        act = by_name(self.act)
        for i, units in enumerate(self.hidden, 1):
            x = Dense(units, act=act, bias=self.bias, kernel_init=initializers.he(), name=f'fc{i}')(
                x
            )
        x = Dense(self.num_classes, bias=self.bias, name=f'fc{len(self.hidden) + 1}')(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


_register = functools.partial(
    register,
    cls=Perceptron,
    family='Multilayer perceptron',
    paper='Rumelhart, Hinton & Williams 1986, Nature 323; the sizes are those of the CNN lectures',
    year=1986,
    input_shape=(32, 32, 3),
)
_register('mlp2', hidden=(100,), params=308_310)
_register('mlp3', hidden=(100, 100), params=318_410)
