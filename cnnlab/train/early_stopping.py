"""Early stopping on the validation top-1.

Its counters are part of the state (`TrainState.control`), so that an interrupted run stops at the
same step as an uninterrupted one.
"""

import jax
import numpy as np


def remember(
    control: dict[str, jax.Array], top1: float, step: int
) -> dict[str, np.ndarray | np.generic]:
    """Returns the entries of `control` that change after a validation.

    Args:
      control: of the state.
      top1: of the validation.
      step: of the validation.
    """
    # compared in float32, as it is stored: otherwise rounding makes an equal score a better one
    better = np.float32(top1) > np.float32(control['best'])
    new: dict[str, np.ndarray | np.generic] = (
        {'best': np.float32(top1), 'best_step': np.int32(step)}
        if better
        else {k: np.asarray(control[k]) for k in ('best', 'best_step')}
    )
    if 'stale' in control:
        new['stale'] = np.int32(0 if better else int(control['stale']) + 1)
    return new


def over(control: dict[str, jax.Array], patience: int) -> bool:
    """Whether the last `patience` validations brought no new best; False for a patience of 0."""
    return bool(patience) and int(control['stale']) >= patience
