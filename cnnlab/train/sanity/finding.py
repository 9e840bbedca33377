"""The result of a sanity check, in words that help to fix a failure."""

import dataclasses
from collections.abc import Iterable

from cnnlab.names import among
from cnnlab.report.table import Column, Table

# open: the check does not apply, or was not conclusive
PASSED, FAILED, OPEN = 'passed', 'failed', 'open'


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
      check: its name.
      expected: the expectation, with its limits.
      measured: the measurement.
      verdict: 'passed', 'failed' or 'open'.
      causes: usual causes of a failure.
    """

    check: str
    expected: str
    measured: str
    verdict: str
    causes: str

    def __post_init__(self) -> None:
        among('verdict', self.verdict, (PASSED, FAILED, OPEN))


def judged(check: str, expected: str, measured: str, good: bool, causes: str) -> Finding:
    """Builds a finding that passed if `good`, and failed otherwise."""
    return Finding(check, expected, measured, PASSED if good else FAILED, causes)


def findings_table(findings: Iterable[Finding], title: str) -> Table:
    """Builds a table with one row per check; its notes give the usual causes of failures."""
    findings = list(findings)
    columns = (Column('check'), Column('verdict'), Column('expected'), Column('measured'))
    notes = [f'{f.check} failed. Usual causes: {f.causes}' for f in findings if f.verdict == FAILED]
    return Table(
        columns, [(f.check, f.verdict, f.expected, f.measured) for f in findings], title, notes
    )
