"""What the zoo's tables say of every network and every family; `experiments.zoo` prints them."""

import concurrent.futures
import multiprocessing
import os

from cnnlab import weights
from cnnlab.analysis import cost
from cnnlab.models import registry
from cnnlab.report.table import Column, Table
from cnnlab.weights import catalog

# networks that are worth starting processes for
_LONG = 24
_RULE = (
    'Parameters are the trained values at the input and the classes of the paper. MACs are the '
    'multiply-adds of convolutions and '
    'matrix products for one image.'
)


def costs(names: list[str]) -> Table:
    """Each of these networks: year, parameters, multiply-adds, input and paper; many are shared
    among the cores of the machine.
    """
    rows = []
    for name, total in zip(names, _totals(names), strict=True):
        entry = registry.entry(name)
        rows.append((name, entry.year, total.params, total.macs, _size(entry), entry.paper))
    return Table(
        (
            Column('network'),
            Column('year', align='right'),
            Column('parameters', 'integer'),
            Column('MACs', 'quantity'),
            Column('input', align='right'),
            Column('paper'),
        ),
        rows,
        f'{len(names)} networks',
        (_RULE,),
    )


def families() -> Table:
    """Each family by the oldest of its networks; of several of that year, the first registered."""
    found = registry.families()
    totals = _totals([names[0] for names in found.values()])
    rows = []
    for (family, names), total in zip(found.items(), totals, strict=True):
        entry = registry.entry(names[0])
        rows.append(
            (
                family,
                len(names),
                names[0],
                total.params,
                total.macs,
                _size(entry),
                entry.year,
                entry.paper,
            )
        )
    return Table(
        (
            Column('family'),
            Column('networks', 'integer'),
            Column('example'),
            Column('parameters', 'integer'),
            Column('MACs', 'quantity'),
            Column('input', align='right'),
            Column('year', align='right'),
            Column('paper'),
        ),
        rows,
        '',
        (_RULE,),
    )


def sources(names: list[str]) -> Table:
    """Each of these networks with the ids of the published weights that it takes; nothing is
    traced, so it takes a moment.
    """
    serves: dict[str, list[str]] = {}
    for id in weights.supported():
        serves.setdefault(catalog.source(id).model, []).append(id)
    rows = []
    for name in names:
        entry = registry.entry(name)
        rows.append(
            (
                name,
                entry.year,
                entry.params,
                _size(entry),
                ', '.join(serves.get(name, ())) or None,
                entry.paper,
            )
        )
    return Table(
        (
            Column('network'),
            Column('year', align='right'),
            Column('parameters', 'integer'),
            Column('input', align='right'),
            Column('weights'),
            Column('paper'),
        ),
        rows,
        f'{len(names)} networks',
        (
            'Parameters are the trained values at the input and the classes of the paper. Weights '
            'are the ids that `cnnlab.weights` reads. '
            'This list is written by `make docs`.',
        ),
    )


def _size(entry):
    return ' x '.join(map(str, entry.input_shape))


def _totals(names):
    """The costs in the order of the names. Networks of other packages are known in this process
    alone, so it counts them itself.
    """
    ours = [name for name in names if registry.entry(name).registered_by.startswith('cnnlab.')]
    if len(ours) < _LONG:
        return [cost.totals(name) for name in names]
    workers = min(os.cpu_count() or 1, 8)
    with concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context('spawn')
    ) as pool:
        counted = dict(zip(ours, pool.map(cost.totals, ours, chunksize=4), strict=True))
    return [counted[name] if name in counted else cost.totals(name) for name in names]
