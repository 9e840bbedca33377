"""Optimizers by name, as optax transforms.

'sgd', 'momentum', 'nesterov', 'adagrad', 'adadelta', 'rmsprop', 'adam' and 'adamw' compute what
torch's do, up to rounding.

The two forms of momentum differ when the learning rate changes. torch sums past gradients and
multiplies the sum by the current rate. Caffe ('momentum_caffe', 'nesterov_caffe', and TensorFlow's
RMSProp) sums past updates, each with the rate of its own step.

Weight decay is coupled, unless the paper of the rule decouples it. Coupled: `weight_decay * w` is
added to the gradient before the rule, as in Caffe, in torch and in papers before 2017. Decoupled
('adamw', 'lamb', 'muon'): `learning_rate * weight_decay * w` is subtracted from w beside the rule
(Loshchilov & Hutter 2017, arXiv:1711.05101).

In the formulas below w is a parameter, g its gradient, rate the learning rate and rho the momentum.
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
# rules whose weight decay is decoupled unless a recipe says otherwise
DECOUPLED = ['adamw', 'lamb', 'muon']


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """All settings of a rule but the learning rate; see `build` for their meaning.

    `weight_decay_mask` maps parameters to a tree of bools, True where they decay.
    """

    momentum: float
    beta2: float | None
    eps: float | None
    weight_decay: float
    weight_decay_mask: Callable[[Any], Any]
    weight_decay_form: str

    def beta2_or(self, default: float) -> float:
        """Returns beta2, or the rule's own default where none is given."""
        return default if self.beta2 is None else self.beta2

    def eps_or(self, default: float) -> float:
        """Returns eps, or the rule's own default where none is given."""
        return default if self.eps is None else self.eps


def _chain(scale, h, rule, *, after=(), form='coupled', trust=()):
    """Chains a rule, its weight decay and the learning rate.

    Args:
      scale: multiplies updates by minus the learning rate.
      h: Hyperparameters.
      rule: the direction of the update.
      after: transforms behind the learning rate.
      form: of the weight decay, where `h` names none.
      trust: layer-wise ratios, which see the decoupled decay.
    """
    decay = optax.add_decayed_weights(h.weight_decay, h.weight_decay_mask)
    if (h.weight_decay_form or form) == 'coupled':
        return optax.chain(decay, optax.chain(rule, *trust, scale, *after))
    return optax.chain(rule, decay, *trust, scale, *after)


def _sgd(scale, h):
    """w -= rate g."""
    return _chain(scale, h, optax.identity())


def _momentum(scale, h):
    """v = rho v + g; w -= rate v."""
    return _chain(scale, h, optax.trace(h.momentum))


def _momentum_caffe(scale, h):
    """v = rho v + rate g; w -= v."""
    return _chain(scale, h, optax.identity(), after=(optax.trace(h.momentum),))


def _nesterov(scale, h):
    """v = rho v + g; w -= rate (g + rho v)."""
    return _chain(scale, h, optax.trace(h.momentum, nesterov=True))


def _nesterov_caffe(scale, h):
    """v' = rho v + rate g; w -= (1 + rho) v' - rho v, which is rate g + rho v'."""
    return _chain(scale, h, optax.identity(), after=(optax.trace(h.momentum, nesterov=True),))


def _adagrad(scale, h):
    """Duchi et al. 2011: w -= rate g / (sqrt(sum of g^2) + eps), eps 1e-10."""
    return _chain(scale, h, transforms.scale_by_adagrad(h.eps_or(1e-10)))


def _adadelta(scale, h):
    """Zeiler 2012, arXiv:1212.5701: w -= rate g sqrt(x + eps) / sqrt(s + eps), eps 1e-6.

    s is the moving mean of g^2 and x that of the squared updates before this one, both with decay
    0.9.
    """
    return _chain(scale, h, optax.scale_by_adadelta(h.beta2_or(0.9), h.eps_or(1e-6)))


def _rmsprop(scale, h):
    """torch: s = 0.99 s + 0.01 g^2; v = rho v + g / (sqrt(s) + eps); w -= rate v.

    s begins at 0; eps is 1e-8, outside the root.
    """
    scaled = optax.scale_by_rms(h.beta2_or(0.99), h.eps_or(1e-8), eps_in_sqrt=False)
    return _chain(scale, h, optax.chain(scaled, optax.trace(h.momentum)))


def _rmsprop_tf(scale, h):
    """TensorFlow 1: s = 0.9 s + 0.1 g^2; v = rho v + rate g / sqrt(s + eps); w -= v.

    s begins at 1; eps is 1e-10, inside the root.
    """
    scaled = optax.scale_by_rms(
        h.beta2_or(0.9), h.eps_or(1e-10), initial_scale=1.0, eps_in_sqrt=True
    )
    return _chain(scale, h, scaled, after=(optax.trace(h.momentum),))


def _adam_scale(h, eps):
    return optax.scale_by_adam(h.momentum, h.beta2_or(0.999), h.eps_or(eps))


def _adam(scale, h):
    """Kingma & Ba 2014, arXiv:1412.6980, with bias correction; eps 1e-8 outside the root."""
    return _chain(scale, h, _adam_scale(h, 1e-8))


