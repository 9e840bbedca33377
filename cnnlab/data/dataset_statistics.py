"""What is known of data sets that are not there: enough to plan a run before the images are
prepared.
"""

import dataclasses

from cnnlab import names
from cnnlab.data import sources
from cnnlab.data.protocols import ilsvrc
from cnnlab.data.sources import fake


@dataclasses.dataclass(frozen=True)
class DatasetStatistics:
    """Training images of a set: how many, (height, width, channels), how many classes, and whether
    it has a validation split of its own.
    """

    examples: int
    shape: tuple[int, int, int]
    classes: int
    validation: bool = False


# The sizes of CIFAR and MNIST are those of their own pages (docs/sources.md, "Data sets"). ILSVRC's
# images differ in size: 375 x 500 is the most frequent one (assumed).
SETS = {
    'cifar10': DatasetStatistics(50_000, (32, 32, 3), 10),
    'cifar100': DatasetStatistics(50_000, (32, 32, 3), 100),
    'mnist': DatasetStatistics(60_000, (28, 28, 1), 10),
    'ilsvrc2012': DatasetStatistics(
        ilsvrc.IMAGES['train'], (375, 500, 3), ilsvrc.CLASSES, validation=True
    ),
}


def stand_in(dataset: str) -> str:
    """The name of a made set (`data.sources.fake`) with as many training images and classes, of the
    same size; built-in sets stand for themselves.

    Raises:
      KeyError: nothing is known of a set of that name.
    """
    if dataset == 'digits' or fake.FORM.fullmatch(dataset):
        return dataset
    known = (
        names.lookup('data set of known size', dataset, SETS)
        if dataset not in sources.DATA_SETS
        else None
    )
    if known is None:
        raise KeyError(
            f'the images of {dataset} are needed to plan a run with them: give --data_dir'
        )
    return f'fake:{"x".join(map(str, known.shape))}:{known.classes}:{known.examples}'
