"""What the commands that list things share: the names that a pattern finds, and a table for the
terminal or a file.
"""

import pathlib
import re
from collections.abc import Iterable

from cnnlab.report.files import write_text
from cnnlab.report.table import Table

# around the table of a file that holds more than it
_MARKS = '<!-- table -->', '<!-- end of table -->'


def matching(what: str, pattern: str, names: Iterable[str]) -> list[str]:
    """The names in which a regular expression is found.

    Raises:
      ValueError: it is none, or it is found in no name.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f'--match={pattern} is no regular expression: {error}') from None
    names = list(names)
    found = [name for name in names if expression.search(name)]
    if not found:
        raise ValueError(
            f'no {what} has a name that matches {pattern!r}; without --match all {len(names)} are '
            f'listed'
        )
    return found


def formatted(table: Table, form: str) -> str:
    """A table as 'text', 'markdown' or 'csv'."""
    return {'text': table.to_text, 'markdown': table.to_markdown, 'csv': table.to_csv}[form]()


def emit(text: str, path: str | None) -> None:
    """Prints a text, or writes it to a file: where that has a line `<!-- table -->` and later one
    `<!-- end of table -->`, between them.
    """
    if not path:
        print(text, end='')
        return
    written = pathlib.Path(path)
    before, begin, rest = (written.read_text() if written.is_file() else '').partition(_MARKS[0])
    _, end, after = rest.partition(_MARKS[1])
    write_text(path, f'{before}{begin}\n\n{text}\n{end}{after}' if begin and end else text)
