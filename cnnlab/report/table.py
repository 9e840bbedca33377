"""Tables of raw numbers, written as text, Markdown, CSV or HTML."""

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
    """A column of a table.

    Attributes:
      name: the header.
      kind, decimals, prefix: how `numbers.show` writes the cells.
      align: 'left', 'right' or 'center'; None is left for text and right for numbers.

    Raises:
      ValueError: the kind, prefix or alignment is unknown.
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
    """A table with typed columns and rows of raw cells.

    Attributes:
      columns: `Column`s with different names.
      rows: each a sequence with one cell per column, or a mapping {column name: cell}, in which
        missing cells are None. A cell is a number, a text, a `MeanStd` over runs, or None ('–').
        Scalars of numpy and JAX become Python numbers.
      title: the caption.
      notes: sentences below the table.
      levels: () or, for an outline, one level per row: a row of level 1 is part of the last row of
        level 0 above it. HTML folds the parts; other formats show all rows.

    Raises:
      ValueError: there are no columns or their names repeat, a row has another number of cells or
        names no column, a cell does not suit its column, or the levels are no outline.

    Example:
      >>> table = Table([Column('network'), Column('top-1', 'percent')], [('vgg16', 0.716)], 'Tops')
      >>> table.to_csv()
      'network,top-1\\nvgg16,0.716\\n'
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
        """Returns the cells as text for a reader."""
        return [
            [show(v, c.kind, c.decimals, c.prefix) for v, c in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]

    def values(self, column: str) -> list[Cell]:
        """Returns the raw cells of a column.

        Raises:
          ValueError: there is no such column; the sentence has the nearest names.
        """
        return [row[self._index(column)] for row in self.rows]

    def sorted(self, column: str, descending: bool = False) -> 'Table':
        """Returns the table sorted by a column; ties keep their order, None and NaN come last.

        Raises:
          ValueError: there is no such column, or the table is an outline.
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
        """Returns aligned plain text without color codes.

        Args:
          width: most characters of a line; a wider table is split into blocks, each with the first
            column, and only a cell that is wider by itself is folded. None does not split.
        """
        return formats.text(self, width)

    def to_markdown(self) -> str:
        """Returns GitHub-flavored Markdown with title and notes; special characters are escaped."""
        return formats.markdown(self)

    def to_csv(self) -> str:
        """Returns CSV with a header and lossless numbers.

        None is an empty field; a `MeanStd` has three fields: mean, std, n.
        """
        return formats.csv_text(self)

    def to_html(self) -> str:
        """Returns a <table> with its caption; `page.write_page` adds style and sorting."""
        return formats.html(self)

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        """Returns the HTML that a notebook shows."""
        return self.to_html()

    def print(self, file: TextIO | None = None) -> None:
        """Prints the table: with bold headers and fitted to the width on a terminal, else plain.

        Args:
          file: None is standard output.
        """
        formats.to_terminal(self, file or sys.stdout)


def _cell(value: Any, column: Column, row: int) -> Cell:
    """Returns a value as a Python number, text, `MeanStd` or None.

    Raises:
      ValueError: the column cannot show it.
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
    """Returns a scalar of numpy or JAX as a Python number, and anything else as it is."""
    return value.item() if getattr(value, 'shape', None) == () else value


def _rank(value: Cell) -> tuple:
    """Returns a sort key: numbers first, then texts; () for None and NaN, which have no order."""
    if isinstance(value, MeanStd):
        value = value.mean
    if value is None or isinstance(value, float) and math.isnan(value):
        return ()
    return (1, value.casefold(), value) if isinstance(value, str) else (0, value)
