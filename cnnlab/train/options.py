"""How a run is carried out, as against what it computes, which is the recipe's."""
import dataclasses

from cnnlab.train import profile


@dataclasses.dataclass(frozen=True)
class Options:
    """None of these changes a bit of the result.

    Raises:
      ValueError: a value that cannot be.
    """
    quiet: bool = False  # no progress on the terminal
    workers: int = 0  # processes that prepare batches; 0 uses threads
    profile_steps: str = ''  # 'FIRST:LAST': these steps are traced into profile/
    stall_minutes: float = 30.0  # without progress, after which the run ends with status AGAIN; 0 is never
    checkpoint_dir: str = ''  # where checkpoints go, in place of the run's own directory; gs://bucket/path too; '' where the run has them

    def __post_init__(self):
        if self.profile_steps:
            profile.parse(self.profile_steps)
        if self.stall_minutes < 0 or self.workers < 0:
            raise ValueError(f'workers and stall_minutes are 0 or more, not {self.workers} and {self.stall_minutes}')

    def within(self, folder: str) -> 'Options':
        """For one of several runs: its checkpoints in a folder of their own of `checkpoint_dir`, where that is given."""
        return dataclasses.replace(self, checkpoint_dir=f'{self.checkpoint_dir.rstrip("/")}/{folder}') if self.checkpoint_dir else self
