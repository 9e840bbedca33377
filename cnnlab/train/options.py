"""Options of a run that do not change its result; the recipe holds all that does."""

import dataclasses

from cnnlab.train.monitor import profile


@dataclasses.dataclass(frozen=True)
class Options:
    """How to carry out a run. None of these changes a bit of the result.

    Attributes:
      quiet: show no progress on the terminal.
      workers: processes that prepare batches; 0 uses threads.
      profile_steps: 'FIRST:LAST', steps to trace into profile/; '' traces none.
      stall_minutes: minutes without progress after which the run ends with status AGAIN; 0 is no
        limit.
      checkpoint_dir: where to keep checkpoints, also gs://bucket/path; '' keeps them where the run
        has them, by default in its own directory.

    Raises:
      ValueError: an invalid value.
    """

    quiet: bool = False
    workers: int = 0
    profile_steps: str = ''
    stall_minutes: float = 30.0
    checkpoint_dir: str = ''

    def __post_init__(self):
        if self.profile_steps:
            profile.parse(self.profile_steps)
        if self.stall_minutes < 0 or self.workers < 0:
            raise ValueError(
                f'workers and stall_minutes are 0 or more, not {self.workers} and '
                f'{self.stall_minutes}'
            )

    def within(self, folder: str) -> 'Options':
        """Returns the options for one of several runs, with its own folder in `checkpoint_dir`."""
        if not self.checkpoint_dir:
            return self
        parent = self.checkpoint_dir.rstrip('/')
        return dataclasses.replace(self, checkpoint_dir=f'{parent}/{folder}')
