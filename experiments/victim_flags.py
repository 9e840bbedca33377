"""The flags that say which networks are attacked or corrupted, and on which images; and what they
mean.
"""

import pathlib

from absl import flags

from cnnlab import names
from cnnlab.data import sources
from cnnlab.data.sources import imagenet_images, pictures
from cnnlab.data.sources.files import SUFFIXES
from cnnlab.data.sources.pictures import Pictures

from . import common, victims
from .victims import Victim

_WEIGHTS = flags.DEFINE_multi_string(
    'weights', [], 'Which weights: an id like torchvision/resnet50. May be repeated.'
)
_FILE = flags.DEFINE_multi_string(
    'file',
    [],
    'The file of each --weights, in the same order; without it they are downloaded or cached.',
)
_PREPROCESS = flags.DEFINE_multi_string(
    'preprocess', [], "Replaces a field of the weights' preprocessing: resize=256. May be repeated."
)
_RUN = flags.DEFINE_multi_string(
    'run', [], 'A run directory, or one of its checkpoints (RUN/checkpoints/STEP). May be repeated.'
)
_STEP = flags.DEFINE_string(
    'step', 'last', "Which checkpoint of runs: 'last', 'best' (highest validation top-1) or a step."
)
_IMAGES = flags.DEFINE_string(
    'images',
    None,
    "ImageNet images: a tar or a folder; or files apart by commas. Default: a run's split.",
)
_LABELS = flags.DEFINE_string('labels', None, 'Labels of --images, where folders do not say them.')
_DATASET = flags.DEFINE_string(
    'dataset', None, 'Instead of --images: a set by name, with --split and --data_dir.'
)
_SPLIT = flags.DEFINE_string(
    'split', 'test', 'Of --dataset, or of the set of a run: train, validation or test.'
)
_COUNT = flags.DEFINE_integer('count', 100, 'How many images, from the first on.', lower_bound=1)
BATCH = flags.DEFINE_integer('batch', 50, 'Images at a time.', lower_bound=1)


def networks() -> list[Victim]:
    """Those of --run and --weights.

    Raises:
      ValueError: there are none; files are given, but not one for each of the weights; two networks
        have one name. Others: see `victims.trained` and `victims.pretrained`.
    """
    ids, files = _WEIGHTS.value, _FILE.value
    if not ids and not _RUN.value:
        raise ValueError('give a network: --weights=torchvision/squeezenet1_0 or --run=runs/...')
    if files and len(files) != len(ids):
        raise ValueError(
            f'there are {len(ids)} --weights but {len(files)} --file; give one for each, or none'
        )
    found = [victims.trained(path, _STEP.value, common.DATA_DIR.value) for path in _RUN.value]
    found += [
        victims.pretrained(id, file, _PREPROCESS.value)
        for id, file in zip(ids, files or [None] * len(ids), strict=True)
    ]
    twice = [v.name for i, v in enumerate(found) if v.name in [other.name for other in found[:i]]]
    if twice:
        raise ValueError(
            f'two networks are called {twice[0]}; rename a run directory, or give each of the '
            f'weights once'
        )
    return found


def images_for(victim: Victim) -> Pictures:
    """The first --count of a tar or folder of ImageNet's, of files apart by commas, of a set by
    name, or of a run's own split.

    Raises:
      ValueError: nothing is named, or the labels are those of another set. FileNotFoundError: it is
        not there.
    """
    if _IMAGES.value and _DATASET.value:
        raise ValueError('give --images or --dataset, not both')
    listed = [name for name in (_IMAGES.value or '').split(',') if name]
    if listed and all(pathlib.Path(name).suffix.lower() in SUFFIXES for name in listed):
        return pictures.of_files(listed[: _COUNT.value])
    if _IMAGES.value:
        source = imagenet_images.open_images(_IMAGES.value, _LABELS.value)
    elif _DATASET.value:
        source = sources.load(_DATASET.value, _SPLIT.value, data_dir=common.DATA_DIR.value)
    elif victim.data:
        source = names.lookup('split of this run', _SPLIT.value, victim.data)
    else:
        raise ValueError(
            'give the images: --images=ILSVRC2012_img_val.tar or --images=a.jpg,b.jpg, or '
            '--dataset and --data_dir'
        )
    if victim.classes == 'imagenet':
        source = imagenet_images.in_order_of_logits(source)
    elif (
        victim.classes is None or source.name.partition(':')[0] != victim.classes.partition(':')[0]
    ):
        raise ValueError(
            f'{victim.name} has the classes of {victim.classes or "an unknown set"}, the images '
            f'are those of {source.name}'
        )
    return pictures.of_source(source, _COUNT.value)
