"""Writes fixtures like those of tests/fixtures/peers for any networks of torchvision, timm and
Keras, in an environment where these packages are installed.

    python -m tests.weights.peer_fixtures --out=FIXTURES torchvision/vgg11 timm/regnety_004
    CNNLAB_FIXTURES=FIXTURES python -m pytest tests/weights/test_parity.py

The first command needs the peer (torch, torchvision and timm, or Keras) and numpy, and nothing of
cnnlab; run it from the root of the clone. A fixture is the names, shapes and kinds of a network's
arrays, and its logits in float64 under the weights and images of `synthetic.py`.
"""

import argparse
import json
import os
import pathlib
import sys
import types

import numpy as np

from tests.weights import synthetic

# the first whose logits have a standard deviation of at most 20
GAINS = (2.0, 1.4, 1.0, 0.7, 0.5)


def kind_of_torch(module, leaf):
    """Which of `synthetic.KINDS` a parameter or buffer is, by the module that owns it."""
    if leaf in ('running_mean', 'running_var', 'num_batches_tracked'):
        return {'running_mean': 'mean', 'running_var': 'var', 'num_batches_tracked': 'count'}[leaf]
    if leaf in ('layer_scale', 'gamma'):
        return 'layer_scale'
    if leaf == 'bias':
        return 'bias'
    return 'norm_scale' if 'Norm' in type(module).__name__ else 'kernel_oi'


def of_torch(source, name):
    """(manifest, logits) of a network of torchvision or timm."""
    import torch

    # its kernels are not used
    sys.modules['torchvision._meta_registrations'] = types.ModuleType(
        'torchvision._meta_registrations'
    )
    if source == 'torchvision':
        import torchvision as peer

        options = {'init_weights': False} if name in ('googlenet', 'inception_v3') else {}
        model = peer.models.get_model(name, weights=None, **options)
        size = 299 if name == 'inception_v3' else 224
    else:
        import timm as peer

        model = peer.create_model(name)
        size = model.pretrained_cfg['input_size'][1]
    torch.set_grad_enabled(False)
    modules = dict(model.named_modules())
    keys = []
    for key, value in model.state_dict().items():
        owner, _, leaf = key.rpartition('.')
        keys.append(
            (
                key,
                list(value.shape),
                str(value.dtype).removeprefix('torch.'),
                kind_of_torch(modules[owner], leaf),
            )
        )
    model = model.double().eval()

    def logits(size):
        images = torch.from_numpy(np.moveaxis(synthetic.images(size), 3, 1).astype(np.float64))
        return model(images).numpy()

    for gain in GAINS:
        manifest = {'keys': keys, 'gain': gain}
        # views: some networks refuse to load what no version of theirs saved
        values = model.state_dict()
        for key, array in synthetic.state_dict(manifest).items():
            values[key].copy_(torch.from_numpy(np.asarray(array)))
        found = {'logits_f64': logits(size)}
        if found['logits_f64'].std() <= 20:
            break
    manifest['input'] = {'size': size, 'scale': 1.0, 'shift': 0.0}
    manifest['input_alt'] = {**manifest['input'], 'size': size + 6}
    found['logits_alt'] = logits(size + 6)
    manifest['n_params'] = sum(p.numel() for p in model.parameters())
    manifest['version'] = f'{source} {peer.__version__} on torch {torch.__version__}'
    return manifest, found


def kind_of_keras(layer, leaf):
    """Which of `synthetic.KINDS` a variable is, by the layer that owns it."""
    known = {
        'gamma': 'layer_scale' if type(layer).__name__ == 'LayerScale' else 'norm_scale',
        'beta': 'bias',
        'bias': 'bias',
        'moving_mean': 'mean',
        'mean': 'mean',
        'moving_variance': 'var',
        'variance': 'var',
        'count': 'count',
        'depthwise_kernel': 'depthwise_hwcm',
        'kernel': 'depthwise_hwcm' if type(layer).__name__ == 'DepthwiseConv2D' else 'kernel_io',
    }
    return known.get(leaf, 'kernel_io')


def of_keras(name):
    """(manifest, logits) of a network of keras.applications; the logits are before the softmax."""
    os.environ.setdefault('KERAS_BACKEND', 'torch')
    import keras

    keras.config.set_floatx('float64')
    # has no size of its own
    shape = {'input_shape': (224, 224, 3)} if name.startswith('MobileNetV3') else {}
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None, **shape)
    normalizes = any(
        type(layer).__name__ in ('Normalization', 'Rescaling') for layer in model.layers
    )
    size, scale, shift = model.input_shape[1], *((60.0, 120.0) if normalizes else (1.0, 0.0))
    variables = [(layer, v) for layer in flat(model) for v in layer.weights]
    keys = [
        (
            v.path,
            list(v.shape),
            str(v.dtype).replace('float64', 'float32'),
            kind_of_keras(layer, v.path.rpartition('/')[2]),
        )
        for layer, v in variables
    ]
    images = synthetic.images(size, scale=scale, shift=shift).astype(np.float64)
    for gain in GAINS:
        manifest = {
            'keys': keys,
            'gain': gain,
            'input': {'size': size, 'scale': scale, 'shift': shift},
        }
        arrays = synthetic.state_dict(manifest)
        for _, v in variables:
            v.assign(arrays[v.path])
        logits = keras.ops.convert_to_numpy(model(images, training=False))
        if logits.std() <= 20:
            break
    manifest['n_params'] = int(sum(np.prod(v.shape) for v in model.trainable_variables))
    manifest['version'] = f'keras {keras.__version__}, backend {keras.config.backend()}'
    return manifest, {'logits_f64': logits}


def flat(model):
    """All layers that own variables themselves, those of nested models too."""
    for layer in model.layers:
        if getattr(layer, 'layers', None):
            yield from flat(layer)
        else:
            yield layer


def main():
    """Writes the fixtures that are not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--out', required=True, type=pathlib.Path, help='folder for the fixtures')
    parser.add_argument(
        'ids',
        nargs='+',
        help='source/name; Keras numbers its layers by process, so give one of its networks a run',
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for id in options.ids:
        source, _, name = id.partition('/')
        path = options.out / f'{source}__{name}.json'
        if path.exists():
            continue
        manifest, logits = of_keras(name) if source == 'keras' else of_torch(source, name)
        manifest |= {'source': source, 'name': name, 'activations': []}
        arrays = synthetic.state_dict(manifest)
        manifest['weights_sha256'] = synthetic.digest(arrays.values())
        for key in {'input', 'input_alt'} & set(manifest):
            manifest[key]['sha256'] = synthetic.digest([synthetic.images(**manifest[key])])
        np.savez(path.with_suffix('.npz'), **logits)
        path.write_text(json.dumps(manifest))
        print(id, 'gain', manifest['gain'], 'std', logits['logits_f64'].std(), flush=True)


if __name__ == '__main__':
    main()
