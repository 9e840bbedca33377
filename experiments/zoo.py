"""Every registered network: parameters, multiply-adds, year, input and paper.

    python -m experiments.zoo
    python -m experiments.zoo --sort=MACs --match=mobilenet
    # the table of the README
    python -m experiments.zoo --table=families --format=markdown
    python -m experiments.zoo --table=sources --format=markdown --out=docs/networks.md

Nothing is computed but shapes; a long list is shared among the cores of the machine.
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
    'Each network with its multiply-adds; each family by one of its networks; or each network '
    'with the ids of the '
    'published weights that it takes.',
)
_SORT = flags.DEFINE_string(
    'sort', None, 'The column to sort by. Default: networks by name, families by age.'
)
_DESCENDING = flags.DEFINE_bool('descending', False, 'Largest first.')
_MATCH = flags.DEFINE_string(
    'match',
    '',
    'Only networks in whose name this regular expression is found: resnet, ^vgg, keras$.',
)
_FORMAT = flags.DEFINE_enum('format', 'text', ['text', 'markdown', 'csv'], 'What to write.')
_OUT = flags.DEFINE_string('out', None, 'File to write instead of the terminal.')


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
