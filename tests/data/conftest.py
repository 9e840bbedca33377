"""JPEG files as cameras write them, and sets as TFDS prepares them."""

import importlib.resources
import io
import tarfile

import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from cnnlab.data.prepare import with_tfds

IMAGENET = 'ilsvrc2012_mini/ILSVRC2012_img_val.tar'


@pytest.fixture(scope='session', params=['scikit-learn', 'imagenet'])
def camera_files(request, data_folder):
    """[(name, bytes)]: the two photographs that come with scikit-learn (CC BY 2.0; on Flickr,
    danielbuechele and vultilion), and 40 of ImageNet's own where they are.
    """
    if request.param == 'scikit-learn':
        folder = importlib.resources.files('sklearn.datasets') / 'images'
        return [(name, (folder / name).read_bytes()) for name in ('china.jpg', 'flower.jpg')]
    with tarfile.open(data_folder(IMAGENET) / IMAGENET) as tar:
        return [(m.name, tar.extractfile(m).read()) for m in tar.getmembers()[:40]]


@pytest.fixture(scope='session')
def small_sets(tmp_path_factory):
    """A folder of MNIST and CIFAR-10 as TFDS prepares them, but of few images: 50 and 40 windows of
    scikit-learn's photographs.
    """
    photographs = load_sample_images().images

    def examples(mode, side, split):
        for i in range({'train': 50, 'test': 40}[split]):
            left = 11 * i + (split == 'test')
            window = Image.fromarray(photographs[i % 2][100 : 100 + side, left : left + side])
            file = io.BytesIO()
            window.convert(mode).save(file, 'PNG')
            example = {'image': file.getvalue(), 'label': i % 10}
            yield i, example | ({'id': f'{split}_{i:05}'} if mode == 'RGB' else {})

    folder = tmp_path_factory.mktemp('tfds')
    with_tfds.write('mnist', folder, lambda split: examples('L', 28, split))
    with_tfds.write('cifar10', folder, lambda split: examples('RGB', 32, split))
    return folder
