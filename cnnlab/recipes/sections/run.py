"""The run: length, batches, precision, logging, checkpoints and evaluations."""

import dataclasses

import jax.numpy as jnp

from cnnlab.recipes.duration import Timeline, steps
from cnnlab.recipes.sections import check

PRECISIONS = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16, 'float64': jnp.float64}
# what to do if the loss or the gradient is not finite
ON_NAN = ('stop', 'skip', 'rollback')


@dataclasses.dataclass(frozen=True)
class Run:
    """The settings of a run: length, batches, precision, log, checkpoints and evaluations.

    Raises:
      ValueError: an unknown name, a number out of range, or an invalid duration.
    """

    # images per step, over all devices
    batch_size: int = 128
    duration: str = '10 epochs'
    # gradient accumulation: parts of a batch that go through the network one after another; a step
    # is still one optimizer update
    accumulate: int = 1
    # dtype of images and activations: float32, bfloat16 or float64
    precision: str = 'float32'
    seed: int = 0
    # duration of training over which batch statistics are recomputed at the end; 0 keeps the
    # running ones
    recompute_batch_stats: str = '0 steps'
    # early stopping after this many evaluations in a row without a better validation top-1; 0: off
    stop_patience: int = 0
    evaluate_every: str = '1 epochs'
    checkpoint_every: str = '1 epochs'
    log_every: str = '50 steps'
    # number of newest checkpoints to keep, besides the best
    keep: int = 2
    # checkpoints at multiples of this duration are kept for good; '': none
    keep_every: str = ''
    # if loss or gradient are not finite: 'stop', 'skip' the batch or 'rollback' (train.nan_policy)
    on_nan: str = 'stop'
    # number of skipped batches or rollbacks after which the run stops
    nan_limit: int = 3

    def __post_init__(self) -> None:
        check.one_of('run.precision', 'precision', self.precision, PRECISIONS)
        check.one_of('run.on_nan', 'NaN policy (on_nan)', self.on_nan, ON_NAN)
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
        """Returns the length of the run on a training set of `examples` images."""
        total = steps(self.duration, examples, self.batch_size)
        return Timeline(examples, self.batch_size, total)
