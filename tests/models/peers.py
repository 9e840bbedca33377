"""Writes peers.json: the numbers of parameters that other packages count in their own networks.

    # torchvision 0.29.1, timm 1.0.31, Keras 3.15.1 (KERAS_BACKEND=jax)
    python tests/models/peers.py torchvision timm keras

It needs those packages, which the project does not depend on; nothing is downloaded.

One line an id of `cnnlab.weights`: the parameters that are trained, without those of auxiliary
heads, and where the package states them (torchvision) the multiply-adds for one image in G.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[2]
FILE = pathlib.Path(__file__).with_suffix('.json')
# how torchvision and timm name the modules that only run in training
HEADS = ('aux', 'AuxLogits')


def published(source: str) -> list[str]:
    """The networks of a source for which `cnnlab.weights` has a table."""
    table = ROOT / 'cnnlab' / 'weights' / 'published' / f'{source}.json'
    return sorted(json.loads(table.read_text())['weights'])


def of_torch(module) -> int:
    """Parameters of a torch module without its auxiliary heads."""
    return sum(
        values.numel() for path, values in module.named_parameters() if not path.startswith(HEADS)
    )


def torchvision():
    """(network, counts) as the package states them, `num_params` and `_ops`."""
    from torchvision import models

    for name in published('torchvision'):
        stated = models.get_model_weights(name).DEFAULT.meta
        counts = {'params': stated['num_params'], 'macs': round(stated['_ops'], 3)}
        if name == 'inception_v3':
            # the one network whose num_params include its auxiliary head
            counts['params'] = of_torch(models.inception_v3(init_weights=False))
        yield name, counts


def timm():
    """(network, counts) as timm builds them on torch's meta device."""
    import timm
    import torch

    for name in published('timm'):
        with torch.device('meta'):
            yield name, {'params': of_torch(timm.create_model(name))}


def keras():
    """(network, counts) as keras.applications builds them, without the statistics of batch norm."""
    import keras
    import numpy as np
    from keras.src.initializers import random_initializers

    # the values do not matter here, and drawing them takes most of the time
    random_initializers.RandomInitializer.__call__ = lambda self, shape, dtype=None: np.zeros(
        shape, dtype or 'float32'
    )
    for name in published('keras'):
        model = getattr(keras.applications, name)(weights=None)
        yield name, {'params': sum(int(np.prod(w.shape)) for w in model.trainable_weights)}
        keras.backend.clear_session()


def main() -> None:
    """Replaces the lines of the sources that are named on the command line."""
    stored = json.loads(FILE.read_text()) if FILE.is_file() else {}
    for source in sys.argv[1:]:
        found = {'torchvision': torchvision, 'timm': timm, 'keras': keras}[source]()
        stored = {id: counts for id, counts in stored.items() if id.split('/')[0] != source}
        stored.update({f'{source}/{name}': counts for name, counts in found})
    lines = (f'{json.dumps(id)}: {json.dumps(stored[id])}' for id in sorted(stored))
    FILE.write_text('{\n' + ',\n'.join(lines) + '\n}\n')


if __name__ == '__main__':
    main()
