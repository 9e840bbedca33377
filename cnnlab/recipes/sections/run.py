"""How long a network trains, in which batches, and how the run is watched and kept."""

import dataclasses

import jax.numpy as jnp

from cnnlab.recipes.duration import Timeline, steps
from cnnlab.recipes.sections import check

PRECISIONS = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16, 'float64': jnp.float64}
# what happens where the loss or the gradient is not finite
ON_NAN = ('stop', 'skip', 'rollback')


@dataclasses.dataclass(frozen=True)
class Run:
    """A run: its length, batches and numbers, its log, checkpoints and evaluations.

    Raises:
      ValueError: a name that is not known, a number out of range, or a duration that is none.
    """

    # images per step, over all devices
    batch_size: int = 128
    duration: str = '10 epochs'
    # parts that a batch goes through the network in, one after another; a step stays one optimizer
    # update
    accumulate: int = 1
    # dtype of images and activations: float32, bfloat16 or float64
    precision: str = 'float32'
    seed: int = 0
    # training images over which batch statistics are computed anew at the end; 0 keeps the running
    # ones
    recompute_batch_stats: str = '0 steps'
    # evaluations in a row without a better validation top-1 after which the run stops; 0 never
    # stops it
    stop_patience: int = 0
    evaluate_every: str = '1 epochs'
    checkpoint_every: str = '1 epochs'
    log_every: str = '50 steps'
    # newest checkpoints kept, besides the best
    keep: int = 2
    # a duration: checkpoints at its multiples are kept for good
    keep_every: str = ''
    # where loss or gradient are not finite: stop, skip the batch, or rollback (train.nan_policy)
    on_nan: str = 'stop'
    # how often to skip or roll back before the run stops
    nan_limit: int = 3

    def __post_init__(self) -> None:
        check.one_of('run.precision', 'precision', self.precision, PRECISIONS)
        check.one_of('run.on_nan', 'way to meet a NaN (on_nan)', self.on_nan, ON_NAN)
        check.at_least_one({'run.batch_size': self.batch_size, 'run.accumulate': self.accumulate})
        check.durations(
            {
                'run.recompute_batch_stats': self.recompute_batch_stats,
                'run.evaluate_every': self.evaluate_every,
                'run.checkpoint_every': self.checkpoint_every,
                'run.log_every': self.log_every,
                'run.keep_every': self.keep_every or '0 steps',
            }
        )
        check.not_negative({'run.keep': self.keep, 'run.nan_limit': self.nan_limit})
        if self.stop_patience < 0:
            raise ValueError(
                f'run.stop_patience is 0 (never) or a number of evaluations, got '
                f'{self.stop_patience}'
            )
        try:
            steps(self.duration, examples=1, batch=1)
        except ValueError as error:
            raise ValueError(f'run.duration: {error}') from None

    @property
    def dtype(self):
        """`precision` as a dtype."""
        return PRECISIONS[self.precision]

    def timeline(self, examples: int) -> Timeline:
        """The run on a training set of `examples` images, for reading durations."""
        total = steps(self.duration, examples, self.batch_size)
        return Timeline(examples, self.batch_size, total)
