"""Tables of all networks and families, which `experiments.zoo` prints."""

import concurrent.futures
import multiprocessing
import os

from cnnlab import weights
from cnnlab.analysis import cost
from cnnlab.models import registry
from cnnlab.report.table import Column, Table
from cnnlab.weights import catalog

# with fewer networks starting processes costs more than it saves
_LONG = 24
_RULE = (
    'Parameters are the trained values at the input and the classes of the paper. MACs are the '
    'multiply-adds of convolutions and matrix products for one image.'
)


def costs(names: list[str]) -> Table:
    """Builds the table of year, parameters, multiply-adds, input and paper of networks.

    Many networks are counted by several processes.
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
    """Builds the table of families, each with its oldest network as the example."""
    by_family = registry.families()
    totals = _totals([names[0] for names in by_family.values()])
    rows = []
    for (family, names), total in zip(by_family.items(), totals, strict=True):
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
    """Builds the table of networks with the ids of their published weights.

    Nothing is traced, so it is fast.
    """
    ids: dict[str, list[str]] = {}
    for id in weights.supported():
        ids.setdefault(catalog.source(id).model, []).append(id)
    rows = []
    for name in names:
        entry = registry.entry(name)
        rows.append(
            (
                name,
                entry.year,
                entry.params,
                _size(entry),
                ', '.join(ids.get(name, ())) or None,
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
    """Computes the costs of networks, in the order of the names.

    Other processes do not know networks that another package registered; this process counts them.
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
