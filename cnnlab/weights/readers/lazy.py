"""Arrays of a file by name, each read when it is asked for, so that no file is held in memory as a
whole.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np


class LazyArrays(Mapping[str, np.ndarray]):
    """{name: array} over functions that read one array; nothing is kept, so ask once."""

    def __init__(self, readers: Mapping[str, Callable[[], np.ndarray]]):
        self._readers = dict(readers)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._readers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)

    def renamed(self, names: Mapping[str, str]) -> 'LazyArrays':
        """The same arrays under `names[name]`; names that are not in `names` are left out."""
        return LazyArrays({names[n]: reader for n, reader in self._readers.items() if n in names})

    def within(self, context: Callable[[], contextlib.AbstractContextManager]) -> 'LazyArrays':
        """The same arrays, each read within a context of its own."""

        def reader(read):
            def guarded():
                with context():
                    return read()

            return guarded

        return LazyArrays({n: reader(read) for n, read in self._readers.items()})


def lazy(arrays: Mapping[str, np.ndarray]) -> LazyArrays:
    """Any mapping of arrays as a LazyArrays."""
    if isinstance(arrays, LazyArrays):
        return arrays

    def reader(name):
        return lambda: np.asarray(arrays[name])

    return LazyArrays({name: reader(name) for name in arrays})
