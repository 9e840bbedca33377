"""Sizes of well-known data sets, for planning a run before the images are there."""

import dataclasses

from cnnlab import names
from cnnlab.data import sources
from cnnlab.data.protocols import ilsvrc
from cnnlab.data.sources import fake


@dataclasses.dataclass(frozen=True)
class DatasetStatistics:
    """The size of a data set.

    Attributes:
      examples: the number of training images.
      shape: (height, width, channels) of an image.
      classes: the number of classes.
      validation: whether the set has a validation split of its own.
    """

    examples: int
    shape: tuple[int, int, int]
    classes: int
    validation: bool = False


# CIFAR and MNIST: their own pages (docs/sources.md, "Data sets"). ILSVRC's images differ in size;
# 375 x 500 stands for all of them, as the most frequent size (assumed).
SETS = {
    'cifar10': DatasetStatistics(50_000, (32, 32, 3), 10),
    'cifar100': DatasetStatistics(50_000, (32, 32, 3), 100),
    'mnist': DatasetStatistics(60_000, (28, 28, 1), 10),
    'ilsvrc2012': DatasetStatistics(
        ilsvrc.IMAGES['train'], (375, 500, 3), ilsvrc.CLASSES, validation=True
    ),
}


def stand_in(dataset: str) -> str:
    """The name of a fake data set (`data.sources.fake`) of the same size.

    Built-in data sets stand for themselves.

    Raises:
      KeyError: the size of the data set is not known.

    Example:
      >>> stand_in('mnist')
      'fake:28x28x1:10:60000'
    """
    if dataset == 'digits' or fake.FORM.fullmatch(dataset):
        return dataset
    known = (
        names.lookup('data set of known size', dataset, SETS)
        if dataset not in sources.DATA_SETS
        else None
    )
    if known is None:
        raise KeyError(f'planning a run on {dataset} needs its images: give --data_dir')
    return f'fake:{"x".join(map(str, known.shape))}:{known.classes}:{known.examples}'
