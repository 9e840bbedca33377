"""Where an intercepted call stands in the whole network, also inside blocks that a scan applies by
themselves.
"""

import contextlib
from collections.abc import Iterator

from flax.linen.module import InterceptorContext

# stands for the names of equal blocks of which only one is traced
SCANNED = '*'


class Paths:
    """Follows the calls of one `apply` from its interceptor."""

    def __init__(self):
        # (full path, what precedes its module's own path, whether it is a __call__)
        self._open: list[tuple[str, str, bool]] = []

    @contextlib.contextmanager
    def enter(self, context: InterceptorContext) -> Iterator[str]:
        """For the length of the call; gives its full path, 'stage1/block1/conv1'.

        A module that starts a path of its own inside another's call is a block applied to variables
        handed to it ('stage1/*').
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
