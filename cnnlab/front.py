"""The front door: networks by name, and whatever was trained, as Classifiers."""

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


def list_models(pattern: str = '*', pretrained: bool = False) -> list[str]:
    """The names of networks, sorted.

    Args:
      pattern: with the wildcards of file names: 'resnet*', '*_v1_?', '[a-d]*'.
      pretrained: only those that a known source publishes weights for.

    Example:
      >>> list_models('resnet1*', pretrained=True)
      ['resnet101', 'resnet101_d', ...]
    """
    known = registry.names()
    if pretrained:
        published = {weights.entry(id).model for id in weights.supported() if weights.tags(id)}
        known = [name for name in known if name in published]
    return fnmatch.filter(known, pattern)


def create(
    name: str, num_classes: int | None = None, *, seed: int = 0, **fields: Any
) -> Classifier:
    """A network with weights drawn from a seed: the bits of `model.init(jax.random.key(seed),
    ...)`. Its classes have no names.

    Args:
      name: a registered name, as `list_models` gives them, or the id of published weights, which
        means the network that they fit.
      num_classes: how many classes; None is as many as the network was published with.
      seed: of the weights.
      **fields: other fields of the network, in place of the registered ones.

    Returns:
      A Classifier that takes pictures at the size of the paper's, scaled to 0..1.

    Raises:
      KeyError: no such name (the nearest are given). ValueError: the network has no such field, or
        no weights could be drawn from such fields.

    Example:
      net = cnnlab.create('resnet50', num_classes=10)
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
    """A trained network, from wherever it is; what is in a file is never run.

    Args:
      what: in this order
        1. the id of published weights, 'torchvision/resnet50' or 'torchvision/resnet50.TAG': they
           are downloaded once;
        2. an existing path ('./' before it forces this): a run directory, one of its checkpoints,
           or a file that `Classifier.save` wrote;
        3. 'ID@FILE': a file with the weights of that id.
      step: of a run directory: 'last', 'best' (highest validation top-1) or a step.

    Raises:
      KeyError: no tag of that name, or a network that no imported package registers. ValueError,
        FileNotFoundError: it is none of these, or what is there cannot be used; one sentence.
      ConnectionError: published weights could not be downloaded.

    Example:
      cnnlab.load('torchvision/squeezenet1_0').predict('cat.jpg')
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
    """Published weights with their preprocessing and class names.

    Args:
      id: 'torchvision/resnet50', with or without a tag.
      file: that holds weights under the names of this source; None downloads those of the id.
      ema: take the moving average of a training checkpoint that holds both.

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
    """Whether it is the id of published weights, with any tag."""
    return '/' in text and text.partition('.')[0] in weights.supported()


def _of_path(path: pathlib.Path, step: str | int) -> Classifier:
    if path.is_file():
        return Classifier.read(path)
    # what trains is needed for this alone, and takes time to import
    from cnnlab.train import runs

    return runs.load(path, step)


def _neither(text: str) -> str:
    """The sentence for what cannot be loaded."""
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
    return (
        f'{text!r} cannot be loaded: it is no id of published weights, no existing run directory '
        f'or file, and no id with a file (ID@FILE); '
        f'{names.unknown("weights id", text.partition("@")[0], weights.supported())}'
    )
