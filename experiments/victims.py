"""Trained networks as targets of attacks, and the images that they see."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from cnnlab import weights
from cnnlab.attacks import target as targets
from cnnlab.attacks.target import Target
from cnnlab.data import preprocessing
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.sources.pictures import Pictures
from cnnlab.data.synsets import synsets
from cnnlab.train import runs

from .preprocess import preprocess


@dataclasses.dataclass(frozen=True, eq=False)
class Victim:
    """A network with what it makes of a picture before it."""

    name: str
    target: Target
    # uint8 (h, w, c) of any size -> uint8 of the network's
    view: Callable[[np.ndarray], np.ndarray]
    # what `view` does, in words
    protocol: str
    # what the order of its logits is: 'imagenet', another set's, or None where that is not known
    classes: str | None
    # a name for each logit
    labels: tuple[str, ...]
    # of a run
    data: dict[str, ImageSource] | None


def pretrained(id: str, file: str | None, changes: Sequence[str]) -> Victim:
    """Published weights, from a file or the cache; `changes` are those of --preprocess.

    Raises:
      KeyError, ValueError, OSError: as `weights.load` and `preprocess`.
    """
    entry = weights.entry(id)
    seen = preprocess(entry.id, entry.preprocess, list(changes))
    model, variables = (
        weights.from_file(entry.id.partition('.')[0], file, fields=entry.fields)
        if file
        else weights.load(entry.id)
    )
    found = targets.of(model, variables, seen.mean, seen.std, channels=seen.channels)
    side = seen.protocol.crop
    count = targets.num_classes(found, np.empty((1, side, side, 3), np.float32))
    known = entry.class_order == 'imagenet' and count == len(synsets())
    labels = (
        tuple(s.name for s in synsets()) if known else tuple(f'class {k}' for k in range(count))
    )
    name = entry.id.partition('.')[0]
    return Victim(name, found, seen.pixels, seen.sentence(), entry.class_order, labels, None)


def trained(path: str, step: str, data_dir: str | None) -> Victim:
    """A run, or one of its checkpoints, with the view of its recipe.

    Raises:
      FileNotFoundError, ValueError: as `runs.find` and `runs.restored`.
    """
    run, at = runs.find(path, step)
    setup, state = runs.restored(run, at, data_dir)
    variables = state.evaluation_variables
    mean, std = preprocessing.statistics(setup.data['train'], setup.recipe.data.normalize)
    names_of = setup.data['train'].class_names
    order = 'imagenet' if names_of == tuple(s.id for s in synsets()) else setup.recipe.dataset
    view = '; '.join(setup.recipe.augment.common) or 'as they are'
    found = targets.of(setup.model, variables, mean, std)
    return Victim(
        run.name,
        found,
        lambda image: setup.transform(image, np.random.default_rng(0)),
        view,
        order,
        tuple(names_of),
        setup.data,
    )


def seen(victim: Victim, given: Pictures) -> tuple[np.ndarray, np.ndarray | None]:
    """The images as the network is given them, float32 (n, h, w, c) in [0, 1], and their labels, or
    None without.

    Raises:
      ValueError: they have different sizes, or the network takes others.
    """
    views = [victim.view(image) for image in given]
    shapes = list(dict.fromkeys(v.shape for v in views))
    if len(shapes) > 1:
        raise ValueError(
            f'the images of {given.name} have different sizes ({shapes[0][0]} x {shapes[0][1]}, '
            f'{shapes[1][0]} x '
            f'{shapes[1][1]}), and {victim.name} takes them as they are; give images of one size'
        )
    images = np.stack(views).astype(np.float32) / np.float32(255)
    targets.num_classes(victim.target, images)
    return images, None if given.labels is None else np.array(given.labels)
