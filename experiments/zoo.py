"""Every registered network: parameters, multiply-adds, year, input and paper.

    python -m experiments.zoo
    python -m experiments.zoo --sort=MACs --match=mobilenet
    python -m experiments.zoo --format=markdown      # the table of the README

Nothing is computed but shapes; a long list is shared among the cores of the machine.
"""
import concurrent.futures
import multiprocessing
import os
import re

from absl import flags

from cnnlab.analysis import cost
from cnnlab.models import registry
from cnnlab.report.files import write_text
from cnnlab.report.table import Column, Table
from experiments import common

_LONG = 24  # networks that are worth starting processes for

_COLUMNS = (Column('network'), Column('year', 'text', align='right'), Column('parameters', 'integer'), Column('MACs', 'quantity'),
            Column('input', align='right'), Column('paper'))

_SORT = flags.DEFINE_enum('sort', 'network', [c.name for c in _COLUMNS], 'The column to sort by.')
_DESCENDING = flags.DEFINE_bool('descending', False, 'Largest first.')
_MATCH = flags.DEFINE_string('match', '', 'Only networks in whose name this regular expression is found: resnet, ^vgg, keras$.')
_FORMAT = flags.DEFINE_enum('format', 'text', ['text', 'markdown', 'csv'], 'What to write.')
_OUT = flags.DEFINE_string('out', None, 'File to write instead of the terminal.')


def main(_):
    try:
        pattern = re.compile(_MATCH.value)
    except re.error as error:
        raise ValueError(f'--match={_MATCH.value} is no regular expression: {error}') from None
    names = [name for name in registry.names() if pattern.search(name)]
    if not names:
        raise ValueError(f'no network has a name that matches {_MATCH.value!r}; without --match all {len(registry.names())} are listed')
    listed = Table(_COLUMNS, _rows(names), f'{len(names)} networks', (
        'Parameters are the trained values at the input and the classes of the paper. MACs are the multiply-adds of convolutions and '
        'matrix products for one image.',)).sorted(_SORT.value, _DESCENDING.value)
    text = {'text': listed.to_text, 'markdown': listed.to_markdown, 'csv': listed.to_csv}[_FORMAT.value]()
    if _OUT.value:
        write_text(_OUT.value, text)
    else:
        print(text, end='')


def _rows(names):
    """The rows in the order of the names."""
    if len(names) < _LONG:
        return [_row(name) for name in names]
    workers = min(os.cpu_count() or 1, 8)
    with concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context('spawn')) as pool:
        return list(pool.map(_row, names, chunksize=4))


def _row(name):
    entry, total = registry.entry(name), cost.totals(name)
    return name, entry.year, total.params, total.macs, ' x '.join(map(str, entry.input_shape)), entry.paper


if __name__ == '__main__':
    common.start(main)
