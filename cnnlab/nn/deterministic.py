"""XLA's flag for the same bits from the same run on a GPU; a CPU gives them without it.

XLA's page on determinism (docs/determinism.md in github.com/openxla/xla) names two reasons why runs
on a GPU differ: kernels are chosen by timing them, and operations such as convolutions add up by
atomics in no fixed order. `--xla_gpu_deterministic_ops` forbids both (openxla/xla#12520). It costs
speed, and XLA refuses to compile an operation that has no deterministic form. That page names
select-and-scatter, the gradient of max pooling; `pooling` then compares shifted maps instead.
"""

import os

FLAG = '--xla_gpu_deterministic_ops=true'


def _said() -> list[str]:
    """The settings of the flag in XLA_FLAGS, of which the last one counts."""
    return [
        flag
        for flag in os.environ.get('XLA_FLAGS', '').split()
        if flag.startswith('--xla_gpu_deterministic_ops')
    ]


def required() -> bool:
    """Whether XLA runs deterministically, set by `require` or by the user."""
    return _said()[-1:] in ([FLAG], ['--xla_gpu_deterministic_ops'])


def require() -> None:
    """Tells XLA to be deterministic, by adding FLAG to XLA_FLAGS.

    Call it before the first device is touched: XLA reads the variable once, then.

    Raises:
      ValueError: XLA_FLAGS says the contrary.
    """
    said = _said()
    if said and not required():
        raise ValueError(f'--deterministic and XLA_FLAGS={said[-1]} contradict each other')
    if not said:
        os.environ['XLA_FLAGS'] = ' '.join([*os.environ.get('XLA_FLAGS', '').split(), FLAG])
