"""The same bits from the same run on a GPU; a CPU gives them anyway.

XLA's page on determinism (docs/determinism.md in github.com/openxla/xla) names two sources of
differences on a GPU: kernels that are chosen by timing them, and operations such as convolutions
that add up by atomics in no fixed order. `--xla_gpu_deterministic_ops` forbids both
(openxla/xla#12520). It has a price in speed, and XLA refuses to compile an operation of which it
has no deterministic form: that page names select-and-scatter, the gradient of max pools, in whose
place `pooling` then compares shifted maps.
"""

import os

FLAG = '--xla_gpu_deterministic_ops=true'


def _said() -> list[str]:
    """What XLA_FLAGS says about it; the last counts."""
    return [
        flag
        for flag in os.environ.get('XLA_FLAGS', '').split()
        if flag.startswith('--xla_gpu_deterministic_ops')
    ]


def required() -> bool:
    """Whether XLA was told so, by `require` or by the user."""
    return _said()[-1:] in ([FLAG], ['--xla_gpu_deterministic_ops'])


def require() -> None:
    """Adds FLAG to XLA_FLAGS, which XLA reads once, when the first device is touched: to be called
    before.

    Raises:
      ValueError: XLA_FLAGS says the contrary.
    """
    said = _said()
    if said and not required():
        raise ValueError(f'--deterministic and XLA_FLAGS={said[-1]} contradict each other')
    if not said:
        os.environ['XLA_FLAGS'] = ' '.join([*os.environ.get('XLA_FLAGS', '').split(), FLAG])
