"""Early stopping on validation.

What it counts is part of the state (`control`): after a kill a run stops where it would have.
"""

import jax
import numpy as np


def remember(
    control: dict[str, jax.Array], top1: float, step: int
) -> dict[str, np.ndarray | np.generic]:
    """What decides about the run, after an evaluation on the validation images at `step`: a score
    counts as better if it is higher.
    """
    # as it is kept, so that an equal score is not a better one
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
    """Whether the last `patience` evaluations in a row were no better than the best before them;
    never with a patience of 0.
    """
    return bool(patience) and int(control['stale']) >= patience
