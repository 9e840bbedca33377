"""Makes the tables beside this file: what the sources' own packages say about the weights that they
publish.

    # torchvision 0.29.2, timm 1.0.31, Keras 3.15.1 (KERAS_BACKEND=jax)
    python cnnlab/weights/published/make.py torchvision timm keras

It needs those packages, which the project does not depend on; nothing is downloaded. Each table is
{name: {tag: facts}}, the source's default tag first. Every address and hash is one that the package
holds.
"""

import inspect
import json
import os
import pathlib
import re
import sys
import types
from typing import Any

HERE = pathlib.Path(__file__).parent
TORCHVISION = (
    'alexnet|vgg|googlenet|inception|resnet|wide_resnet|resnext|densenet|squeezenet|mobilenet|efficientnet_b|convnext|'
    'shufflenet|mnas|regnet'
)
TIMM = (
    r'legacy_(senet154|se(resnet|resnext)\d+\w*|xception)|(se)?resnet\d+d?|(se)?resnext\d+_\d+x\d+d|wide_resnet\d+_2|'
    r'resnetv2_\d+(x\d_bit)?|p?nasnet[a5]large|mobilenetv[12]_\d+d?|(tf_)?mobilenetv3_(small|large)_(minimal_)?\d+|mnasnet_\d+|semnasnet_\d+|'
    r'regnet[xy]_\d+(_tv)?|inception_(v3|v4|resnet_v2)|densenet\d+|(tf_)?efficientnet_b\d|convnext_(tiny|small|base|large|xlarge)|vgg\d+(_bn)?'
)


def without_torchvision_kernels():
    """Lets torchvision be imported beside another torch than its wheel's; the kernels are not used
    here.
    """
    sys.modules['torchvision._meta_registrations'] = types.ModuleType(
        'torchvision._meta_registrations'
    )


def torchvision_rows():
    """(network, tag, facts, version) of every weights enum of torchvision's classification models,
    the default tag first.
    """
    without_torchvision_kernels()
    import torchvision
    from torchvision import models

    for name in models.list_models(module=models):
        if not re.match(TORCHVISION, name):
            continue
        kinds = models.get_model_weights(name)
        for weights in sorted(kinds, key=lambda w: w != kinds.DEFAULT):
            t, [(data, metric)] = weights.transforms(), weights.meta['_metrics'].items()
            [digest] = re.findall(r'-([0-9a-f]{8,})\.pth$', weights.url)
            yield (
                name,
                weights.name,
                {
                    'url': weights.url,
                    'hash': f'sha256-prefix:{digest}',
                    'license': 'BSD-3-Clause, as the package; its README says that weights may '
                    'have terms of their own',
                    'num_classes': 1000,
                    'preprocess': {
                        'resize': t.resize_size[0],
                        'crop': t.crop_size[0],
                        'interpolation': t.interpolation.value,
                        'mean': t.mean,
                        'std': t.std,
                    },
                    'published': {'top1': metric['acc@1'], 'top5': metric['acc@5'], 'data': data},
                    **(
                        {'fields': {'transform_input': True}}
                        if 'transform_input' in inspect.getsource(models.get_model_builder(name))
                        else {}
                    ),
                },
                torchvision.__version__,
            )


def timm_rows():
    """(network, tag, facts, version) of every pretrained configuration of timm's networks that
    match TIMM.
    """
    without_torchvision_kernels()
    import timm

    for name in timm.list_models():
        if not re.fullmatch(TIMM, name):
            continue
        for full in timm.list_pretrained(f'{name}.*') or timm.list_pretrained(name):
            c, (_, _, tag) = timm.get_pretrained_cfg(full), full.partition('.')
            if c.num_classes == 0 or not (c.url or c.hf_hub_id):
                continue
            found = re.search(r'[-_]([0-9a-f]{8,})\.pth$', c.url or '')
            yield (
                name,
                tag or 'default',
                {
                    'url': c.url or None,
                    'hash': 'sha256-prefix:' + found[1] if found else None,
                    'hub': c.hf_hub_id or None,
                    'license': c.license,
                    'num_classes': c.num_classes,
                    'preprocess': {
                        'resize': int(c.input_size[1] / c.crop_pct),
                        'crop': c.input_size[1],
                        'interpolation': c.interpolation,
                        'mode': {'center': 'short', 'squash': 'squash', 'border': 'short'}[
                            c.crop_mode
                        ],
                        'mean': c.mean,
                        'std': c.std,
                    },
                },
                timm.__version__,
            )