def _adamw(scale, h):
    """Adam with decoupled weight decay: Loshchilov & Hutter 2017, arXiv:1711.05101."""
    return _chain(scale, h, _adam_scale(h, 1e-8), form='decoupled')


def _lars(scale, h):
    """A ratio per layer that contains the weight decay, then Caffe's momentum."""
    if h.weight_decay_form == 'decoupled':
        raise ValueError(
            "the ratio of 'lars' contains its weight decay, which therefore cannot be decoupled"
        )
    return optax.chain(
        transforms.scale_by_lars(h.weight_decay, h.weight_decay_mask),
        scale,
        optax.trace(h.momentum),
    )


def _lamb(scale, h):
    """You et al. 2019, arXiv:1904.00962: w -= rate |w| / |d| d, d = Adam's direction + decay w.

    eps is 1e-6. The ratio is 1 for parameters that do not decay.
    """
    trust = (optax.masked(optax.scale_by_trust_ratio(), h.weight_decay_mask),)
    return _chain(scale, h, _adam_scale(h, 1e-6), form='decoupled', trust=trust)


def _muon_or_adam(params):
    return tree.map_with_name(
        lambda path, w: 'muon' if w.ndim > 1 and path.endswith('kernel') else 'adam', params
    )


def _filters(params):
    """Describes each kernel as a matrix: all its inputs (height, width, channels) by features."""
    return jax.tree.map(
        lambda w: optax.contrib.MuonDimensionNumbers(tuple(range(w.ndim - 1)), w.ndim - 1), params
    )


def _muon(scale, h):
    """Muon for kernels, Adam for all other parameters.

    A kernel's update is its Nesterov momentum, orthogonalized by optax.contrib, times
    sqrt(max(1, features / inputs)).
    """
    eps = h.eps_or(1e-8)
    matrices = optax.chain(
        optax.contrib.scale_by_muon(beta=h.momentum, eps=eps, weight_dimension_numbers=_filters),
        optax.stateless_with_tree_map(
            lambda u, _: u * max(1.0, u.shape[-1] / math.prod(u.shape[:-1])) ** 0.5
        ),
    )
    others = optax.scale_by_adam(0.9, h.beta2_or(0.999), eps)
    return _chain(
        scale,
        h,
        optax.partition({'muon': matrices, 'adam': others}, _muon_or_adam),
        form='decoupled',
    )


Rule = Callable[[optax.GradientTransformation, Hyperparameters], optax.GradientTransformation]
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
    """Adds an optimizer of your own, which recipes then select by its name.

    Args:
      name: the name in recipes.
      rule: (scale, hyper) -> the whole optimizer. `scale` multiplies updates by minus the learning
        rate and belongs in the chain; `hyper` is a `Hyperparameters`.
      decoupled: whether the rule's own weight decay is decoupled.

    Raises:
      ValueError: the name is taken.

    Example:
      >>> def lion(scale, hyper):
      ...     direction = optax.scale_by_lion(hyper.momentum, hyper.beta2_or(0.99))
      ...     decay = optax.add_decayed_weights(hyper.weight_decay, hyper.weight_decay_mask)
      ...     return optax.chain(direction, decay, scale)
      >>> register('lion', lion, decoupled=True)
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
    """Builds an optimizer.

    Args:
      name: a key of `RULES`.
      learning_rate: step -> learning rate, or a transform that multiplies updates by minus the
        learning rate.
      momentum: rho of the momentum rules and of RMSProp, beta1 of Adam, AdamW and LAMB, beta of
        Muon; at least 0 and below 1.
      beta2: decay of the mean of squared gradients (Adam's beta2, RMSProp's alpha, AdaDelta's rho);
        None is the rule's own.
      eps: added to a divisor so that it is not zero; None is the rule's own.
      weight_decay: factor on the weight (the L2 penalty is `weight_decay / 2 * |w|^2`).
      weight_decay_mask: parameters that decay, as regular expressions on their paths: ('.*',) is
        all of them, ('kernel$',) spares biases and norms. The ratios of LARS and LAMB apply to the
        same parameters.
      weight_decay_form: 'coupled', 'decoupled', or '' for the rule's own.

    Raises:
      KeyError: no such rule.
      ValueError: a number is out of range, the form is unknown or not possible for this rule, or a
        pattern of the mask matches no parameter (raised by `init`).

    Example:
      >>> tx = build('adamw', lambda step: 0.1, weight_decay=0.05, weight_decay_mask=('kernel$',))
      >>> state = tx.init(params)
      >>> updates, state = tx.update(gradients, state, params)
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
    if isinstance(learning_rate, optax.GradientTransformation):
        scale = learning_rate
    else:
        scale = optax.scale_by_learning_rate(learning_rate)
    hyper = Hyperparameters(
        momentum=momentum,
        beta2=beta2,
        eps=eps,
        weight_decay=weight_decay,
        weight_decay_mask=lambda params: tree.mask(params, weight_decay_mask),
        weight_decay_form=weight_decay_form,
    )
    return rule(scale, hyper)
