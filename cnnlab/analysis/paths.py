"""Full module paths of intercepted calls, also inside the blocks of a scan."""

import contextlib
from collections.abc import Iterator

from flax.linen.module import InterceptorContext

# the name of a block in a scan over equal blocks, which is traced once for all of them
SCANNED = '*'


class Paths:
    """Tracks the calls of one `apply`, from its interceptor."""

    def __init__(self):
        # of each open call: (full path, prefix of its module's own path, whether it is __call__)
        self._open: list[tuple[str, str, bool]] = []

    @contextlib.contextmanager
    def enter(self, context: InterceptorContext) -> Iterator[str]:
        """Yields the full path of a call, 'stage1/block1/conv1'; use it around the call.

        A module with an empty path inside the call of another one is a block that a scan applies to
        its slice of the variables: 'stage1/*'.
        """
        own = context.module.path
        above, before, _ = self._open[-1] if self._open else ('', '', False)
        calling = context.method_name == '__call__'
        if not own and calling and any(is_call for _, _, is_call in self._open):
            before = f'{above}/{SCANNED}'.lstrip('/')
        path = '/'.join([*([before] if before else []), *own])
        self._open.append((path, before, calling))
        try:
            yield path
        finally:
            self._open.pop()
