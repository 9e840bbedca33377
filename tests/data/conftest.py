"""JPEG files as cameras write them."""

import importlib.resources
import tarfile

import pytest

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
