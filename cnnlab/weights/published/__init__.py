"""What the sources say about the weights that they publish: tables made by `make.py` from the
sources' packages.
"""

import functools
import importlib.resources
import json
from typing import Any


@functools.cache
def source_table(source: str) -> dict[str, dict[str, dict[str, Any]]]:
    """{name: {tag: facts}}, the source's default tag first; empty for a source without a table."""
    file = importlib.resources.files(__name__) / f'{source}.json'
    return json.loads(file.read_text())['weights'] if file.is_file() else {}
