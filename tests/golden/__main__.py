"""Writes golden files; see the package."""

import sys

from cnnlab import names
from cnnlab.models import registry
from tests import golden


def main(wanted: list[str]) -> None:
    """Writes the files of the `wanted` networks, or of all, and says which changed."""
    for name in wanted:
        names.among('model', name, registry.names())
    for name in wanted or registry.names():
        path, content = golden.file(name), golden.content(name)
        if not path.is_file() or path.read_text() != content:
            print(f'{"changed" if path.is_file() else "new"}: {name}', flush=True)
            path.write_text(content)
    if not wanted:
        for path in sorted(golden.FOLDER.glob('*.json')):
            if path.stem not in registry.names():
                print(f'removed: {path.stem}')
                path.unlink()


if __name__ == '__main__':
    main(sys.argv[1:])
