"""Real trained weights: an ImageNet SqueezeNet and two CIFAR ResNets give the logits of their torch
originals.
"""

import ast
import csv
import hashlib
import io
import pathlib
import re
import tarfile

import jax
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from cnnlab import weights
from cnnlab.data import sources, synsets

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / 'tests/fixtures'
MINIATURE = 'ilsvrc2012_mini'
# what torch computed: see the README of the fixtures
TORCH = np.load(FIXTURES / 'squeezenet/torch_logits.npz')
AKAMASTER = np.load(FIXTURES / 'cifar10/akamaster_logits.npz')
# of the first 256 training images of CIFAR-10
LOSSLESS = '14d566edb0f4970eb11f0a7bdb2a4aef4227ebb7ac454ac9cc703be6b293fe83'
SQUASH = weights.Preprocess.published(
    256, 227, 'bilinear', (123, 117, 104), (1, 1, 1), mode='squash', scale=1
)


def pictures(folder, split):
    """[(file name, Pillow image)] of a split of the mini set, in the order of its tar; training
    images lie in one tar a class.
    """
    kind = 'val' if split == 'validation' else 'train'
    with tarfile.open(folder / f'ILSVRC2012_img_{kind}.tar') as tar:
        for member in tar:
            data = io.BytesIO(tar.extractfile(member).read())
            if kind == 'val':
                yield member.name, Image.open(data)
                continue
            with tarfile.open(fileobj=data) as inner:
                yield from (
                    (m.name, Image.open(io.BytesIO(inner.extractfile(m).read()))) for m in inner
                )


@pytest.fixture(scope='module')
def logits(squeezenet):
    """uint8 images (n, 227, 227, 3) minus the mean -> the trained SqueezeNet's logits (n, 1000)."""
    model, variables = squeezenet
    apply = jax.jit(model.apply)
    return lambda images: in_batches(lambda x: np.asarray(apply(variables, x)), images)


def apart(ours, theirs):
    return np.abs(ours - theirs).max() / theirs.std()


def in_batches(apply, images, size=50):
    return np.concatenate([apply(images[i : i + size]) for i in range(0, len(images), size)])


@pytest.mark.slow
def test_a_trained_squeezenet_sees_in_photographs_what_its_original_sees(logits):
    """scikit-learn's photographs, so that real weights are proven wherever the project is."""
    images = np.stack([SQUASH(Image.fromarray(image)) for image in load_sample_images().images])
    assert apart(logits(images), TORCH['photographs']) < 1e-4
    assert (logits(images).argmax(1) == TORCH['photographs'].argmax(1)).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('split', 'top1', 'top5'),
    [('validation', 56.0, 84.0), pytest.param('train', 66.4, 86.4, marks=pytest.mark.full)],
)
def test_an_imagenet_squeezenet_scores_what_its_original_scores(
    data_folder, logits, split, top1, top5
):
    folder = data_folder(MINIATURE) / MINIATURE
    with (folder / 'manifest.csv').open() as file:
        labels = {
            row['file_name']: int(row['label'])
            for row in csv.DictReader(file)
            if row['split'] == split
        }
    names, images = zip(*pictures(folder, split), strict=True)
    assert sorted(names) == sorted(labels)
    found = logits(np.stack([SQUASH(image) for image in images]))
    order = np.argsort(-found, 1, kind='stable')[:, :5]
    right = order == np.array([labels[name] for name in names])[:, None]
    assert 100 * right[:, 0].mean() == pytest.approx(top1)
    assert 100 * right.any(1).mean() == pytest.approx(top5)
    if split == 'validation':
        assert apart(found[np.argsort(names)], TORCH['val_squash']) < 1e-4


@pytest.fixture(scope='module')
def cifar10(data_folder):
    """The first 256 training images of CIFAR-10 in its own order, which are not those of TFDS.

    A folder that has CIFAR-10 as JPEGs alone may hold these beside it.
    """
    root = data_folder('tfds/cifar10')
    if (beside := root / 'weights/akamaster_lossless256.npz').exists():
        images = np.load(beside)['image']
    else:
        train = sources.load('cifar10', 'train', data_dir=root / 'tfds')
        images = np.stack([train[i]['image'] for i in AKAMASTER['positions']])
    assert hashlib.sha256(images.tobytes()).hexdigest() == LOSSLESS, 'a lossy copy of CIFAR-10'
    return images


@pytest.mark.slow
@pytest.mark.parametrize('name', ['resnet20', 'resnet56'])
def test_cifar_resnets_give_their_originals_logits_on_lossless_images(data_folder, cifar10, name):
    file = f'weights/akamaster_{name}.safetensors'
    model, variables = weights.from_file(f'akamaster/{name}', data_folder(file) / file)
    images = weights.entry(f'akamaster/{name}').preprocess.normalize(cifar10)
    found = np.asarray(jax.jit(model.apply)(variables, images))
    assert apart(found, AKAMASTER[name]) < 1e-4
    assert (found.argmax(1) == AKAMASTER[name].argmax(1)).all()


@pytest.mark.slow
def test_the_lines_of_the_documentation_run(squeezenet_file, tmp_path, monkeypatch):
    """docs/weights.md, with a file in place of the download."""

    def load(id):
        return weights.from_file(id.partition('.')[0], squeezenet_file)

    monkeypatch.setattr(weights, 'load', load)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(load_sample_images().images[0]).save('image.jpg')
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'docs/weights.md').read_text(), re.DOTALL)
    # three statements from a name to logits, five to features
    assert [len(ast.parse(block).body) for block in blocks] == [3, 5]
    scope = {}
    for block in blocks:
        exec(block, scope)
    assert scope['logits'].shape == (1, 1000)
    images = weights.entry('torchvision/squeezenet1_0').preprocess('image.jpg')[None]
    assert scope['features'](scope['variables'], images).shape == (1, 13, 13, 512)


def test_every_class_of_imagenet_has_its_synset_and_name():
    found = synsets.synsets()
    assert [s.id for s in found] == sorted({s.id for s in found})
    assert len(found) == 1000
    assert (found[0].name, found[999].names[0], synsets.index()['n01440764']) == (
        'tench',
        'toilet tissue',
        0,
    )
