"""Lists the registered networks: parameters, multiply-adds, year, input and paper.

    python -m experiments.zoo
    python -m experiments.zoo --sort=MACs --match=mobilenet
    # the table of the README
    python -m experiments.zoo --table=families --format=markdown
    python -m experiments.zoo --table=sources --format=markdown --out=docs/networks.md

Only shapes are computed; a long list is split among the cores of the machine.
"""

from absl import flags

from cnnlab.models import registry
from cnnlab.report import listing
from cnnlab.studies import network_tables

from . import common

_TABLE = flags.DEFINE_enum(
    'table',
    'costs',
    ['costs', 'families', 'sources'],
    'Table to print: each network with its multiply-adds, each family with one of its networks, or '
    'each network with the ids of the published weights that fit it.',
)
_SORT = flags.DEFINE_string(
    'sort', None, 'Column to sort by. Default: networks by name, families by age.'
)
_DESCENDING = flags.DEFINE_bool('descending', False, 'Sort in descending order.')
_MATCH = flags.DEFINE_string(
    'match',
    '',
    'Regular expression that the names of the listed networks contain: resnet, ^vgg, keras$.',
)
_FORMAT = flags.DEFINE_enum('format', 'text', ['text', 'markdown', 'csv'], 'Output format.')
_OUT = flags.DEFINE_string('out', None, 'File to write. Default: the terminal.')


def main(_):
    listed = (
        network_tables.families()
        if _TABLE.value == 'families'
        else {'costs': network_tables.costs, 'sources': network_tables.sources}[_TABLE.value](
            listing.matching('network', _MATCH.value, registry.names())
        )
    )
    if _SORT.value or _DESCENDING.value:
        listed = listed.sorted(_SORT.value or listed.columns[0].name, _DESCENDING.value)
    listing.emit(listing.formatted(listed, _FORMAT.value), _OUT.value)


if __name__ == '__main__':
    common.start(main)
