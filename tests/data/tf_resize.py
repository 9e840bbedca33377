"""Writes tf_resize.npz: TensorFlow's results, for tests of cnnlab.data.decoding.resample.

    # in an environment of its own, with tensorflow-cpu 2.21.0 and numpy; see the stored 'version'
    python tests/data/tf_resize.py

Images are made from a formula, so that the file holds results alone: uint8, TensorFlow's float32
rounded to the nearest level.
"""

import pathlib

import numpy as np

SHAPES = {
    'down': ((61, 83), (28, 33)),
    'far': ((97, 40), (9, 7)),
    'up': ((13, 9), (30, 31)),
    'mixed': ((20, 64), (41, 25)),
    'one': ((1, 1), (4, 3)),
}


def picture(height, width):
    """uint8 (height, width, 3) with edges and noise, by arithmetic that every numpy does alike."""
    y, x, c = np.ogrid[:height, :width, :3]
    return (
        (x * 7 + y * 13 + c * 50 + ((x // 5 + y // 4) % 2) * 120 + (x * y * 31 + c) % 23) % 256
    ).astype(np.uint8)


def main():
    import tensorflow as tf

    found = {'version': np.array(tf.__version__)}
    for name, (shape, size) in SHAPES.items():
        image = picture(*shape)
        for kind in ('bilinear', 'bicubic'):
            for antialias in (False, True):
                out = tf.image.resize(image, size, method=kind, antialias=antialias)
                found[f'{name}/tf_{kind}/{antialias}'] = np.clip(
                    np.rint(out.numpy()), 0, 255
                ).astype(np.uint8)
        out = tf.compat.v1.image.resize_bilinear(
            image[None].astype(np.float32), size, align_corners=False
        )[0]
        found[f'{name}/tf_legacy_bilinear/False'] = np.clip(np.rint(out.numpy()), 0, 255).astype(
            np.uint8
        )
    np.savez_compressed(pathlib.Path(__file__).with_suffix('.npz'), **found)


if __name__ == '__main__':
    main()
