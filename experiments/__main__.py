"""Starts a command: `cnnlab train ...`, or `python -m experiments train ...` in a clone."""

import ast
import importlib.util
import pkgutil
import runpy
import sys

import cnnlab
from cnnlab import names
from cnnlab.train.exit_codes import MISTAKE

_STARTED = 'python -m experiments' if __package__ == 'experiments' else 'cnnlab'


def commands() -> dict[str, str]:
    """Returns {command: first line of its docstring}, without importing the commands."""
    summaries = {}
    for module in pkgutil.iter_modules(sys.modules[__package__].__path__, f'{__package__}.'):
        source = importlib.util.find_spec(module.name).loader.get_source(module.name)
        name = module.name.rpartition('.')[2]
        if name != '__main__' and "\nif __name__ == '__main__':\n" in source:
            summaries[name] = ast.get_docstring(ast.parse(source)).partition('\n')[0]
    return summaries


def listing(known: dict[str, str]) -> str:
    """Returns the text of --help: the usage, then one line per command."""
    width = max(map(len, known))
    lines = [f'  {name:{width}}  {summary}' for name, summary in known.items()]
    return '\n'.join(
        [
            f'usage: {_STARTED} COMMAND [flags]',
            '',
            *lines,
            '',
            f'`{_STARTED} COMMAND --help` shows the examples and the flags of a command.',
        ]
    )


def main() -> None:
    """Runs the command that the first argument names, as `python -m` runs its file."""
    known = commands()
    match sys.argv[1:]:
        case ['--help' | '-h']:
            print(listing(known))
        case ['--version']:
            print(cnnlab.__version__)
        case []:
            print(listing(known), file=sys.stderr)
            sys.exit(MISTAKE)
        case [name, *arguments]:
            if name not in known:
                print(f'error: {names.unknown("command", name, known)}', file=sys.stderr)
                sys.exit(MISTAKE)
            # runpy puts the name of the file in front of them, where absl expects it
            sys.argv[1:] = arguments
            runpy.run_module(f'{__package__}.{name}', run_name='__main__', alter_sys=True)


if __name__ == '__main__':
    main()
