"""Predictions for each image of a set, saved to a file so that results can be examined and compared
without the network.
"""

import dataclasses
import io
import json
import os
import pathlib
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from cnnlab.report.files import write_bytes
from cnnlab.report.proportions import calibration, wilson
from cnnlab.train.step import rank_of_truth

# classes kept per image
_BEST = 5
_ARRAYS = ('name', 'label', 'rank', 'best', 'confidence', 'loss')


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for n images, in the order of their source.

    Attributes:
      name: str (n,), the file name of each image.
      label: int32 (n,), the true classes.
      rank: int32 (n,), the number of classes ranked before the true one; ties go by index, and a
        NaN ranks the truth last.
      best: int32 (n, 5 or the number of classes), the most probable classes in order; -1 for an
        image with a NaN.
      confidence: float32 (n,), the probability of best[:, 0]; 0 for an image with a NaN.
      loss: float32 (n,), minus the natural logarithm of the label's probability.
      about: the network, data and protocol, as values that JSON can hold.
      probabilities: float32 (n, k), or None if they were not saved.
    """

    name: np.ndarray
    label: np.ndarray
    rank: np.ndarray
    best: np.ndarray
    confidence: np.ndarray
    loss: np.ndarray
    about: Mapping[str, Any]
    probabilities: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.label)

    def right(self, k: int = 1) -> np.ndarray:
        """Whether the label is among the k most probable classes, bool (n,)."""
        return self.rank < k

    def summary(self, bins: int = 15) -> dict[str, Any]:
        """Summarizes the predictions.

        Args:
          bins: of equal width, for the calibration error (`proportions.calibration`).

        Returns:
          'n'; 'top1' and 'top5' with Wilson's 95% intervals in 'top1_low', 'top1_high', 'top5_low'
          and 'top5_high'; the mean 'loss'; the expected calibration error 'ece'.
        """
        accuracies: dict[str, Any] = {}
        for k in (1, _BEST):
            right = int(self.right(k).sum())
            low, high = wilson(right, len(self))
            accuracies |= {f'top{k}': right / len(self), f'top{k}_low': low, f'top{k}_high': high}
        return {
            'n': len(self),
            **accuracies,
            'loss': float(self.loss.mean(dtype=np.float64)),
            'ece': calibration(self.confidence, self.right(), bins)[0],
        }

    def by_class(self, classes: int) -> list[tuple[int, int, int, int | None]]:
        """Counts the results of each class.

        Args:
          classes: the number of classes.

        Returns:
          For each class: images, right at top-1, right at top-5, and the wrong class that is
          predicted most often, or None.
        """
        rows = []
        for k in range(classes):
            here = self.label == k
            wrong = self.best[here & ~self.right(), 0]
            wrong = wrong[wrong >= 0]
            rows.append(
                (
                    int(here.sum()),
                    int((here & self.right()).sum()),
                    int((here & self.right(_BEST)).sum()),
                    int(np.bincount(wrong).argmax()) if wrong.size else None,
                )
            )
        return rows

    def save(self, path: str | os.PathLike, probabilities: bool = False) -> pathlib.Path:
        """Writes an .npz file atomically.

        Args:
          path: of the file.
          probabilities: save these too, as float16.
        """
        arrays = {key: getattr(self, key) for key in _ARRAYS} | {
            'about': np.array(json.dumps(dict(self.about)))
        }
        if probabilities and self.probabilities is not None:
            arrays['probabilities'] = self.probabilities.astype(np.float16)
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return write_bytes(path, file.getvalue())


def of(
    probabilities: np.ndarray, labels: np.ndarray, names: Sequence[str], about: Mapping[str, Any]
) -> Predictions:
    """Builds predictions from probabilities.

    Args:
      probabilities: float32 (n, k).
      labels: int (n,), the true classes.
      names: the n file names.
      about: see `Predictions`.

    Raises:
      ValueError: a label is not among the k classes.
    """
    n, k = probabilities.shape
    labels = np.asarray(labels, np.int32)
    if n and not 0 <= labels.min() <= labels.max() < k:
        raise ValueError(
            f'labels run from {labels.min()} to {labels.max()}, but the network has the classes 0 '
            f'to {k - 1}'
        )
    known = ~np.isnan(probabilities).any(1)
    best = np.where(
        known[:, None], np.argsort(-probabilities, 1, kind='stable')[:, :_BEST], -1
    ).astype(np.int32)
    own = probabilities[np.arange(n), labels].astype(np.float64)
    loss = -np.log(np.where(own > 0, own, np.finfo(np.float32).tiny)) + np.where(known, 0, np.nan)
    confidence = np.where(known, probabilities.max(1), 0)
    rank = np.asarray(rank_of_truth(jnp.asarray(probabilities), jnp.asarray(labels)), np.int32)
    return Predictions(
        name=np.array(names, str),
        label=labels,
        rank=rank,
        best=best,
        confidence=confidence.astype(np.float32),
        loss=loss.astype(np.float32),
        about=dict(about),
        probabilities=probabilities,
    )


def load(path: str | os.PathLike) -> Predictions:
    """Reads a file of `Predictions.save`.

    Raises:
      FileNotFoundError: the file is missing.
      ValueError: the file does not hold predictions, or is damaged.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no file of predictions {path}')
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in _ARRAYS}
            extra = (
                stored['probabilities'].astype(np.float32)
                if 'probabilities' in stored.files
                else None
            )
            return Predictions(
                **arrays, about=json.loads(str(stored['about'])), probabilities=extra
            )
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f'{path} is not a file of predictions: {str(error).splitlines()[0]}'
        ) from error


