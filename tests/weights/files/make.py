"""Makes the small files beside this one with real torch and Keras, which the project does not
depend on.

    # torch 2.13.0, safetensors 0.8.0, Keras 3.15.1 (KERAS_BACKEND=jax), h5py 3.16.0
    python tests/weights/files/make.py

Values: `arange` reshaped, so that a test can state them without reading them from here.
"""

import collections
import os
import pathlib

HERE = pathlib.Path(__file__).parent


class Malicious:
    """Unpickled by torch.load(weights_only=False), it would run a command."""

    def __reduce__(self):
        return os.system, ('echo this ran > ran.txt',)


def tensors(torch):
    """A state dict with a strided view, a shared storage, an empty tensor, a scalar and each dtype
    that torchvision's files have.
    """
    base = torch.arange(24, dtype=torch.float32)
    state = collections.OrderedDict()
    state['conv.weight'] = base.reshape(2, 3, 2, 2)
    # not contiguous, the same storage
    state['fc.weight'] = base.reshape(4, 6).T
    # an offset
    state['fc.bias'] = base[5:9]
    state['bn.num_batches_tracked'] = torch.tensor(7, dtype=torch.int64)
    state['half'] = torch.tensor([1.5, -2.25], dtype=torch.float16)
    state['brain'] = torch.tensor([1.5, -3.0], dtype=torch.bfloat16)
    state['empty'] = torch.zeros(0, 3)
    return state


def torch_files():
    import torch
    from safetensors.torch import save_file

    state = tensors(torch)
    torch.save(state, HERE / 'plain.zip.pth')
    torch.save(state, HERE / 'plain.legacy.pth', _use_new_zipfile_serialization=False)
    one = {f'module.{n}': torch.nn.Parameter(t) for n, t in list(state.items())[:1]}
    average = {n: t + 100 for n, t in one.items()}
    torch.save(
        {'epoch': 3, 'state_dict': one, 'best_prec1': 91.5, 'state_dict_ema': average},
        HERE / 'nested.pt',
    )
    torch.save({'state_dict': one, 'hook': Malicious()}, HERE / 'malicious.zip.pth')
    torch.save(
        {'state_dict': one, 'hook': Malicious()},
        HERE / 'malicious.legacy.pth',
        _use_new_zipfile_serialization=False,
    )
    save_file({n: t.contiguous().clone() for n, t in state.items()}, HERE / 'plain.safetensors')


def keras_model(keras):
    """Every kind of layer that holds variables in keras.applications, with automatic names that do
    not begin at nought.
    """
    layers = keras.layers
    # takes the first automatic names
    keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2D(1, 1), layers.BatchNormalization()])
    image = keras.Input((8, 8, 3))
    x = layers.Normalization()(image)
    x = layers.Conv2D(4, 3, name='stem')(x)
    x = layers.BatchNormalization()(x)
    y = layers.SeparableConv2D(4, 3, padding='same', use_bias=False)(x)
    y = layers.DepthwiseConv2D(3, padding='same', use_bias=False)(y)
    y = layers.BatchNormalization(scale=False)(y)
    x = layers.add([y, layers.Conv2D(4, 1, use_bias=False)(x)])
    x = layers.LayerNormalization()(x)
    x = keras.Sequential([layers.Conv2D(4, 1, name='inner')], name='scope')(x)
    return keras.Model(
        image, layers.Dense(5, name='predictions')(layers.GlobalAveragePooling2D()(x))
    )


def keras_files():
    os.environ['KERAS_BACKEND'] = 'jax'
    import keras
    import numpy as np

    model = keras_model(keras)
    for i, variable in enumerate(model.variables):
        variable.assign(np.arange(np.prod(variable.shape)).reshape(variable.shape) + i)
    model.save_weights(HERE / 'plain.weights.h5')
    model.save(HERE / 'plain.keras')
    model.save(HERE / 'plain.h5')
    (HERE / 'keras_variables.txt').write_text(
        ''.join(f'{v.path} {tuple(v.shape)}\n' for v in model.variables)
    )


if __name__ == '__main__':
    torch_files()
    keras_files()
