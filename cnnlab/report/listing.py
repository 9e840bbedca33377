"""For commands that list things: names by pattern, and tables for the terminal or a file."""

import pathlib
import re
from collections.abc import Iterable

from cnnlab.report.files import write_text
from cnnlab.report.table import Table

# lines around a table in a file that also has other text
_BEGIN = '<!-- table -->'
_END = '<!-- end of table -->'


def matching(what: str, pattern: str, names: Iterable[str]) -> list[str]:
    """Returns the names in which a regular expression is found.

    Args:
      what: the kind of thing, in the singular, for the error.
      pattern: the value of the flag --match.
      names: all names.

    Raises:
      ValueError: the pattern is no regular expression, or no name matches it.
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
    """Writes a table as 'text', 'markdown' or 'csv'."""
    return {'text': table.to_text, 'markdown': table.to_markdown, 'csv': table.to_csv}[form]()


def emit(text: str, path: str | None) -> None:
    """Prints a text, or writes it to a file.

    If the file has a line `<!-- table -->` and, later, `<!-- end of table -->`, only the text
    between them is replaced; else the whole file.
    """
    if not path:
        print(text, end='')
        return
    written = pathlib.Path(path)
    before, begin, rest = (written.read_text() if written.is_file() else '').partition(_BEGIN)
    _, end, after = rest.partition(_END)
    write_text(path, f'{before}{begin}\n\n{text}\n{end}{after}' if begin and end else text)
