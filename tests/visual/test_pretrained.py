"""What the trained SqueezeNet sees in a real image."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from cnnlab import weights
from cnnlab.classifier import Classifier
from cnnlab.visual import class_scores, grad_cam

PROTOCOL = weights.Preprocess.published(
    256, 227, 'bilinear', (123, 117, 104), (1, 1, 1), mode='squash', scale=1
)
VALIDATION = 'ilsvrc2012_mini/ILSVRC2012_img_val.tar'
# validation image 12: sitting on a rock, its head at the right of the middle; there is no lynx in
# the small set
COUGAR = 286
# first row and column of 40 x 40 pixels
HEAD, ROCK = (48, 128), (184, 24)


@pytest.mark.slow
def test_a_cougar_is_less_likely_with_its_head_covered_and_grad_cam_is_on_the_animal(
    data_folder, squeezenet
):
    with tarfile.open(data_folder(VALIDATION) / VALIDATION) as tar:
        image = PROTOCOL(
            Image.open(io.BytesIO(tar.extractfile('ILSVRC2012_val_00000012.JPEG').read()))
        )
    net = Classifier(*squeezenet)
    images = np.stack([image] * 3)
    for x, (row, column) in zip(images[1:], (HEAD, ROCK), strict=True):
        x[row : row + 40, column : column + 40] = 0
    whole, no_head, no_rock = np.asarray(class_scores.probability(net, images, np.full(3, COUGAR)))
    assert no_head < 0.7 * whole and no_head < 0.7 * no_rock
    cam = np.asarray(grad_cam.grad_cam(net, images[:1], 'fire9', COUGAR))[0]
    row, column = np.unravel_index(cam.argmax(), cam.shape)
    # of 13: the upper middle, where the animal is
    assert 1 <= row <= 7 and 3 <= column <= 10
