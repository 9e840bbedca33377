"""Optimizers by name, as optax transforms.

'sgd', 'momentum', 'nesterov', 'adagrad', 'adadelta', 'rmsprop', 'adam' and 'adamw' are torch's, up
to rounding. A rate that changes tells the forms of momentum apart: torch's is the velocity of
gradients times the present rate, Caffe's ('..._caffe', and TF's RMSProp) the velocity of past
updates, each with the rate of its day.

Weight decay is coupled unless the rule's paper decouples it: `decay * w` is added to the gradient
before the rule, as Caffe and torch do and as papers before 2017 mean it. 'adamw', 'lamb' and 'muon'
decouple it (Loshchilov & Hutter 2017, arXiv:1711.05101): `rate * decay * w` is taken off besides.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import optax

from cnnlab import names, tree
from cnnlab.optim import transforms

FORMS = ('', 'coupled', 'decoupled')
# the rules whose own form that is
DECOUPLED = ['adamw', 'lamb', 'muon']


@dataclasses.dataclass(frozen=True)
class Hyper:
    """What a rule is told besides the rate."""

    momentum: float
    beta2: float | None
    eps: float | None
    weight_decay: float
    weight_decay_mask: Callable[[Any], Any]
    weight_decay_form: str

    def second(self, default: float) -> float:
        """beta2, or what the rule has."""
        return default if self.beta2 is None else self.beta2

    def epsilon(self, default: float) -> float:
        """eps, or what the rule has."""
        return default if self.eps is None else self.eps


def _chain(rate, h, rule, *, after=(), form='coupled', trust=()):
    """Rule, rate and decay in their order: a coupled decay before the rule, a decoupled one after
    it and before the rate.
    """
    decay = optax.add_decayed_weights(h.weight_decay, h.weight_decay_mask)
    if (h.weight_decay_form or form) == 'coupled':
        return optax.chain(decay, optax.chain(rule, *trust, rate, *after))
    return optax.chain(rule, decay, *trust, rate, *after)


def _sgd(rate, h):
    return _chain(rate, h, optax.identity())


def _momentum(rate, h):
    """v = rho v + g; w -= rate v."""
    return _chain(rate, h, optax.trace(h.momentum))


def _momentum_caffe(rate, h):
    """v = rho v + rate g; w -= v."""
    return _chain(rate, h, optax.identity(), after=(optax.trace(h.momentum),))


def _nesterov(rate, h):
    """v = rho v + g; w -= rate (g + rho v)."""
    return _chain(rate, h, optax.trace(h.momentum, nesterov=True))


def _nesterov_caffe(rate, h):
    """v' = rho v + rate g; w -= (1 + rho) v' - rho v, which is rate g + rho v'."""
    return _chain(rate, h, optax.identity(), after=(optax.trace(h.momentum, nesterov=True),))


def _adagrad(rate, h):
    """Duchi et al. 2011: w -= rate g / (sqrt(sum of g^2) + eps), eps 1e-10 outside the root."""
    return _chain(rate, h, transforms.scale_by_adagrad(h.epsilon(1e-10)))


def _adadelta(rate, h):
    """Zeiler 2012, arXiv:1212.5701: w -= rate g sqrt(mean of past updates^2 + eps) / sqrt(mean g^2
    + eps), eps 1e-6, means by 0.9.
    """
    return _chain(rate, h, optax.scale_by_adadelta(h.second(0.9), h.epsilon(1e-6)))


def _rmsprop(rate, h):
    """torch's: s = 0.99 s + 0.01 g^2 from 0; v = rho v + g / (sqrt(s) + eps), eps 1e-8 outside the
    root; w -= rate v.
    """
    scaled = optax.scale_by_rms(h.second(0.99), h.epsilon(1e-8), eps_in_sqrt=False)
    return _chain(rate, h, optax.chain(scaled, optax.trace(h.momentum)))


def _rmsprop_tf(rate, h):
    """TensorFlow 1's: s = 0.9 s + 0.1 g^2 from 1; v = rho v + rate g / sqrt(s + eps), eps 1e-10
    inside the root; w -= v.
    """
    scaled = optax.scale_by_rms(
        h.second(0.9), h.epsilon(1e-10), initial_scale=1.0, eps_in_sqrt=True
    )
    return _chain(rate, h, scaled, after=(optax.trace(h.momentum),))


def _adam_scale(h, eps):
    return optax.scale_by_adam(h.momentum, h.second(0.999), h.epsilon(eps))


def _adam(rate, h):
    """Kingma & Ba 2014, arXiv:1412.6980, with bias correction; eps 1e-8 outside the root."""
    return _chain(rate, h, _adam_scale(h, 1e-8))


def _adamw(rate, h):
    return _chain(rate, h, _adam_scale(h, 1e-8), form='decoupled')


def _lars(rate, h):
    """Layer-wise ratio, then Caffe's momentum; the ratio contains the decay."""
    if h.weight_decay_form == 'decoupled':
        raise ValueError(
            "the ratio of 'lars' contains its weight decay, which therefore cannot be decoupled"
        )
    return optax.chain(
        transforms.scale_by_lars(h.weight_decay, h.weight_decay_mask), rate, optax.trace(h.momentum)
    )


