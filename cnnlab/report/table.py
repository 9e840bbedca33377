"""A table of raw numbers, written as text, Markdown, CSV or HTML."""

import dataclasses
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TextIO

from cnnlab.names import among
from cnnlab.report import formats
from cnnlab.report.numbers import KINDS, PREFIXES, MeanStd, show

ALIGNMENTS = ('left', 'right', 'center')
Cell = str | float | MeanStd | None


@dataclasses.dataclass(frozen=True)
class Column:
    """A column: its name, how `numbers.show` writes its cells, and its alignment (default: text
    left, numbers right).
    """

    name: str
    kind: str = 'text'
    decimals: int | None = None
    prefix: str | None = None
    align: Literal['left', 'right', 'center'] | None = None

    def __post_init__(self):
        among('kind of column', self.kind, KINDS)
        if self.prefix is not None:
            among('SI prefix', self.prefix, PREFIXES)
        default = 'left' if self.kind == 'text' else 'right'
        object.__setattr__(
            self,
            'align',
            default if self.align is None else among('alignment', self.align, ALIGNMENTS),
        )


@dataclasses.dataclass(frozen=True, repr=False)
class Table:
    """Rows of raw cells under typed columns.

    Attributes:
      columns: `Column`s with distinct names.
      rows: each a sequence with one cell per column, or a mapping {column name: cell} in which an
        absent name is None. A cell is a number, a text, a `Spread` over runs, or None ('–'); numpy
        and JAX scalars become Python numbers.
      title: the caption.
      notes: sentences below the table.
      levels: of each row in an outline, as of headings: a row of level 1 is a part of the last one
        of level 0. A page folds the parts away until they are asked for; the other forms show every
        row. Empty: no outline.

    Raises:
      ValueError: there are no columns or their names repeat, a row is too long or short or names no
        column, a cell does not suit its column, or the levels are no outline of the rows.
    """

    columns: Sequence[Column]
    rows: Sequence[Any]
    title: str
    notes: Sequence[str] = ()
    levels: Sequence[int] = ()

    def __post_init__(self):
        columns = tuple(self.columns)
        object.__setattr__(self, 'columns', columns)
        object.__setattr__(
            self, 'notes', (self.notes,) if isinstance(self.notes, str) else tuple(self.notes)
        )
        names = [c.name for c in columns]
        if not names:
            raise ValueError('a table needs at least one column, none was given')
        if len(set(names)) < len(names):
            raise ValueError(f'column names must differ; given: {", ".join(names)}')
        object.__setattr__(
            self, 'rows', tuple(self._row(i, row) for i, row in enumerate(self.rows))
        )
        object.__setattr__(self, 'levels', tuple(self.levels))
        if self.levels and (
            len(self.levels) != len(self.rows)
            or any(
                not 0 <= level <= before + 1
                for before, level in zip((-1, *self.levels), self.levels, strict=False)
            )
        ):
            raise ValueError('levels are one for each row, begin with 0 and rise by one at most')

    def _row(self, index: int, row: Mapping[str, Any] | Iterable[Any]) -> tuple[Cell, ...]:
        if isinstance(row, Mapping):
            for name in row:
                among('column', name, (c.name for c in self.columns))
            row = [row.get(c.name) for c in self.columns]
        row = tuple(row)
        if len(row) != len(self.columns):
            raise ValueError(
                f'row {index} has {len(row)} cells; the table has {len(self.columns)} columns'
            )
        return tuple(
            _cell(value, column, index) for value, column in zip(row, self.columns, strict=True)
        )

    def shown(self) -> list[list[str]]:
        """The cells as a reader sees them."""
        return [
            [show(v, c.kind, c.decimals, c.prefix) for v, c in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]

    def values(self, column: str) -> list[Cell]:
        """The raw cells of a column; ValueError with the nearest names where there is none."""
        return [row[self._index(column)] for row in self.rows]

    def sorted(self, column: str, descending: bool = False) -> 'Table':
        """The same table ordered by a column, ties as they stood; None and NaN come last in either
        direction. Not for outlines.
        """
        i = self._index(column)
        if self.levels:
            raise ValueError(
                f'the table {self.title!r} is an outline, which has an order of its own'
            )
        known = [row for row in self.rows if _rank(row[i])]
        rest = [row for row in self.rows if not _rank(row[i])]
        known.sort(key=lambda row: _rank(row[i]), reverse=descending)
        return dataclasses.replace(self, rows=(*known, *rest))

    def _index(self, column: str) -> int:
        names = [c.name for c in self.columns]
        return names.index(among('column', column, names))

    def to_text(self, width: int | None = None) -> str:
        """Aligned plain text without color codes, as wide as it needs, or in blocks of at most
        `width` characters.

        Each block repeats the first column. Only a cell that is too wide by itself is folded.
        """
        return formats.text(self, width)

    def to_markdown(self) -> str:
        """A GitHub table with title and notes, special characters escaped."""
        return formats.markdown(self)

    def to_csv(self) -> str:
        """Raw, lossless numbers under a header; None is an empty field; a `Spread` takes three
        fields: mean, std, n.
        """
        return formats.csv_text(self)

    def to_html(self) -> str:
        """A <table> with caption, escaped; `page.write_page` styles it and makes it sortable."""
        return formats.html(self)

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.to_html()

    def print(self, file: TextIO | None = None) -> None:
        """Prints to `file` (standard output): on a terminal emphasized and in blocks of its width,
        elsewhere plain and in one.
        """
        formats.to_terminal(self, file or sys.stdout)


def _cell(value: Any, column: Column, row: int) -> Cell:
    """`value` as a Python number, text, Spread or None; raises ValueError where `column` cannot
    show it.
    """
    value = _plain(value)
    where = f'row {row} of column {column.name!r}'
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if (
        value is None
        or number
        and column.kind != 'text'
        or isinstance(value, MeanStd)
        and column.kind != 'text'
    ):
        if isinstance(value, MeanStd):
            value = MeanStd._make(map(_plain, value))
        try:
            show(value, column.kind, column.decimals, column.prefix)
        except ValueError as error:
            raise ValueError(f'{where}: {error}') from None
        return value
    if column.kind == 'text' and (number or isinstance(value, str)):
        return value
    raise ValueError(
        f'{where} is {value!r}, which is no '
        f'{"text or number" if column.kind == "text" else column.kind}'
    )


def _plain(value: Any) -> Any:
    """A scalar of numpy or JAX as a Python number; anything else as it is."""
    return value.item() if getattr(value, 'shape', None) == () else value


def _rank(value: Cell) -> tuple:
    """A key that orders numbers, then texts; empty for what has no place in an order."""
    if isinstance(value, MeanStd):
        value = value.mean
    if value is None or isinstance(value, float) and math.isnan(value):
        return ()
    return (1, value.casefold(), value) if isinstance(value, str) else (0, value)
