"""All that lies between a gradient and the update of the parameters."""

import dataclasses
from collections.abc import Callable, Mapping

import optax

from cnnlab import tree
from cnnlab.optim import by_path, rules, transforms
from cnnlab.recipes.duration import Timeline
from cnnlab.recipes.sections import check


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """The rule of the updates, with weight decay, clipping, Lookahead and what holds for some
    parameters only.

    Parameters are named by regular expressions on their path (`re.search`).

    Raises:
      ValueError: a name that is not known or a number out of range.
    """

    # a name of optim.rules
    name: str = 'momentum'
    # after the warm-up
    learning_rate: float = 0.1
    # {pattern: factor on the learning rate there}
    learning_rate_factors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    momentum: float = 0.9
    # decay of the mean of squared gradients; None is what the optimizer has
    beta2: float | None = None
    # what keeps the optimizer's divisor from zero; None is what it has
    eps: float | None = None
    weight_decay: float = 0.0
    # which parameters decay
    weight_decay_mask: tuple[str, ...] = ('.*',)
    # {pattern: factor on the (coupled) weight decay there}
    weight_decay_factors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    # 'coupled' or 'decoupled'; '' is what the optimizer has
    weight_decay_form: str = ''
    # which parameters are not trained
    frozen: tuple[str, ...] = ()
    # {pattern: duration after which it is not trained}
    frozen_after: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # largest root mean square of a convolution filter, to which it is scaled back; 0 is no limit
    filter_rms: float = 0.0
    # largest global norm of the gradient; 0 is no limit
    clip_norm: float = 0.0
    # largest absolute value of an element of the gradient; 0 is no limit
    clip_value: float = 0.0
    # updates after which the slow weights of Lookahead follow; 0 is none
    lookahead: int = 0
    # the share of the way that they go
    lookahead_step: float = 0.5
    # above 0 the share falls from 1 to lookahead_step at the end, by this power of the part of the
    # run done
    lookahead_power: float = 0.0

    def __post_init__(self) -> None:
        check.one_of('optimizer.name', 'optimizer', self.name, rules.RULES)
        check.one_of(
            'optimizer.weight_decay_form',
            'form of weight decay',
            self.weight_decay_form,
            rules.FORMS,
        )
        check.not_negative(
            {
                'optimizer.learning_rate': self.learning_rate,
                'optimizer.weight_decay': self.weight_decay,
                'optimizer.filter_rms': self.filter_rms,
                'optimizer.clip_norm': self.clip_norm,
                'optimizer.clip_value': self.clip_value,
                'optimizer.lookahead': self.lookahead,
                'optimizer.lookahead_power': self.lookahead_power,
                'optimizer.eps': self.eps or 0.0,
            }
        )
        for field in ('momentum', 'beta2'):
            value = getattr(self, field)
            if value is not None and not 0 <= value < 1:
                raise ValueError(f'optimizer.{field} is at least 0 and below 1, got {value}')
        if not 0 <= self.lookahead_step <= 1:
            raise ValueError(
                f'optimizer.lookahead_step is a share between 0 and 1, got {self.lookahead_step}'
            )
        for field in ('learning_rate_factors', 'weight_decay_factors'):
            for pattern, factor in getattr(self, field).items():
                if factor < 0:
                    raise ValueError(
                        f'optimizer.{field}: the factor of {pattern!r} must not be negative, got '
                        f'{factor}'
                    )
        for pattern, text in self.frozen_after.items():
            check.durations({f'optimizer.frozen_after of {pattern!r}': text})
        if self.weight_decay_factors and (
            self.weight_decay_form == 'decoupled' or self.name in rules.DECOUPLED
        ):
            raise ValueError(
                f'optimizer.weight_decay_factors are factors on a coupled weight decay, and that '
                f'of {self.name} is decoupled'
            )

    def build(
        self, scale: optax.GradientTransformation, timeline: Timeline
    ) -> optax.GradientTransformation:
        """The transform of a run; its `update` takes (gradients, state, parameters).

        Args:
          scale: what multiplies updates by minus the learning rate, see `Schedule.scale`.
          timeline: of the run.

        Raises:
          ValueError (when its state is made): a pattern that matches no parameter.
        """
        tx = rules.build(
            self.name,
            scale,
            momentum=self.momentum,
            beta2=self.beta2,
            eps=self.eps,
            weight_decay=self.weight_decay,
            weight_decay_mask=self.weight_decay_mask,
            weight_decay_form=self.weight_decay_form,
        )
        if self.weight_decay_factors:
            adjusted = by_path.adjust_weight_decay(
                self.weight_decay_factors,
                self.weight_decay,
                lambda params: tree.mask(params, self.weight_decay_mask),
            )
            tx = optax.chain(adjusted, tx)
        if self.clip_norm:
            tx = optax.chain(optax.clip_by_global_norm(self.clip_norm), tx)
        if self.clip_value:
            tx = optax.chain(optax.clip(self.clip_value), tx)
        if self.learning_rate_factors:
            tx = optax.chain(tx, transforms.scale_by_path(self.learning_rate_factors))
        if self.filter_rms:
            tx = optax.chain(tx, transforms.keep_filters_within(self.filter_rms))
        if self.lookahead:
            tx = transforms.lookahead(tx, self.lookahead, self._lookahead_share(timeline.total))
        if self.frozen_after:
            ends = {pattern: timeline.steps(text) for pattern, text in self.frozen_after.items()}
            tx = optax.chain(tx, by_path.freeze_after(ends))
        return transforms.freezing(self.frozen, tx) if self.frozen else tx

    def _lookahead_share(self, total: int) -> float | Callable:
        if not self.lookahead_power:
            return self.lookahead_step
        return lambda count: 1 - (1 - self.lookahead_step) * (count / total) ** self.lookahead_power
