"""The optimizer, from the gradient to the update of the parameters."""

import dataclasses
from collections.abc import Callable, Mapping

import optax

from cnnlab import tree
from cnnlab.optim import by_path, rules, transforms
from cnnlab.recipes.duration import Timeline
from cnnlab.recipes.sections import check


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """The update rule, with weight decay, clipping, Lookahead and settings for single parameters.

    Patterns are regular expressions, searched for in the paths of parameters (`re.search`).

    Raises:
      ValueError: an unknown name, or a number out of range.
    """

    # a name of optim.rules
    name: str = 'momentum'
    # the learning rate after the warm-up
    learning_rate: float = 0.1
    # {pattern: factor on the learning rate}
    learning_rate_factors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    momentum: float = 0.9
    # decay of the mean of squared gradients; None: the optimizer's default
    beta2: float | None = None
    # the optimizer's epsilon in the divisor; None: its default
    eps: float | None = None
    weight_decay: float = 0.0
    # patterns of the parameters that decay
    weight_decay_mask: tuple[str, ...] = ('.*',)
    # {pattern: factor on the coupled weight decay}
    weight_decay_factors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    # 'coupled' or 'decoupled'; '': the optimizer's default
    weight_decay_form: str = ''
    # patterns of the parameters that are not trained
    frozen: tuple[str, ...] = ()
    # {pattern: duration after which these parameters are not trained}
    frozen_after: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # filters with a larger root mean square are scaled back to it; 0: no limit
    filter_rms: float = 0.0
    # gradients with a larger global norm are scaled back to it; 0: no limit
    clip_norm: float = 0.0
    # gradient elements are clipped to this absolute value; 0: no limit
    clip_value: float = 0.0
    # number of updates between those of Lookahead's slow weights; 0: no Lookahead
    lookahead: int = 0
    # the slow weights move by this share of the way to the fast ones
    lookahead_step: float = 0.5
    # above 0, the share falls from 1 to lookahead_step over the run, by this power of the part done
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
        """Builds the optimizer of a run, an optax transform whose `update` needs the parameters.

        Its `init` raises ValueError if a pattern matches no parameter.

        Args:
          scale: multiplies updates by minus the learning rate, see `Schedule.scale`.
          timeline: of the run.
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
