"""Image files listed in tables: `train.csv`, and `validation.csv` and `test.csv` if they exist."""

import csv
import functools
import pathlib

from cnnlab.data.sources.dataset import SPLITS, DataSet
from cnnlab.data.sources.files import Files

COLUMNS = ('path', 'label')


def open_csv(data_dir: str | pathlib.Path | None) -> DataSet:
    """Opens the data set of the tables in a folder.

    Tables are UTF-8; their first line names the columns, of which path and label are read. Paths
    start from the folder. Labels are the names of classes; the classes are those of train.csv,
    sorted as numbers if all are whole numbers, else as text.

    Args:
      data_dir: the folder that holds train.csv.

    Raises:
      ValueError: no data_dir was given; or a table has no rows, lacks a column or a field, or has a
        label that train.csv does not have.
      FileNotFoundError: there is no such folder, no train.csv in it, or no file at a listed path.
    """
    if data_dir is None:
        raise ValueError('the set csv needs data_dir, the folder that holds train.csv')
    root = pathlib.Path(data_dir).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f'data_dir {root} is not a folder')
    tables = {split: root / f'{split}.csv' for split in SPLITS if (root / f'{split}.csv').is_file()}
    if 'train' not in tables:
        raise FileNotFoundError(f'{root} has no train.csv, a table of path,label')
    labels = {label for _, label in _rows(tables['train'])}
    if len(labels) < 2:
        raise ValueError(
            f'{tables["train"]} has one label, {labels.pop()!r}; at least two classes are needed'
        )
    class_names = tuple(
        sorted(labels, key=int if all(label.isdecimal() for label in labels) else None)
    )
    return DataSet(
        'csv', tuple(tables), functools.partial(_open, tables=tables, class_names=class_names)
    )


def _open(split: str, tables: dict[str, pathlib.Path], class_names: tuple[str, ...]) -> Files:
    table, known = tables[split], {name: i for i, name in enumerate(class_names)}
    rows = _rows(table)
    for line, (path, label) in enumerate(rows, 2):
        if label not in known:
            raise ValueError(
                f'line {line} of {table} has the label {label!r}, which train.csv does not have'
            )
        if not (table.parent / path).is_file():
            raise FileNotFoundError(
                f'line {line} of {table} lists {path}, which is not a file below {table.parent}'
            )
    return Files(
        'csv',
        split,
        class_names,
        table.parent,
        [path for path, _ in rows],
        [known[label] for _, label in rows],
    )


def _rows(table: pathlib.Path) -> list[tuple[str, str]]:
    """Reads (path, label) of each row."""
    with table.open(encoding='utf-8-sig', newline='') as file:
        reader = csv.DictReader(file)
        if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
            raise ValueError(
                f'{table} has no column {missing[0]!r}; its first line is '
                f'{",".join(reader.fieldnames or ()) or "empty"!r}, '
                'where path,label is expected'
            )
        path, label = COLUMNS
        rows = [((row[path] or '').strip(), (row[label] or '').strip()) for row in reader]
    if not rows:
        raise ValueError(f'{table} has no rows below its first line')
    if empty := next((line for line, row in enumerate(rows, 2) if not all(row)), None):
        raise ValueError(f'line {empty} of {table} lacks its path or its label')
    return rows
