"""Makes torch_reference.npz: torch's CrossEntropyLoss and timm's BinaryCrossEntropy of random
logits.

    # with an interpreter that has torch and timm (made with 2.13.0 and 1.0.31)
    python tests/losses/torch_reference.py

Arrays are named '<our name> <case number>/<logits, labels, loss, option ...>'. Labels are int or
soft; the loss has one value per image.
"""

import importlib.util
import pathlib

import numpy as np
import torch
from torch.nn import functional

# this file alone, since `import timm` imports all its networks
FILE = pathlib.Path(importlib.util.find_spec('timm').origin).parent / 'loss/binary_cross_entropy.py'
SPEC = importlib.util.spec_from_file_location('binary_cross_entropy', FILE)
timm = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(timm)

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4)).astype(np.float32) * 2
LABELS = RNG.integers(0, 4, 6)
SOFT = RNG.dirichlet(np.ones(4), 6).astype(np.float32)
WEIGHTS = np.asarray([0.5, 1, 2, 4], np.float32)


def softmax(labels, smoothing, weights):
    """Returns torch's loss, float (n,)."""
    weight = None if weights is None else torch.tensor(weights)
    return functional.cross_entropy(
        torch.tensor(LOGITS),
        torch.tensor(labels),
        weight,
        label_smoothing=smoothing,
        reduction='none',
    )


def binary_cross_entropy(labels, label_smoothing, threshold):
    """Returns timm's loss, float (n,); timm smooths int labels only."""
    loss = timm.BinaryCrossEntropy(label_smoothing, threshold, reduction='none')
    return loss(torch.tensor(LOGITS), torch.tensor(labels)).mean(-1)


def cases():
    """Yields (our name, labels, our options, their loss)."""
    for labels in (LABELS, SOFT):
        for smoothing in (0.0, 0.1):
            for weights in (None, WEIGHTS):
                yield (
                    'softmax',
                    labels,
                    {'label_smoothing': smoothing, 'weights': weights},
                    softmax(labels, smoothing, weights),
                )
            for threshold in (None, 0.2):
                if labels is LABELS or not smoothing:
                    options = {'label_smoothing': smoothing, 'threshold': threshold}
                    yield (
                        'binary_cross_entropy',
                        labels,
                        options,
                        binary_cross_entropy(labels, **options),
                    )


if __name__ == '__main__':
    stored = {}
    for number, (name, labels, options, loss) in enumerate(cases()):
        arrays = {
            'logits': LOGITS,
            'labels': labels,
            'loss': loss,
            **{f'option {k}': v for k, v in options.items() if v is not None},
        }
        stored.update({f'{name} {number}/{k}': np.asarray(v) for k, v in arrays.items()})
    np.savez(pathlib.Path(__file__).with_suffix('.npz'), **stored)
