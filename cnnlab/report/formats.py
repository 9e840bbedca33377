"""Formats of a table: plain text, terminal, Markdown, CSV, HTML."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

import rich.box
import rich.cells
import rich.console
import rich.table
import rich.text

from cnnlab.report import templating
from cnnlab.report.numbers import MeanStd

# width in characters that no table reaches
_UNLIMITED = 100_000
# characters that rich puts between two columns, and at both edges together
_BETWEEN = 3
_EDGES = 2
# ASCII for the characters that our tables use beyond it
_PLAIN = str.maketrans(
    {'±': '+-', '–': '-', 'µ': 'u', '─': '-', '━': '-', '·': '.', '×': 'x', '…': '...'}
)
# characters that Markdown would interpret
_MARKDOWN = re.compile(r'[\\`*\[\]<>|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#?\w+;)')


class Tabular(Protocol):
    """A `report.table.Table`, or anything else with these attributes."""

    @property
    def columns(self) -> Sequence[Any]:
        """Columns, each with `name` and `align`."""

    @property
    def rows(self) -> Sequence[Any]:
        """Rows of raw cells, one per column."""

    @property
    def title(self) -> str:
        """The caption."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences below the table."""

    def shown(self) -> list[list[str]]:
        """Returns the cells as text for a reader."""


def text(table: Tabular, width: int | None = None) -> str:
    """Returns aligned text without color codes.

    Args:
      table: the table.
      width: most characters of a line; None is as many as the table needs.
    """
    file = io.StringIO()
    console = rich.console.Console(
        file=file,
        width=width or _UNLIMITED,
        color_system=None,
        force_terminal=False,
        legacy_windows=False,
    )
    _render(table, console)
    return '\n'.join(line.rstrip() for line in file.getvalue().splitlines()).strip('\n') + '\n'


def to_terminal(table: Tabular, file: TextIO) -> None:
    """Prints a table with colors on a terminal, as plain text elsewhere.

    Where the encoding of the file is not Unicode, '±' and the like become ASCII.
    """
    console = rich.console.Console(file=file)
    if console.is_terminal and console.encoding.startswith('utf'):
        _render(table, console)
        return
    encoding = getattr(file, 'encoding', None) or 'utf-8'
    plain = text(table, console.width if console.is_terminal else None)
    if not encoding.lower().startswith('utf'):
        plain = plain.translate(_PLAIN).encode(encoding, 'replace').decode(encoding)
    file.write(plain)


def _render(table: Tabular, console: rich.console.Console) -> None:
    # rich reads [brackets] in a plain string as markup, so all text is rich Text; columns fold, so
    # that rich does not cut off digits
    if table.title:
        console.print(rich.text.Text(table.title, style='bold'))
    shown = table.shown()
    for group in _groups([c.name for c in table.columns], shown, console.width):
        grid = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, header_style='bold')
        for i in group:
            grid.add_column(
                rich.text.Text(table.columns[i].name),
                justify=table.columns[i].align or 'default',
                overflow='fold',
            )
        for row in shown:
            grid.add_row(*(rich.text.Text(row[i]) for i in group))
        console.print(grid)
    for note in table.notes:
        console.print(rich.text.Text(note, style='dim'))


def _groups(names: list[str], shown: list[list[str]], width: int) -> list[list[int]]:
    """Splits the columns into blocks that fit `width`; each block repeats the first column.

    Returns:
      Indices of the columns of each block.
    """
    needs = [max(map(rich.cells.cell_len, column)) for column in zip(names, *shown, strict=True)]
    groups, used = [[0]], needs[0] + _EDGES
    for i, need in enumerate(needs[1:], 1):
        if used + _BETWEEN + need > width and len(groups[-1]) > 1:
            groups.append([0])
            used = needs[0] + _EDGES
        groups[-1].append(i)
        used += _BETWEEN + need
    return groups


def markdown(table: Tabular) -> str:
    """Returns a table of GitHub-flavored Markdown, with its title in bold and its notes."""
    rules = {'left': ':--', 'right': '--:', 'center': ':-:'}
    lines = [
        [_escaped(c.name) for c in table.columns],
        [rules[c.align or 'left'] for c in table.columns],
    ]
    lines += [[_escaped(cell) for cell in row] for row in table.shown()]
    parts = [f'**{_escaped(table.title)}**'] if table.title else []
    parts += ['\n'.join(f'| {" | ".join(line)} |' for line in lines), *map(_escaped, table.notes)]
    return '\n\n'.join(parts) + '\n'


def _escaped(value: str) -> str:
    """Escapes text for one cell of Markdown; underscores inside words need no escape."""
    return _MARKDOWN.sub(lambda match: '\\' + match.group(), value).replace('\n', '<br>')


def csv_text(table: Tabular) -> str:
    """Returns comma-separated raw values; `float(field)` is the given number to the bit."""
    wide = [
        any(isinstance(row[i], MeanStd) for row in table.rows) for i in range(len(table.columns))
    ]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(
        [
            name
            for column, is_wide in zip(table.columns, wide, strict=True)
            for name in _fields(column.name, is_wide)
        ]
    )
    for row in table.rows:
        writer.writerow(
            [
                field
                for value, is_wide in zip(row, wide, strict=True)
                for field in _raw(value, is_wide)
            ]
        )
    return file.getvalue()


def _fields(name: str, wide: bool) -> list[str]:
    """Returns the header of a column, or the three of a column that has a `MeanStd`."""
    return [f'{name} {part}' for part in MeanStd._fields] if wide else [name]


def _raw(value: Any, wide: bool) -> list:
    """Returns the one field of a cell, or the three of a cell in a column that has a `MeanStd`.

    A plain number there is the mean of one run.
    """
    if not wide:
        return [value]
    if value is None:
        return [None] * 3
    return list(value) if isinstance(value, MeanStd) else [value, None, 1]


def html(table: Tabular) -> str:
    """Returns a <table>, with the raw value of each cell in `data-value`, for sorting."""
    cells = [
        [
            (shown, value.mean if isinstance(value, MeanStd) else value)
            for shown, value in zip(*rows, strict=True)
        ]
        for rows in zip(table.shown(), table.rows, strict=True)
    ]
    return templating.render('table.html', table=table, cells=cells)
