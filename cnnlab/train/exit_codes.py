"""How a process of a run ends: its exit status tells a launcher whether starting it again is of
use.
"""

# something for a person to mend: arguments, data, a full disk, a run that diverged
MISTAKE = 2
# sysexits.h's EX_TEMPFAIL: nothing is wrong with the run; started again with the same command, it
# goes on where it was
AGAIN = 75


class StartAgain(Exception):  # noqa: N818 (it says what to do)
    """The run ended before its end through no fault of its own; one sentence, exit status AGAIN."""
