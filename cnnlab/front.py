"""`create`, `load` and `list_models`: networks by name, and trained networks, as Classifiers."""

import fnmatch
import os
import pathlib
from typing import Any

import jax
import numpy as np

from cnnlab import names, weights
from cnnlab.classifier import Classifier
from cnnlab.data.preprocessing import Preprocess
from cnnlab.data.protocols.protocol import Protocol
from cnnlab.data.protocols.transformed import Transformed
from cnnlab.models import registry
from cnnlab.nn.fast_init import initialize
from cnnlab.weights import fetch
from cnnlab.weights.class_names import class_names

register = registry.register
# of weights files
_SUFFIXES = ('.safetensors', '.pth', '.pt', '.th', '.npz', '.h5', '.keras')


def list_models(pattern: str = '*', pretrained: bool = False) -> list[str]:
    """Returns the names of the registered networks, sorted.

    Args:
      pattern: a pattern with the wildcards of file names: 'resnet*', '*_v1_?', '[a-d]*'.
      pretrained: whether to list only networks with published weights.

    Example:
      >>> cnnlab.list_models('resnet1*', pretrained=True)
      ['resnet101_keras', 'resnet101_v1_5', ...]
    """
    known = registry.names()
    if pretrained:
        published = {weights.entry(id).model for id in weights.supported() if weights.tags(id)}
        known = [name for name in known if name in published]
    return fnmatch.filter(known, pattern)


def create(
    name: str, num_classes: int | None = None, *, seed: int = 0, **fields: Any
) -> Classifier:
    """Creates a network with random weights, the same bits as `model.init(jax.random.key(seed))`.

    Args:
      name: a registered name from `list_models`, or the id of published weights, which stands for
        the network that they fit.
      num_classes: number of classes; None is that of the paper.
      seed: seed of the weights.
      **fields: other fields of the network, in place of the registered ones.

    Returns:
      A Classifier without class names. It resizes pictures to the size of the paper and scales
      their values to 0..1.

    Raises:
      KeyError: no such name; the sentence has the nearest.
      ValueError: the network has no such field, or cannot be initialized with these values.

    Example:
      >>> net = cnnlab.create('resnet50', num_classes=10)
    """
    architecture, stated = weights.model_of(name)
    if num_classes is not None:
        fields['num_classes'] = num_classes
    model = registry.create(architecture, **{**stated, **fields})
    height, width, channels = shape = registry.entry(architecture).input_shape
    images = np.zeros((1, *shape), np.float32)
    variables = initialize(model, {'params': jax.random.key(seed)}, images)
    return Classifier(
        model=model,
        variables={'batch_stats': {}, **variables},
        preprocess=Preprocess(
            Transformed((f"resize(({height}, {width}), filter='area')",)),
            channels='gray' if channels == 1 else 'rgb',
        ),
        class_names=None,
        architecture=architecture,
        input_shape=shape,
        provenance={'seed': seed},
    )


def load(what: str | os.PathLike, *, step: str | int = 'last') -> Classifier:
    """Loads a trained network. Nothing in a file is executed.

    Args:
      what: one of these, tried in this order:
        1. the id of published weights, 'torchvision/resnet50' or 'torchvision/resnet50.TAG', which
           are downloaded once;
        2. an existing path: a run directory, one of its checkpoints, or a file that
           `Classifier.save` wrote ('./' in front forces a path);
        3. 'ID@FILE': a file with weights in the format of that id.
      step: the checkpoint of a run directory: 'last', 'best' (highest validation top-1), or the
        number of a step.

    Raises:
      KeyError: the id has no such tag, or no imported package registers the network.
      ValueError, FileNotFoundError: `what` is none of these, or cannot be read.
      ConnectionError: the download failed.

    Example:
      >>> cnnlab.load('torchvision/squeezenet1_0').predict('cat.jpg', top=1)
      [('tabby', 0.62)]
    """
    text = os.fspath(what)
    if isinstance(what, str) and is_id(text):
        return published(text)
    path = pathlib.Path(text).expanduser()
    if path.exists():
        return _of_path(path, step)
    for at in (i for i, c in enumerate(text) if c == '@'):
        if is_id(text[:at]):
            return published(text[:at], text[at + 1 :])
    raise ValueError(_neither(text))


def published(id: str, file: str | os.PathLike | None = None, *, ema: bool = False) -> Classifier:
    """Loads published weights with their preprocessing and class names.

    Args:
      id: 'torchvision/resnet50', with or without a tag.
      file: a file in the format of this id; None downloads the published one.
      ema: whether to take the moving average from a training checkpoint that holds both.

    Raises:
      KeyError, ValueError, FileNotFoundError, ConnectionError: as `weights.load` and
        `weights.from_file`.
    """
    entry = weights.entry(id)
    base = entry.id.partition('.')[0]
    where = fetch.fetch(entry) if file is None else pathlib.Path(file).expanduser()
    model, variables = weights.from_file(base, where, ema=ema, fields=entry.fields)
    shape = registry.entry(entry.model).input_shape
    if entry.preprocess and isinstance(entry.preprocess.protocol, Protocol):
        side = entry.preprocess.protocol.crop
        shape = (side, side, shape[-1])
    net = Classifier(
        model=model,
        variables=variables,
        preprocess=entry.preprocess,
        class_names=None,
        architecture=entry.model,
        input_shape=shape,
        name=entry.id if file is None else f'{base} from {where.stem}',
        provenance={'id': entry.id, **({} if file is None else {'file': where.name})},
    )
    names_of = class_names(entry.class_order, net.num_classes)
    return net.replace(class_names=names_of, class_order=names_of and entry.class_order)


def is_id(text: str) -> bool:
    """Returns whether a text is the id of published weights, with or without a tag."""
    return '/' in text and text.partition('.')[0] in weights.supported()


def _of_path(path: pathlib.Path, step: str | int) -> Classifier:
    if path.is_file():
        return Classifier.read(path)
    # only runs need `train`, which takes seconds to import
    from cnnlab.train import runs

    return runs.load(path, step)


def _neither(text: str) -> str:
    """Writes the sentence for a text that is neither id, file nor run."""
    if (name := registry.resolve(text)) in registry.names():
        models = {id: weights.entry(id).model for id in weights.supported()}
        ids = [id for id, model in models.items() if model == name]
        where = (
            f'its published weights are {", ".join(ids)}' if ids else 'none are published for it'
        )
        others = [
            f'{id} (of {model})'
            for id, model in models.items()
            if model != name and id.partition('/')[2].lower() == name
        ]
        if others:
            where += f'; of that name, but for other networks: {", ".join(others)}'
        return (
            f'{text!r} names a network and says nothing of weights: create({text!r}) draws them '
            f'from a seed; {where}'
        )
    tried = (
        f'{text!r} cannot be loaded: it is no id of published weights, no existing run directory '
        'or file, and no id with a file (ID@FILE)'
    )
    # a path that is missing is not a misspelt id
    if pathlib.Path(text).suffix in _SUFFIXES or text.startswith(('/', '.', '~')):
        return f'{tried}; there is no file or directory of that path'
    return f'{tried}; {names.unknown("weights id", text.partition("@")[0], weights.supported())}'