def _lamb(rate, h):
    """You et al. 2019, arXiv:1904.00962: Adam's direction (eps 1e-6) plus decay, times |w| /
    |direction| where the mask decays.
    """
    trust = (optax.masked(optax.scale_by_trust_ratio(), h.weight_decay_mask),)
    return _chain(rate, h, _adam_scale(h, 1e-6), form='decoupled', trust=trust)


def _is_matrix(params):
    return tree.map_with_name(
        lambda path, w: 'muon' if w.ndim > 1 and path.endswith('kernel') else 'adam', params
    )


def _filters(params):
    """A kernel as a matrix: all its inputs (height, width, channels) by its features."""
    return jax.tree.map(
        lambda w: optax.contrib.MuonDimensionNumbers(tuple(range(w.ndim - 1)), w.ndim - 1), params
    )


def _muon(rate, h):
    """optax.contrib's: kernels by orthogonalised Nesterov momentum times sqrt(max(1, features /
    inputs)), all else by Adam.
    """
    eps = h.epsilon(1e-8)
    matrices = optax.chain(
        optax.contrib.scale_by_muon(beta=h.momentum, eps=eps, weight_dimension_numbers=_filters),
        optax.stateless_with_tree_map(
            lambda u, _: u * max(1.0, u.shape[-1] / math.prod(u.shape[:-1])) ** 0.5
        ),
    )
    others = optax.scale_by_adam(0.9, h.second(0.999), eps)
    return _chain(
        rate, h, optax.partition({'muon': matrices, 'adam': others}, _is_matrix), form='decoupled'
    )


Rule = Callable[[optax.GradientTransformation, Hyper], optax.GradientTransformation]
RULES: dict[str, Rule] = {
    'sgd': _sgd,
    'momentum': _momentum,
    'momentum_caffe': _momentum_caffe,
    'nesterov': _nesterov,
    'nesterov_caffe': _nesterov_caffe,
    'adagrad': _adagrad,
    'adadelta': _adadelta,
    'rmsprop': _rmsprop,
    'rmsprop_tf': _rmsprop_tf,
    'adam': _adam,
    'adamw': _adamw,
    'lars': _lars,
    'lamb': _lamb,
    'muon': _muon,
}


def register(name: str, rule: Rule, *, decoupled: bool = False) -> None:
    """Lets recipes name an optimizer of one's own: after `register('lion', lion)` they can say
    optimizer='lion'.

    Args:
      name: by which recipes know it.
      rule: (rate, hyper) -> the whole optimizer. `rate` multiplies updates by minus the learning
        rate and belongs into the chain; `hyper` is all else that the recipe says.
      decoupled: whether its own form of weight decay is the decoupled one.

    Raises:
      ValueError: the name is taken.

    Example:
      def lion(rate, hyper):
        decay = optax.add_decayed_weights(hyper.weight_decay, hyper.weight_decay_mask)
        return optax.chain(optax.scale_by_lion(hyper.momentum, hyper.second(0.99)), decay, rate)

      register('lion', lion, decoupled=True)
    """
    names.add('optimizer', name, rule, RULES)
    if decoupled:
        DECOUPLED.append(name)


def build(
    name: str,
    learning_rate: optax.Schedule | optax.GradientTransformation,
    *,
    momentum: float = 0.9,
    beta2: float | None = None,
    eps: float | None = None,
    weight_decay: float = 0.0,
    weight_decay_mask: Sequence[str] = ('.*',),
    weight_decay_form: str = '',
) -> optax.GradientTransformation:
    """The optimizer of a run.

    Args:
      name: a key of RULES.
      learning_rate: by step; or a transform that multiplies updates by minus the rate.
      momentum: rho of the momentum rules and of RMSProp, beta 1 of Adam's, beta of Muon.
      beta2: decay of the mean of squared gradients (Adam's beta 2, RMSProp's decay, AdaDelta's
        rho); None is the rule's own.
      eps: what keeps a divisor from zero; None is the rule's own.
      weight_decay: multiplied by the weight (the L2 penalty is `weight_decay / 2 * |w|^2`).
      weight_decay_mask: which parameters decay, as regular expressions on their path; ('.*',) is
        all, ('kernel$',) spares biases and norms. LARS and LAMB adapt the same ones by their ratio.
      weight_decay_form: 'coupled' or 'decoupled'; '' is what the rule has.

    Raises:
      KeyError: unknown name. ValueError: a negative weight decay, momentum or eps; (when the state
        is made) a pattern of `weight_decay_mask` matches no parameter.
    """
    rule = names.lookup('optimizer', name, RULES)
    names.among('form of weight decay', weight_decay_form, FORMS)
    if weight_decay < 0:
        raise ValueError(f'weight decay must not be negative, got {weight_decay}')
    for what, value in (('momentum', momentum), ('beta2', beta2)):
        if value is not None and not 0 <= value < 1:
            raise ValueError(f'{what} is at least 0 and below 1, got {value}')
    if eps is not None and eps < 0:
        raise ValueError(f'eps must not be negative, got {eps}')
    if not isinstance(learning_rate, optax.GradientTransformation):
        learning_rate = optax.scale_by_learning_rate(learning_rate)
    hyper = Hyper(
        momentum=momentum,
        beta2=beta2,
        eps=eps,
        weight_decay=weight_decay,
        weight_decay_mask=lambda params: tree.mask(params, weight_decay_mask),
        weight_decay_form=weight_decay_form,
    )
    return rule(learning_rate, hyper)
