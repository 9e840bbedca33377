"""Every registered network: parameters, multiply-adds, year, input and paper.

    python -m experiments.zoo
    python -m experiments.zoo --sort=MACs --match=mobilenet
    python -m experiments.zoo --table=families --format=markdown      # the table of the README
    python -m experiments.zoo --table=sources --format=markdown --out=docs/networks.md

Nothing is computed but shapes; a long list is shared among the cores of the machine.
"""
import re

from absl import flags

from cnnlab.models import registry
from cnnlab.report.files import write_text
from experiments import common, networks

_TABLE = flags.DEFINE_enum('table', 'costs', ['costs', 'families', 'sources'],
                           'Each network with its multiply-adds; each family by one of its networks; or each network with the ids of the '
                           'published weights that it takes.')
_SORT = flags.DEFINE_string('sort', None, 'The column to sort by. Default: networks by name, families by age.')
_DESCENDING = flags.DEFINE_bool('descending', False, 'Largest first.')
_MATCH = flags.DEFINE_string('match', '', 'Only networks in whose name this regular expression is found: resnet, ^vgg, keras$.')
_FORMAT = flags.DEFINE_enum('format', 'text', ['text', 'markdown', 'csv'], 'What to write.')
_OUT = flags.DEFINE_string('out', None, 'File to write instead of the terminal.')


def main(_):
    listed = networks.families() if _TABLE.value == 'families' else {'costs': networks.costs, 'sources': networks.sources}[
        _TABLE.value](_names())
    if _SORT.value or _DESCENDING.value:
        listed = listed.sorted(_SORT.value or listed.columns[0].name, _DESCENDING.value)
    text = {'text': listed.to_text, 'markdown': listed.to_markdown, 'csv': listed.to_csv}[_FORMAT.value]()
    if _OUT.value:
        write_text(_OUT.value, text)
    else:
        print(text, end='')


def _names():
    """The networks that --match lets through."""
    try:
        pattern = re.compile(_MATCH.value)
    except re.error as error:
        raise ValueError(f'--match={_MATCH.value} is no regular expression: {error}') from None
    names = [name for name in registry.names() if pattern.search(name)]
    if not names:
        raise ValueError(f'no network has a name that matches {_MATCH.value!r}; without --match all {len(registry.names())} are listed')
    return names


if __name__ == '__main__':
    common.start(main)
