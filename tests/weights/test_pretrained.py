"""Real trained weights, offline: an ImageNet SqueezeNet and two CIFAR ResNets against the logits of
their torch originals.
"""

import csv
import io
import pathlib
import re
import tarfile

import jax
import numpy as np
import pytest
from PIL import Image

from cnnlab import weights
from cnnlab.data import synsets

ROOT = pathlib.Path(__file__).resolve().parents[2]
SQUASH = weights.Preprocess(
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
def squeezenet(shared):
    model, variables = weights.from_file(
        'torchvision/squeezenet1_0',
        shared / 'data/weights/squeezenet1_0_deep_compression.safetensors',
    )
    apply = jax.jit(model.apply)
    return lambda images: np.asarray(apply(variables, images))


def in_batches(apply, images, size=50):
    return np.concatenate([apply(images[i : i + size]) for i in range(0, len(images), size)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ('split', 'top1', 'top5'),
    [('validation', 56.0, 84.0), pytest.param('train', 66.4, 86.4, marks=pytest.mark.full)],
)
def test_an_imagenet_squeezenet_scores_what_its_original_scores(
    shared, squeezenet, split, top1, top5
):
    folder = shared / 'data/ilsvrc2012_mini'
    with (folder / 'manifest.csv').open() as file:
        labels = {
            row['file_name']: int(row['label'])
            for row in csv.DictReader(file)
            if row['split'] == split
        }
    names, images = zip(*pictures(folder, split), strict=True)
    assert sorted(names) == sorted(labels)
    logits = in_batches(squeezenet, np.stack([SQUASH(image) for image in images]))
    order = np.argsort(-logits, 1, kind='stable')[:, :5]
    right = order == np.array([labels[name] for name in names])[:, None]
    assert 100 * right[:, 0].mean() == pytest.approx(top1)
    assert 100 * right.any(1).mean() == pytest.approx(top5)
    if split == 'validation':
        stored = np.load(shared / 'data/weights/squeezenet_mini_logits.npz')['val_squash']
        by_name = np.argsort(names)
        assert np.abs(logits[by_name] - stored).max() / stored.std() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize('name', ['resnet20', 'resnet56'])
def test_cifar_resnets_give_their_originals_logits_on_lossless_images(shared, name):
    folder = shared / 'data/weights'
    model, variables = weights.from_file(
        f'akamaster/{name}', folder / f'akamaster_{name}.safetensors'
    )
    stored = np.load(folder / 'akamaster_lossless256.npz')
    images = weights.entry(f'akamaster/{name}').preprocess.normalize(stored['image'])
    logits = np.asarray(jax.jit(model.apply)(variables, images))
    reference = stored[f'logits_{name}']
    assert np.abs(logits - reference).max() / reference.std() < 1e-4
    assert (logits.argmax(1) == reference.argmax(1)).all()


@pytest.mark.slow
def test_the_lines_of_the_documentation_run(shared, tmp_path, monkeypatch):
    """docs/weights.md, and the README's lines that load weights, with the file that lies beside the
    project in place of a download.
    """
    path = shared / 'data/weights/squeezenet1_0_deep_compression.safetensors'
    monkeypatch.setattr(weights, 'load', lambda id: weights.from_file(id.partition('.')[0], path))
    monkeypatch.chdir(tmp_path)
    next(pictures(shared / 'data/ilsvrc2012_mini', 'validation'))[1].save('image.jpg')
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'docs/weights.md').read_text(), re.DOTALL)
    assert [len(block.splitlines()) for block in blocks] == [3, 5]
    readme = re.findall(r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.DOTALL)
    scope = {}
    for block in [*blocks, *(b for b in readme if 'weights.load' in b)]:
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
