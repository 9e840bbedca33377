"""Parts of JPEGs: the same pixels as in the whole image, decoded from fewer units or rows."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from cnnlab.data.decoding.decode import decode, pixels
from cnnlab.data.decoding.encoded import Encoded, cut
from cnnlab.data.decoding.jpeg_parts import _header, _marked, window
from cnnlab.data.prepare.form import Form

RNG = np.random.default_rng(0)
PIXELS = cv2.GaussianBlur(RNG.integers(0, 256, (123, 181, 3), dtype=np.uint8), (5, 5), 1)
SAMPLING = {
    '4:2:0': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    '4:2:2': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    '4:4:4': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    '4:4:0': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
}


def jpeg(image=PIXELS, interval=1, *more):
    return cv2.imencode(
        '.jpg',
        image,
        (cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_RST_INTERVAL, interval, *more),
    )[1].tobytes()


def boxes(h, w, n):
    for _ in range(n):
        height, width = RNG.integers(1, h + 1), RNG.integers(1, w + 1)
        yield (
            int(RNG.integers(0, h - height + 1)),
            int(RNG.integers(0, w - width + 1)),
            int(height),
            int(width),
        )


@pytest.mark.parametrize('sampling', list(SAMPLING))
# 12 units of 16 pixels are a row, 23 of 8 are none
@pytest.mark.parametrize('interval', [1, 2, 12])
def test_a_part_has_the_pixels_of_the_whole(sampling, interval):
    data = jpeg(PIXELS, interval, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[sampling])
    whole, cuts = decode(data, 3, 'whole'), 0
    for top, left, height, width in boxes(*whole.shape[:2], 60):
        found = _marked(data, _header(data), top, left, height, width)
        if found is not None:
            cuts += 1
            smaller, y, x = found
            assert len(smaller) < len(data)
            part = decode(smaller, 3, 'part')
            assert part.shape[0] * part.shape[1] < 0.9 * whole.shape[0] * whole.shape[1]
            assert np.array_equal(
                part[y : y + height, x : x + width], whole[top : top + height, left : left + width]
            )
            # a JPEG for others too
            pillow = np.asarray(Image.open(io.BytesIO(smaller)))
            assert pillow.shape == part.shape
    aligned = (
        interval == 1
        or sampling in ('4:2:0', '4:2:2')
        and 12 % interval == 0
        or -(-181 // 8) % interval == 0
    )
    assert cuts > 20 if aligned else cuts == 0


def test_gray_images_and_those_that_are_smaller_than_a_unit_work_too():
    data = jpeg(PIXELS[..., 0])
    whole = decode(data, 3, 'whole')
    smaller, y, x = window(data, 50, 60, 20, 30)
    assert len(smaller) < 0.3 * len(data)
    assert np.array_equal(decode(smaller, 3, 'part')[y : y + 20, x : x + 30], whole[50:70, 60:90])
    assert window(jpeg(PIXELS[:5, :6]), 1, 1, 2, 2) is None


@pytest.mark.parametrize(
    'data',
    [
        jpeg(PIXELS, 1, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        cv2.imencode('.png', PIXELS)[1].tobytes(),
        b'',
        b'\xff\xd8',
        jpeg()[:60],
        b'\xff\xd8\xff\xdd\x00\x04\x00\x01',
    ],
    ids=['progressive', 'png', 'empty', 'start', 'cut', 'header'],
)
def test_other_files_have_no_such_parts(data):
    assert window(data, 0, 0, 10, 10) is None


def test_a_jpeg_that_has_lost_marks_is_decoded_as_a_whole():
    data = bytearray(jpeg())
    at = next(
        i for i in range(len(data) - 1, 0, -1) if data[i - 1] == 0xFF and 0xD0 <= data[i] <= 0xD7
    )
    header = _header(data)
    assert _marked(bytes(data), header, 0, 0, 20, 20) is not None
    assert _marked(bytes(data[: at - 1] + data[at + 1 :]), header, 0, 0, 20, 20) is None


@pytest.mark.parametrize('sampling', list(SAMPLING))
def test_rows_below_the_part_are_left_out_and_the_decoder_says_nothing(sampling, capfd):
    data = jpeg(PIXELS, 0, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[sampling])
    whole, cuts = decode(data, 3, 'whole'), 0
    for top, left, height, width in boxes(*whole.shape[:2], 60):
        found = window(data, top, left, height, width)
        if found is None:
            assert top + height > 100
            continue
        cuts += 1
        part = pixels(found[0], 3, 'part')
        assert part.shape[0] < 123 and part.shape[1] == 181 and found[1:] == (top, left)
        assert np.array_equal(
            part[top : top + height, left : left + width],
            whole[top : top + height, left : left + width],
        )
    assert cuts > 10 and window(data + b'more', 0, 0, 10, 10) is None
    assert capfd.readouterr().err == ''


def test_crops_of_files_of_cameras_are_those_of_the_decoded_ones(camera_files, capfd):
    for _, data in camera_files:
        image = Encoded(data, 3, 'it')
        whole = image.decode()
        for top, left, height, width in boxes(*whole.shape[:2], 120 // len(camera_files)):
            assert np.array_equal(
                image.part(top, left, height, width), whole[top : top + height, left : left + width]
            )
    assert capfd.readouterr().err == ''


@pytest.mark.parametrize('form', [Form(100), Form(100, encoding='pixels')], ids=['jpeg', 'pixels'])
def test_crops_of_prepared_images_are_those_of_the_decoded_ones(form):
    data = form.store(Encoded(cv2.imencode('.png', PIXELS)[1].tobytes(), 3, 'it'))
    image = Encoded(data, 3, 'it')
    whole = image.decode()
    assert image.shape == whole.shape == (100, 147, 3)
    for box in boxes(100, 147, 30):
        assert np.array_equal(
            cut(image, box, (60, 80), cv2.INTER_LINEAR), cut(whole, box, (60, 80), cv2.INTER_LINEAR)
        )


def test_a_truncated_file_is_refused_by_a_crop_too():
    data = jpeg()
    with pytest.raises(ValueError, match='it is truncated'):
        cut(Encoded(data[: len(data) // 2], 3, 'it'), (0, 0, 20, 20), (20, 20), cv2.INTER_LINEAR)


def test_a_damaged_ppm_is_no_image():
    data = Form(100, encoding='pixels').store(
        Encoded(cv2.imencode('.png', PIXELS)[1].tobytes(), 3, 'it')
    )
    for broken in (data[:-5], b'P6\n', b'P6\n9 x\n255\n123', b'P6\n1 1\n65535\n123456'):
        image = Encoded(broken, 3, 'it')
        # 16 bits a channel: read by OpenCV
        if broken == b'P6\n1 1\n65535\n123456':
            assert image.decode().shape == (1, 1, 3)
        else:
            with pytest.raises(ValueError, match='it is not a readable image'):
                cut(image, (0, 0, 1, 1), (1, 1), cv2.INTER_LINEAR)
