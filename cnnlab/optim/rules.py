"""Optimisers by name, as optax transforms.

In 'sgd', 'momentum', 'nesterov' and 'adam' the weight decay is coupled: `decay * w` is added to the gradient before the rule, as Caffe and
torch do and as papers before 2017 mean it. 'adamw' decouples it (Loshchilov & Hutter 2017, arXiv:1711.05101).
"""
from collections.abc import Callable, Sequence

import optax

from cnnlab import names, tree


def _coupled(rule):
    return lambda rate, momentum, decay, mask: optax.chain(optax.add_decayed_weights(decay, mask), rule(rate, momentum))


RULES: dict[str, Callable[..., optax.GradientTransformation]] = {
    'sgd': _coupled(lambda rate, momentum: optax.sgd(rate)),
    'momentum': _coupled(lambda rate, momentum: optax.sgd(rate, momentum)),  # torch's form: v = rho v + g; w -= rate v
    'nesterov': _coupled(lambda rate, momentum: optax.sgd(rate, momentum, nesterov=True)),
    'adam': _coupled(lambda rate, momentum: optax.adam(rate, b1=momentum)),
    'adamw': lambda rate, momentum, decay, mask: optax.adamw(rate, b1=momentum, weight_decay=decay, mask=mask),
}


def build(name: str, rate: optax.Schedule, *, momentum: float = 0.9, decay: float = 0.0,
          decayed: Sequence[str] = ('.*',)) -> optax.GradientTransformation:
    """The optimiser of a run.

    Args:
      name: a key of RULES.
      rate: learning rate by step.
      momentum: rho of the momentum rules, beta 1 of Adam's.
      decay: the weight decay, multiplied by the weight (the L2 penalty is `decay / 2 * |w|^2`).
      decayed: which parameters decay, as regular expressions on their path; ('.*',) is all, ('kernel$',) spares biases and norms.

    Raises:
      KeyError: unknown name. ValueError (when the state is made): a pattern of `decayed` matches no parameter; a negative decay.
    """
    rule = names.lookup('optimiser', name, RULES)
    if decay < 0:
        raise ValueError(f'weight decay must not be negative, got {decay}')
    return rule(rate, momentum, decay, lambda params: tree.mask(params, decayed))
