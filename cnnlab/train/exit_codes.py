"""Exit statuses of a run, which tell a launcher whether to start it again."""

# a person must act: wrong arguments, missing data, a full disk, a run that diverged
MISTAKE = 2
# sysexits.h's EX_TEMPFAIL: the same command resumes the run
AGAIN = 75


class StartAgain(Exception):  # noqa: N818 (it says what to do)
    """The run was interrupted from outside and can be resumed; exit status AGAIN."""
