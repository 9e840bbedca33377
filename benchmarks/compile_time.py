"""Seconds to compile the forward pass of each network at its native size, for one image.

    # repeat until all networks are measured; each call resumes
    python -m benchmarks.compile_time --results=build/compile_time.csv --seconds=400
    python -m benchmarks.compile_time --results=build/compile_time.csv --out=docs/compile_time.md

Each network is traced and compiled from shapes; nothing runs. Processor seconds are summed over all
threads; other work on the machine disturbs them less than wall time. Networks of more than 300
layers are compiled with `scan=True` only, since the plain form of 1202 layers takes minutes.
"""

import csv
import pathlib
import platform
import re
import time

import jax
import jax.numpy as jnp
from absl import flags

from cnnlab.models import registry
from cnnlab.report import listing
from cnnlab.report.table import Column, Table
from cnnlab.tree import named_leaves
from experiments import common

_RESULTS = flags.DEFINE_string(
    'results',
    None,
    'CSV file that gets a row for each network; networks in it are not measured again.',
)
_SECONDS = flags.DEFINE_float(
    'seconds', None, 'Seconds after which no further network is begun.', lower_bound=0
)
_MATCH = flags.DEFINE_string(
    'match', '', 'Regular expression; only networks whose name contains a match are measured.'
)
_OUT = flags.DEFINE_string('out', None, 'File for the table in Markdown; default: the terminal.')

# networks with more layers are compiled with scan=True
DEEP = 300

_COLUMNS = (
    Column('network'),
    Column('layers', 'integer'),
    *(Column(what, 'number', decimals=1) for what in ('trace, s', 'compile, s', 'processor, s')),
)


def measured(name: str) -> tuple[str, int, float, float, float]:
    """Measures a network; returns its row: name, layers with a kernel, and seconds by _COLUMNS."""
    entry = registry.entry(name)
    model = registry.create(name)
    images = jax.ShapeDtypeStruct((1, *entry.input_shape), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), images)
    layers = sum(path.endswith('/kernel') for path in named_leaves(variables['params']))
    if layers > DEEP and 'scan' in registry.field_names(entry.cls):
        model, name = registry.create(name, scan=True), f'{name}, scan'
    jax.clear_caches()
    processor, start = time.process_time(), time.perf_counter()
    lowered = jax.jit(model.apply).lower(variables, images)
    traced = time.perf_counter()
    lowered.compile()
    return (
        name,
        layers,
        traced - start,
        time.perf_counter() - traced,
        time.process_time() - processor,
    )


def main(_):
    """Measures the networks that are not in the results yet, then prints all."""
    started = time.perf_counter()
    path = pathlib.Path(_RESULTS.value) if _RESULTS.value else None
    rows = []
    if path and path.exists():
        with path.open(newline='') as file:
            rows = [
                (name, int(layers), *map(float, seconds))
                for name, layers, *seconds in csv.reader(file)
            ]
    done = {row[0].removesuffix(', scan') for row in rows}
    waiting = [
        name for name in registry.names() if name not in done and re.search(_MATCH.value, name)
    ]
    for name in waiting:
        if _SECONDS.value is not None and time.perf_counter() - started > _SECONDS.value:
            break
        rows.append(measured(name))
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open('a', newline='') as file:
                csv.writer(file).writerow(rows[-1])
    shown = Table(
        _COLUMNS,
        sorted(rows),
        f'{len(rows)} networks',
        (
            f'jax {jax.__version__} on {jax.default_backend()} ({jax.local_device_count()} '
            f'device), {platform.machine()}. '
            'Layers are those with a kernel. Made by python -m benchmarks.compile_time.',
        ),
    )
    listing.emit(listing.formatted(shown, 'markdown' if _OUT.value else 'text'), _OUT.value)


if __name__ == '__main__':
    common.start(main)
