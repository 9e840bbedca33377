"""Writes assumed.json, the fields of each recipe that no source gives: `python -m
tests.recipes.assumed`.
"""

import json
import pathlib

from cnnlab.recipes import registry


def main() -> None:
    """One recipe a line."""
    lines = [
        f' {json.dumps(name)}: {json.dumps(list(found.assumed))}'
        for name, found in registry.RECIPES.items()
    ]
    pathlib.Path(__file__).with_name('assumed.json').write_text('{\n' + ',\n'.join(lines) + '\n}\n')


if __name__ == '__main__':
    main()
