"""Finds the weights in a training checkpoint, which may hold them in a nested dict, and once more
as a moving average.
"""

from collections.abc import Mapping
from typing import Any

from cnnlab.weights.readers.lazy import LazyArrays
from cnnlab.weights.readers.torch_pickle import Tensor

_PLAIN = ('state_dict', 'model')
# timm's name and that of torchvision's reference scripts
_AVERAGED = ('state_dict_ema', 'model_ema')
# how often torch.optim.swa_utils.AveragedModel was updated
_NOT_WEIGHTS = ('n_averaged',)


def state_dict(found: Any, ema: bool = False) -> LazyArrays:
    """The tensors of what torch.save wrote, by name.

    Args:
      found: a dict of tensors, or a dict that holds one as 'state_dict', 'model', 'state_dict_ema'
        or 'model_ema'.
      ema: take the moving average; without it the plain weights are preferred, and the average is
        taken where there is nothing else.

    Raises:
      ValueError: there is no dict of tensors, or no moving average.
    """
    if not isinstance(found, Mapping):
        raise ValueError(f'it holds a {type(found).__name__}, not a dict of tensors by name')
    inner = [
        k for k in (_AVERAGED if ema else _PLAIN + _AVERAGED) if isinstance(found.get(k), Mapping)
    ]
    if ema and not inner:
        raise ValueError(
            f'it holds no moving average: looked for {" and ".join(_AVERAGED)} among '
            f'{", ".join(map(str, list(found)[:6]))}'
        )
    if inner:
        return state_dict(found[inner[0]])
    tensors = {n: t for n, t in found.items() if isinstance(t, Tensor) and n not in _NOT_WEIGHTS}
    strangers = [str(n) for n, t in found.items() if not isinstance(t, Tensor)]
    if not tensors or strangers:
        raise ValueError(
            'it holds no dict of tensors; its keys are '
            + ', '.join(map(repr, (strangers or list(found))[:6]))
        )
    return LazyArrays({name: tensor.array for name, tensor in tensors.items()})