def together(first: Predictions, second: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Matches the images of two sets of predictions by name.

    Returns:
      (indices into the first, indices into the second) of the images that both hold, in the order
      of the first.

    Raises:
      ValueError: they have no image in common, a name occurs twice, or an image has different
        labels in the two.
    """
    for one in (first, second):
        if len(set(one.name.tolist())) < len(one):
            raise ValueError(
                'a name occurs twice among the images of a file of predictions, so images cannot '
                'be matched by name'
            )
    index = {name: i for i, name in enumerate(second.name.tolist())}
    both = [(i, index[name]) for i, name in enumerate(first.name.tolist()) if name in index]
    if not both:
        raise ValueError('the two files of predictions have no image in common')
    i, j = np.array(both).T
    if (differ := first.label[i] != second.label[j]).any():
        raise ValueError(
            f'{first.name[i[differ][0]]} has the label {first.label[i[differ][0]]} in one file '
            f'and {second.label[j[differ][0]]} in the other'
        )
    return i, j


def real(predictions: Predictions, path: str | os.PathLike) -> tuple[int, int]:
    """Scores predictions by ReaL labels.

    An image is right if its top-1 class is among its labels; images without labels do not count.

    Args:
      predictions: for images of the ImageNet validation set.
      path: of real.json in github.com/google-research/reassessed-imagenet, a list whose n-th entry
        (from 1) is for ILSVRC2012_val_<n>.JPEG.

    Returns:
      (images right, images counted).

    Raises:
      FileNotFoundError: the file is missing.
      ValueError: it is not such a list, or an image is not named as in the validation set.

    Reference:
      Beyer et al. 2020, arXiv:2006.07159.
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'there is no file of ReaL labels {path}')
    try:
        labels = json.loads(path.read_text())
        assert isinstance(labels, list) and all(isinstance(one, list) for one in labels)
    except (AssertionError, json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(f'{path} is not a JSON list of lists of classes') from None
    right = counted = 0
    for name, top in zip(predictions.name.tolist(), predictions.best[:, 0], strict=True):
        number = (
            pathlib.PurePosixPath(name).name.removeprefix('ILSVRC2012_val_').removesuffix('.JPEG')
        )
        if not number.isdigit() or not 1 <= int(number) <= len(labels):
            raise ValueError(
                f'{name} is not one of the {len(labels):,} validation images that {path} has '
                f'labels for'
            )
        allowed = labels[int(number) - 1]
        counted += bool(allowed)
        right += top in allowed
    return right, counted
