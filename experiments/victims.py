"""The trained networks that flags name, as targets of attacks, and the images that they see."""
import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnnlab import names, weights
from cnnlab.attacks import target as targets
from cnnlab.attacks.target import Target
from cnnlab.data import imagenet_images, normalise, sources
from cnnlab.data.encoded import pixels
from cnnlab.data.files import SUFFIXES
from cnnlab.data.source import Source
from cnnlab.data.synsets import synsets
from cnnlab.recipes import training
from experiments import runs
from experiments.preprocess import preprocess


@dataclasses.dataclass(frozen=True, eq=False)
class Victim:
    """A network with what it makes of a picture before it."""
    name: str
    target: Target
    view: Callable[[np.ndarray], np.ndarray]  # uint8 (h, w, c) of any size -> uint8 of the network's
    protocol: str  # what `view` does, in words
    classes: str | None  # what the order of its logits is: 'imagenet', another set's, or None where that is not known
    labels: tuple[str, ...]  # a name for each logit
    data: dict[str, Source] | None  # of a run


def pretrained(id: str, file: str | None, changes: Sequence[str]) -> Victim:
    """Published weights, from a file or the cache; `changes` are those of --preprocess.

    Raises:
      KeyError, ValueError, OSError: as `weights.load` and `preprocess`.
    """
    entry = weights.entry(id)
    seen = preprocess(entry, list(changes))
    model, variables = weights.from_file(entry.id.partition('.')[0], file, fields=entry.fields) if file else weights.load(entry.id)
    found = targets.of(model, variables, seen.mean, seen.std, scale=seen.scale, channels=seen.channels)
    count = targets.num_classes(found, np.empty((1, seen.crop, seen.crop, 3), np.float32))
    known = entry.class_order == 'imagenet' and count == len(synsets())
    labels = tuple(s.name for s in synsets()) if known else tuple(f'class {k}' for k in range(count))
    name = entry.id.partition('.')[0]
    return Victim(name, found, seen.pixels, seen.sentence(), entry.class_order, labels, None)


def trained(path: str, step: str, data_dir: str | None) -> Victim:
    """A run, or one of its checkpoints, with the view of its recipe.

    Raises:
      FileNotFoundError, ValueError: as `runs.find` and `runs.restored`.
    """
    run, at = runs.find(path, step)
    job, state = runs.restored(run, at, data_dir)
    variables = state.ema or {'params': state.params, 'batch_stats': state.batch_stats}
    mean, std = normalise.statistics(job.data['train'], job.recipe.normalise)
    names_of = job.data['train'].class_names
    order = 'imagenet' if names_of == tuple(s.id for s in synsets()) else job.recipe.dataset
    view = '; '.join(job.recipe.view) or 'as they are'
    found = targets.of(job.model, variables, mean, std).replace(norm=training.batch_norm(job.recipe))
    return Victim(run.name, found, lambda image: job.view(image, np.random.default_rng(0)), view,
                  order, tuple(names_of), job.data)


def named(ids: Sequence[str], files: Sequence[str], changes: Sequence[str], paths: Sequence[str], step: str,
          data_dir: str | None) -> list[Victim]:
    """The runs at `paths` and the weights `ids`, as the flags --run, --step, --weights, --file and --preprocess name them.

    Raises:
      ValueError: files are given, but not one for each of the weights; two networks have one name. Others: see `trained` and `pretrained`.
    """
    if files and len(files) != len(ids):
        raise ValueError(f'there are {len(ids)} --weights but {len(files)} --file; give one for each, or none')
    found = [trained(path, step, data_dir) for path in paths]
    found += [pretrained(id, file, changes) for id, file in zip(ids, files or [None] * len(ids), strict=True)]
    twice = [v.name for i, v in enumerate(found) if v.name in [other.name for other in found[:i]]]
    if twice:
        raise ValueError(f'two networks are called {twice[0]}; rename a run directory, or give each of the weights once')
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """What is attacked.

    source: labelled images, or None where files were given one by one. files: these. name: of the whole.
    """
    source: Source | None
    files: tuple[str, ...]
    name: str

    def __len__(self) -> int:
        return len(self.source) if self.source is not None else len(self.files)

    def image(self, index: int) -> np.ndarray:
        """uint8 (h, w, c)."""
        if self.source is not None:
            [example] = self.source.encoded([index])
            return pixels(example['image'])
        return imagenet_images.ImageNetImages('', '', [_place(self.files[index])], [0])[0]['image']

    def label(self, index: int) -> int | None:
        """The true class, or None where it is not known."""
        return None if self.source is None else int(self.source[index]['label'])


def _place(path: str) -> imagenet_images.Place:
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'there is no picture {path}')
    return imagenet_images.Place(path.name, '', path, None)


def pictures(victim: Victim, images: str | None, labels: str | None, dataset: str | None, split: str, data_dir: str | None) -> Pictures:
    """The images that flags name, for a network: a tar or folder of ImageNet's, files apart by commas, a set by name, or a run's own split.

    Raises:
      ValueError: nothing is named, or the labels are those of another set. FileNotFoundError: it is not there.
    """
    if images and dataset:
        raise ValueError('give --images or --dataset, not both')
    listed = [name for name in (images or '').split(',') if name]
    if listed and all(pathlib.Path(name).suffix.lower() in SUFFIXES for name in listed):
        for name in listed:
            _place(name)
        return Pictures(None, tuple(listed), f'{len(listed)} pictures')
    if images:
        source: Any = imagenet_images.find(images, labels)
    elif dataset:
        source = sources.load(dataset, split, data_dir=data_dir)
    elif victim.data:
        source = names.lookup('split of this run', split, victim.data)
    else:
        raise ValueError('give the images: --images=ILSVRC2012_img_val.tar or --images=a.jpg,b.jpg, or --dataset and --data_dir')
    if victim.classes == 'imagenet':
        source = imagenet_images.in_order_of_logits(source)
    elif victim.classes is None or source.name.partition(':')[0] != victim.classes.partition(':')[0]:
        raise ValueError(f'{victim.name} has the classes of {victim.classes or "an unknown set"}, the images are those of {source.name}')
    return Pictures(source, (), f'{source.name}, {source.split}')


def seen(victim: Victim, given: Pictures, count: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The first `count` images as the network is given them, float32 (n, h, w, c) in [0, 1], and their labels, or None without.

    Raises:
      ValueError: they have different sizes, or the network takes others.
    """
    views = [victim.view(given.image(i)) for i in range(min(count, len(given)))]
    shapes = list(dict.fromkeys(v.shape for v in views))
    if len(shapes) > 1:
        raise ValueError(f'the images of {given.name} have different sizes ({shapes[0][0]} x {shapes[0][1]}, {shapes[1][0]} x '
                         f'{shapes[1][1]}), and {victim.name} takes them as they are; give images of one size')
    images = np.stack(views).astype(np.float32) / np.float32(255)
    targets.num_classes(victim.target, images)
    known = [given.label(i) for i in range(len(views))]
    return images, None if None in known else np.array(known)
