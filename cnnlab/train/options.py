"""How a run is carried out, as against what it computes, which is the recipe's."""

import dataclasses

from cnnlab.train.monitor import profile


@dataclasses.dataclass(frozen=True)
class Options:
    """None of these changes a bit of the result.

    Raises:
      ValueError: a value that cannot be.
    """

    # no progress on the terminal
    quiet: bool = False
    # processes that prepare batches; 0 uses threads
    workers: int = 0
    # 'FIRST:LAST': these steps are traced into profile/
    profile_steps: str = ''
    # without progress, after which the run ends with status AGAIN; 0 is never
    stall_minutes: float = 30.0
    # where checkpoints go, in place of the run's own directory; gs://bucket/path too; '' where the
    # run has them
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
        """For one of several runs: its checkpoints in a folder of their own of `checkpoint_dir`,
        where that is given.
        """
        return (
            dataclasses.replace(self, checkpoint_dir=f'{self.checkpoint_dir.rstrip("/")}/{folder}')
            if self.checkpoint_dir
            else self
        )
