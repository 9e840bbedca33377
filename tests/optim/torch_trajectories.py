"""Makes torch_trajectories.npz: the weights after each of twenty steps of torch's optimizers on the
problem of problem.py, in float64.

    # with an interpreter that has torch (made with 2.13.0, CPU)
    python tests/optim/torch_trajectories.py

Weight decay and momentum are those of the problem; all else is torch's default. torch's Muon is
left out because it rounds to bfloat16.
"""

import pathlib
import sys

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from problem import DECAY, RHO, START, STEPS, gradient, rate  # noqa: E402

RULES = {
    'sgd': lambda p: torch.optim.SGD(p, lr=1, weight_decay=DECAY),
    'momentum': lambda p: torch.optim.SGD(p, lr=1, momentum=RHO, weight_decay=DECAY),
    'nesterov': lambda p: torch.optim.SGD(p, lr=1, momentum=RHO, weight_decay=DECAY, nesterov=True),
    'adagrad': lambda p: torch.optim.Adagrad(p, lr=1, weight_decay=DECAY),
    'adadelta': lambda p: torch.optim.Adadelta(p, lr=1, weight_decay=DECAY),
    'rmsprop': lambda p: torch.optim.RMSprop(p, lr=1, momentum=RHO, weight_decay=DECAY),
    'adam': lambda p: torch.optim.Adam(p, lr=1, betas=(RHO, 0.999), weight_decay=DECAY),
    'adamw': lambda p: torch.optim.AdamW(p, lr=1, betas=(RHO, 0.999), weight_decay=DECAY),
}


def trajectory(make):
    """Returns the weights after each step, float64 (STEPS, 7)."""
    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer, out = make([w]), []
    for t in range(STEPS):
        optimizer.param_groups[0]['lr'] = rate(t)
        w.grad = torch.tensor(gradient(w.detach().numpy(), t))
        optimizer.step()
        out.append(w.detach().numpy().copy())
    return np.stack(out)


if __name__ == '__main__':
    np.savez(
        HERE / 'torch_trajectories.npz', **{name: trajectory(make) for name, make in RULES.items()}
    )
