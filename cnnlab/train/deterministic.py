"""The same bits from the same run on a GPU; a CPU gives them anyway.

XLA's page on determinism (docs/determinism.md in github.com/openxla/xla) names two sources of differences on a GPU: kernels that are
chosen by timing them, and operations such as convolutions that add up by atomics in no fixed order. `--xla_gpu_deterministic_ops` forbids
both (openxla/xla#12520). It has a price in speed, and XLA refuses to compile an operation of which it has no deterministic form: that page
names select-and-scatter, the gradient of max pools, in whose place `nn.pooling` then compares shifted maps.
"""
import os

FLAG = '--xla_gpu_deterministic_ops=true'


def require() -> None:
    """Adds FLAG to XLA_FLAGS, which XLA reads once, when the first device is touched: to be called before.

    Raises:
      ValueError: XLA_FLAGS says the contrary.
    """
    flags = os.environ.get('XLA_FLAGS', '').split()
    said = [flag for flag in flags if flag.startswith('--xla_gpu_deterministic_ops')]
    if said and said[-1] not in (FLAG, '--xla_gpu_deterministic_ops'):
        raise ValueError(f'--deterministic and XLA_FLAGS={said[-1]} contradict each other')
    if not said:
        os.environ['XLA_FLAGS'] = ' '.join([*flags, FLAG])
