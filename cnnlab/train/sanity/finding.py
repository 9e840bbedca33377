"""The result of one check, in words for the one who has to mend it."""

import dataclasses
from collections.abc import Iterable

from cnnlab.names import among
from cnnlab.report.table import Column, Table

# open: the check does not apply here, or could not tell
PASSED, FAILED, OPEN = 'passed', 'failed', 'open'


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
      check: its name.
      expected: what should have been found, with the limits.
      measured: what was found.
      verdict: 'passed', 'failed' or 'open'.
      causes: what usually causes a failure.
    """

    check: str
    expected: str
    measured: str
    verdict: str
    causes: str

    def __post_init__(self) -> None:
        among('verdict', self.verdict, (PASSED, FAILED, OPEN))


def judged(check: str, expected: str, measured: str, good: bool, causes: str) -> Finding:
    """A finding that passed where `good`, else failed."""
    return Finding(check, expected, measured, PASSED if good else FAILED, causes)


def findings_table(findings: Iterable[Finding], title: str) -> Table:
    """A row a check; the causes of those that failed stand in the notes."""
    findings = list(findings)
    columns = (Column('check'), Column('verdict'), Column('expected'), Column('measured'))
    notes = [f'{f.check} failed. Usual causes: {f.causes}' for f in findings if f.verdict == FAILED]
    return Table(
        columns, [(f.check, f.verdict, f.expected, f.measured) for f in findings], title, notes
    )