class Asked(Exception):
    """Raised instead of a download, with what was to be downloaded."""


def keras_rows():
    """(network, 'imagenet', facts, version) of keras.applications: each is built until it asks for
    its weights, which are not fetched.
    """
    os.environ['KERAS_BACKEND'] = 'jax'
    import keras
    import numpy as np
    from keras.src.applications import imagenet_utils
    from keras.src.initializers import random_initializers
    from keras.src.utils import file_utils

    def ask(name, origin, *_, file_hash=None, md5_hash=None, **__):
        raise Asked(origin, file_hash or md5_hash)

    file_utils.get_file = ask
    sizes = []

    def recorded(*args, **kwargs):
        sizes.append(kwargs['default_size'])
        return obtain(*args, **kwargs)

    obtain, imagenet_utils.obtain_input_shape = imagenet_utils.obtain_input_shape, recorded
    # values are of no interest
    random_initializers.VarianceScaling.__call__ = lambda self, shape, dtype=None: np.zeros(
        shape, dtype
    )
    modes: dict[str | None, dict[str, Any]] = {
        'caffe': {
            'channels': 'bgr',
            'scale': 1,
            'mean': (103.939, 116.779, 123.68),
            'std': (1, 1, 1),
        },
        'tf': {'scale': 1, 'mean': (127.5,) * 3, 'std': (127.5,) * 3},
        'torch': {'mean': (0.485, 0.456, 0.406), 'std': (0.229, 0.224, 0.225)},
        # the network normalizes
        None: {'scale': 1, 'mean': (0, 0, 0), 'std': (1, 1, 1)},
    }
    for name in sorted(n for n in dir(keras.applications) if n[0].isupper()):
        if not re.match(
            r'VGG|ResNet|Inception|Xception|DenseNet|MobileNet|NASNet|EfficientNetB|ConvNeXt', name
        ):
            continue
        build = getattr(keras.applications, name)
        module = sys.modules[build.__module__]
        mode = re.search(r'mode="(\w+)"', inspect.getsource(module.preprocess_input))
        try:
            build(weights='imagenet')
        except Asked as asked:
            url, digest = asked.args
        size = sizes[-1]
        yield (
            name,
            'imagenet',
            {
                'url': url,
                'hash': digest and f'{"md5" if len(digest) == 32 else "sha256"}:{digest}',
                'license': None,
                'num_classes': 1000,
                'preprocess': {
                    'resize': size,
                    'crop': size,
                    'mode': 'squash',
                    'interpolation': 'nearest',
                    **modes[mode and mode[1]],
                },
                # a layer that it adds for these weights only
                **({'fields': {'std_twice': True}} if name.startswith('EfficientNetB') else {}),
            },
            keras.__version__,
        )
        keras.backend.clear_session()


def main():
    """Writes the table of each source named on the command line."""
    for source in sys.argv[1:]:
        table: dict[str, dict[str, Any]] = {}
        versions = set()
        for name, tag, facts, version in {
            'torchvision': torchvision_rows,
            'timm': timm_rows,
            'keras': keras_rows,
        }[source]():
            table.setdefault(name, {})[tag] = facts
            versions.add(version)
        [version] = versions
        rows = ',\n'.join(
            f'{json.dumps(name)}: {{\n'
            + ',\n'.join(f' {json.dumps(t)}: {json.dumps(f)}' for t, f in tags.items())
            + '}'
            for name, tags in table.items()
        )
        (HERE / f'{source}.json').write_text(
            f'{{"version": {json.dumps(f"{source} {version}")},\n"weights": {{\n{rows}}}}}\n'
        )


if __name__ == '__main__':
    main()
