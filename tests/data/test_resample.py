"""Resizing: TensorFlow's filters against stored results, other libraries against known values."""

import pathlib

import cv2
import numpy as np
import pytest
from PIL import Image

from cnnlab.data.decoding import resample
from tests.data import tf_resize

STORED = np.load(pathlib.Path(__file__).with_name('tf_resize.npz'))


@pytest.mark.parametrize('key', [k for k in STORED.files if k != 'version'])
def test_tensorflows_filters_are_those_of_tensorflow_to_a_level(key):
    name, filter, antialias = key.split('/')
    shape, size = tf_resize.SHAPES[name]
    found = resample.resize(tf_resize.picture(*shape), size, filter, antialias == 'True')
    assert found.dtype == np.uint8 and found.shape == (*size, 3)
    assert np.abs(found.astype(int) - STORED[key]).max() <= 1
    assert (found != STORED[key]).mean() < 0.01


def test_the_filters_differ_more_than_the_tolerance():
    image = tf_resize.picture(61, 83)
    forms = [(f, a) for f, both in resample.FILTERS.items() for a in both]
    assert len(forms) == 13
    found = {form: resample.resize(image, (28, 33), *form).astype(int) for form in forms}
    alike = {
        (a, b) for a in found for b in found if a < b and np.abs(found[a] - found[b]).max() <= 3
    }
    assert alike == {
        (('opencv_bilinear', False), ('tf_bilinear', False)),
        (('pillow_bicubic', True), ('tf_bicubic', True)),
        # one rule, written twice
        (('pillow_bilinear', True), ('tf_bilinear', True)),
    }, alike


def test_libraries_are_called_as_they_are():
    image = tf_resize.picture(40, 50)
    pillow = np.asarray(Image.fromarray(image).resize((17, 23), Image.Resampling.BICUBIC))
    assert np.array_equal(resample.resize(image, (23, 17), 'pillow_bicubic', True), pillow)
    opencv = cv2.resize(image, (17, 23), interpolation=cv2.INTER_AREA)
    assert np.array_equal(resample.resize(image, (23, 17), 'opencv_area', True), opencv)
    assert resample.resize(image[..., :1], (23, 17), 'pillow_bilinear', True).shape == (23, 17, 1)
    assert resample.resize(image, (40, 50), 'tf_bilinear', True) is image


def test_forms_that_no_library_has_are_refused():
    with pytest.raises(ValueError, match='pillow_bilinear has it only with antialias'):
        resample.check('pillow_bilinear', False)
    with pytest.raises(ValueError, match='did you mean tf_bicubic'):
        resample.check('tf_bicubi', False)
