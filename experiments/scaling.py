r"""Predicts step time, efficiency and limits of data-parallel training (docs/scaling.md).

    python -m experiments.scaling
    python -m experiments.scaling --networks=vgg16 --devices=8,64,512,4096 --batch=32 \
        --noglobal_norm --format=markdown
"""

from absl import flags

from cnnlab import names
from cnnlab.analysis import scaling
from cnnlab.report import listing
from cnnlab.report.table import Column, Table

from . import common

_NETWORKS = flags.DEFINE_list(
    'networks',
    ['resnet50_v1_5', 'vgg16'],
    'Networks; only for the default two is the speed on one device known.',
)
_MACHINES = flags.DEFINE_list('machines', list(scaling.MACHINES), 'Machines.')
_DEVICES = flags.DEFINE_list('devices', ['8', '64', '512'], 'Numbers of devices.')
_BATCH = flags.DEFINE_integer('batch', 128, 'Number of images per device.', lower_bound=1)
_GLOBAL = flags.DEFINE_bool(
    'global_norm',
    True,
    'Whether batch norm takes the statistics of the global batch or of each device.',
)
_DECODED = flags.DEFINE_float(
    'decoded',
    scaling.DECODED,
    'Number of images per second that one processor core decodes and crops.',
    lower_bound=1,
)
_FORMAT = flags.DEFINE_enum('format', 'text', ['text', 'markdown', 'csv'], 'Output format.')

COLUMNS = (
    Column('network'),
    Column('machine'),
    Column('devices', 'integer'),
    Column('compute ms', decimals=1, kind='number'),
    Column('all-reduce ms', decimals=2, kind='number'),
    Column('statistics ms', decimals=2, kind='number'),
    Column('input ms', decimals=1, kind='number'),
    Column('efficiency', 'percent'),
    Column('nothing hidden', 'percent'),
    Column('images/s', 'integer'),
    Column('limit'),
)


def scaling_table(
    networks: list[str],
    machines: list[str],
    devices: list[int],
    batch: int,
    global_norm: bool,
    decoded: float,
) -> Table:
    """Returns the table, one row per network, machine and number of devices."""
    rows = []
    for network in networks:
        asked = scaling.work(network)
        for name in machines:
            machine = names.lookup('machine', name, scaling.MACHINES)
            for n in devices:
                share = scaling.utilization(machine, network)
                p = scaling.predict(
                    asked, machine, n, batch, share, global_norm=global_norm, decoded=decoded
                )
                rows.append(
                    (
                        network,
                        name,
                        n,
                        1e3 * p.compute,
                        1e3 * p.reduce,
                        1e3 * p.statistics,
                        1e3 * p.input,
                        p.efficiency[1],
                        p.efficiency[0],
                        round(p.images_per_second),
                        p.limit,
                    )
                )
    norm = 'the global batch' if global_norm else 'the batch of a device'
    notes = [
        f'{batch} images per device; batch norm over {norm}; {decoded:g} images/s decoded per '
        f'core. Predicted, not measured.',
        *(f'{m}: {scaling.MACHINES[m].source}.' for m in machines),
    ]
    return Table(COLUMNS, rows, 'Data-parallel training by number of devices', notes)


def main(_):
    """Prints the table."""
    try:
        devices = [int(n) for n in _DEVICES.value]
    except ValueError:
        raise ValueError(
            f'--devices takes whole numbers separated by commas, not {",".join(_DEVICES.value)}'
        ) from None
    made = scaling_table(
        _NETWORKS.value, _MACHINES.value, devices, _BATCH.value, _GLOBAL.value, _DECODED.value
    )
    print(listing.formatted(made, _FORMAT.value), end='')


if __name__ == '__main__':
    common.start(main)
