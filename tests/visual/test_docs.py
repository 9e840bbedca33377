"""The lines of docs/visual.md run on any network; its table names functions that exist."""

import importlib
import pathlib
import re

TEXT = (pathlib.Path(__file__).resolve().parents[2] / 'docs/visual.md').read_text()


def test_the_lines_run(small):
    scope = dict(zip(('net', 'images'), small, strict=True))
    [code] = re.findall(r'```python\n(.*?)```', TEXT, re.DOTALL)
    exec(compile(code, 'docs/visual.md', 'exec'), scope)
    assert (
        scope['maps'].shape == (4, 4, 4)
        and scope['falls'].shape == (4, 8, 8)
        and scope['saliency'].shape == (4, 8, 8)
        and scope['seen'].shape == (4, 8, 8, 3)
    )
    assert len([axes for axes in scope['figure'].axes if axes.images]) == 4


def test_every_function_of_the_table_exists():
    rows = [line.split('|')[2] for line in TEXT.splitlines() if line.startswith('|')]
    count = 0
    for row in rows:
        module = None
        for name in re.findall(r'`([\w.]+)`', row):
            head, _, tail = name.rpartition('.')
            if name.startswith('cnnlab'):
                continue
            module = importlib.import_module(f'cnnlab.visual.{head}') if head else module
            assert callable(getattr(module, tail)), name
            count += 1
    assert count > 25
