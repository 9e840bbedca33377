"""Writes torch_reference.npz: what torch's own layers answer to small random inputs.

Only this script needs torch, not the tests.

    python tests/nn/torch_reference.py        # made with torch 2.13.0

Each case is stored as '<name>/x' and '<name>/y' (both NHWC), with '<name>/kernel' (HWIO),
'<name>/bias' and '<name>/weight' where the layer has them.
"""

import pathlib

import numpy as np
import torch
from torch.nn import functional

TARGET = pathlib.Path(__file__).with_suffix('.npz')


def _nchw(x):
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def _nhwc(y):
    return y.numpy().transpose(0, 2, 3, 1)


def pools(draw):
    """Max and average pooling with and without the rule of ceil; adaptive average pooling."""
    for size, window, stride, padding in (
        (7, 3, 2, 0),
        (8, 3, 2, 1),
        (6, 2, 2, 0),
        (6, 3, 3, 1),
        (5, 2, 2, 1),
        (7, 2, 3, 0),
        (9, 5, 3, 2),
    ):
        x = draw(2, size, size + 1, 3)
        for ceil in (False, True):
            case = f'size{size} window{window} stride{stride} padding{padding} ceil{ceil:d}'
            yield (
                f'max {case}',
                {
                    'x': x,
                    'y': _nhwc(
                        functional.max_pool2d(_nchw(x), window, stride, padding, ceil_mode=ceil)
                    ),
                },
            )
            for counted in (False, True):
                y = functional.avg_pool2d(
                    _nchw(x), window, stride, padding, ceil_mode=ceil, count_include_pad=counted
                )
                yield f'avg {case} counted{counted:d}', {'x': x, 'y': _nhwc(y)}
    for size, bins in ((7, 3), (6, 6), (4, 6), (13, 6)):
        x = draw(2, size, size + 2, 3)
        yield (
            f'adaptive size{size} bins{bins}',
            {'x': x, 'y': _nhwc(functional.adaptive_avg_pool2d(_nchw(x), bins))},
        )


def convolutions(draw):
    """Kernel, stride, padding, groups and bias."""
    for kernel, stride, padding, groups in (
        (3, 1, 1, 1),
        (3, 2, 1, 2),
        (5, 3, 2, 4),
        (1, 2, 0, 1),
        (2, 1, 0, 4),
    ):
        x, bias, w = draw(2, 9, 8, 4), draw(8), draw(kernel, kernel, 4 // groups, 8)
        weight = torch.from_numpy(np.ascontiguousarray(w.transpose(3, 2, 0, 1)))
        y = functional.conv2d(
            _nchw(x), weight, torch.from_numpy(bias), stride, padding, groups=groups
        )
        yield (
            f'conv kernel{kernel} stride{stride} padding{padding} groups{groups}',
            {'x': x, 'y': _nhwc(y), 'kernel': w, 'bias': bias},
        )


def norms(draw):
    """Batch norm in evaluation and training, group norm, layer norm over channels, local response
    normalization.
    """
    x, weight, bias = 3 * draw(4, 3, 5, 8) + 2, draw(8), draw(8)
    w, b = torch.from_numpy(weight), torch.from_numpy(bias)
    affine = {'x': x, 'weight': weight, 'bias': bias}
    mean, var = torch.zeros(8), torch.ones(8)
    y = functional.batch_norm(_nchw(x), mean, var, w, b, training=True, momentum=0.1)
    # after one step from 0 and 1
    moved = {'mean': mean.numpy(), 'var': var.numpy()}
    yield 'batch_norm train', affine | moved | {'y': _nhwc(y)}
    yield (
        'batch_norm eval',
        affine | moved | {'y': _nhwc(functional.batch_norm(_nchw(x), mean, var, w, b))},
    )
    yield 'group_norm', affine | {'y': _nhwc(functional.group_norm(_nchw(x), 4, w, b))}
    yield (
        'layer_norm',
        affine | {'y': functional.layer_norm(torch.from_numpy(x), (8,), w, b, 1e-6).numpy()},
    )
    for size in (5, 4):
        yield (
            f'lrn size{size}',
            {
                'x': x,
                'y': _nhwc(
                    functional.local_response_norm(_nchw(x), size, alpha=0.1, beta=0.75, k=2.0)
                ),
            },
        )


def main():
    """Draws every case from one generator, in order."""
    generator = np.random.default_rng(0)
    arrays = {}
    for cases in (pools, convolutions, norms):
        for name, case in cases(lambda *shape: generator.standard_normal(shape).astype(np.float32)):
            arrays |= {f'{name}/{part}': value for part, value in case.items()}
    np.savez_compressed(TARGET, **arrays)
    print(f'{len(arrays)} arrays in {TARGET.name}, torch {torch.__version__}')


if __name__ == '__main__':
    main()
