r"""Draws a sheet of training transforms: one row per transform, with several random draws.

    python -m experiments.show_augmentations --images=ILSVRC2012_img_train.tar --out=sheet.png
    python -m experiments.show_augmentations --dataset=cifar10 --split=train --data_dir=... \
        --transform="random_crop(4)" --transform="cutout(16)"
    python -m experiments.show_augmentations --images=photos/ --labels=labels.txt \
        --recipe=resnet --out=resnet.png

The random numbers are those of training with this seed: the stream of (seed, position).
"""

import functools

import cv2
import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from PIL import Image, ImageDraw, ImageFont

from cnnlab.data import loader, sources
from cnnlab.data.decoding.encoded import pixels
from cnnlab.data.sources import imagenet_images
from cnnlab.data.transforms import parse
from cnnlab.recipes import imagenet
from cnnlab.report.files import write_bytes
from cnnlab.train.on_device import mixing

from . import common

flags.declare_key_flag('data_dir')
_IMAGES = flags.DEFINE_string(
    'images', None, 'Images, as experiments.evaluate_imagenet takes them: a tar or a folder.'
)
_LABELS = flags.DEFINE_string(
    'labels', None, 'File with the labels of --images, if folders do not give them.'
)
_DATASET = flags.DEFINE_string(
    'dataset', None, 'Data set by name, instead of --images, with --split and --data_dir.'
)
_SPLIT = flags.DEFINE_string('split', 'train', 'Split of --dataset: train, validation or test.')
_TRANSFORM = flags.DEFINE_multi_string(
    'transform',
    [],
    'Transform, written as in recipes. May be repeated. Default: every transform, and mixing.',
)
_RECIPE = flags.DEFINE_multi_string(
    'recipe',
    [],
    'Transforms of a paper, drawn as one row. May be repeated: '
    f'{", ".join(imagenet.TRAIN_TRANSFORMS)}.',
)
_SAMPLES = flags.DEFINE_integer('samples', 9, 'Number of draws per row.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of the draws.', lower_bound=0)
_OUT = flags.DEFINE_string('out', 'augmentations.png', 'PNG file to write.')

# pixels
TILE, LABEL, GAP = 160, 300, 6
# The transforms in the order of the sheet. CROPS take the whole image, the others a square of 224
# pixels that `cut` returns.
CROPS = (
    'random_resized_crop(224)',
    'scale_jitter(224, 256, 480)',
    'scale_jitter(224, 256, 512)',
    'resize(256); center_crop(256); random_window(224)',
)
TRANSFORMS = (
    'flip()',
    'random_crop(28)',
    "random_crop(28, edge='reflect')",
    'shift(24)',
    'affine(rotate=20)',
    'affine(scale=0.3)',
    'affine(squeeze=0.3)',
    'affine(shear=0.3)',
    'affine(translate=30)',
    'lens_distortion(0.3)',
    'color_jitter(brightness=0.4)',
    'color_jitter(contrast=0.4)',
    'color_jitter(saturation=0.4)',
    'color_jitter(hue=0.1)',
    'lighting(0.1)',
    'lighting(0.5)',
    'erase(1.0)',
    "erase(1.0, value='random')",
    'cutout(80)',
    'auto_augment()',
    'rand_augment(2, 9)',
    'trivial_augment()',
)


def transform_of(text: str):
    """Returns the transform that 'one(); two()' describes."""
    return parse.parse(*text.split(';'))


def cut(image: np.ndarray, size: int = 224) -> np.ndarray:
    """Returns the central square of an image, resized to `size` pixels."""
    h, w, _ = image.shape
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    return cv2.resize(
        np.ascontiguousarray(image[top : top + side, left : left + side]),
        (size, size),
        interpolation=cv2.INTER_AREA,
    )


def tile(image: np.ndarray) -> Image.Image:
    """Fits an image of any size and 1 or 3 channels into TILE x TILE pixels."""
    picture = Image.fromarray(
        np.repeat(image, 3, -1) if image.shape[-1] == 1 else np.ascontiguousarray(image)
    )
    scale = TILE / max(picture.size)
    filter = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    kept = picture.resize([max(1, round(s * scale)) for s in picture.size], filter)
    out = Image.new('RGB', (TILE, TILE), (255, 255, 255))
    out.paste(kept, ((TILE - kept.width) // 2, (TILE - kept.height) // 2))
    return out


def mixed(kind: str, images: list[np.ndarray], draws: int) -> list[np.ndarray]:
    """Applies a transform of `mixing` to a batch, and returns the first image of each draw."""
    batch = jnp.asarray(np.stack(images))
    keys = jax.random.split(jax.random.key(_SEED.value), draws)
    if kind == 'device_flip':
        return [np.asarray(mixing.mirrored(key, batch))[0] for key in keys]
    mix = functools.partial(
        mixing.mix, image=batch.astype(jnp.float32), label=jnp.arange(len(images)), **{kind: 1.0}
    )
    return [np.asarray(jnp.rint(mix(key).image[0])).astype(np.uint8) for key in keys]


def sheet(rows: list[tuple[str, list[np.ndarray]]]) -> Image.Image:
    """Draws rows of (label, images) as one picture."""
    columns = max(len(images) for _, images in rows)
    out = Image.new(
        'RGB', (LABEL + columns * (TILE + GAP), len(rows) * (TILE + GAP)), (255, 255, 255)
    )
    pen, font = ImageDraw.Draw(out), ImageFont.load_default(size=16)
    for y, (label, images) in enumerate(rows):
        lines = [line for part in label.split('; ') for line in _wrapped(part)]
        pen.multiline_text(
            (GAP, y * (TILE + GAP) + GAP), '\n'.join(lines), fill=(0, 0, 0), font=font
        )
        for x, image in enumerate(images):
            out.paste(tile(image), (LABEL + x * (TILE + GAP), y * (TILE + GAP)))
    return out


def _wrapped(text, width=34):
    while len(text) > width:
        at = text.rfind(' ', 0, width)
        at = at if at > 0 else width
        yield text[:at]
        text = text[at:].strip()
    yield text


def main(_):
    """Applies the transforms and writes the sheet."""
    if bool(_IMAGES.value) == bool(_DATASET.value):
        raise ValueError('give the images: --images=... or --dataset=..., one of the two')
    source = (
        imagenet_images.open_images(_IMAGES.value, _LABELS.value)
        if _IMAGES.value
        else sources.load(_DATASET.value, _SPLIT.value, data_dir=common.DATA_DIR.value)
    )
    chosen = [
        *(('', transform) for transform in _TRANSFORM.value),
        *((f'{name}:; ', '; '.join(imagenet.train_transforms(name))) for name in _RECIPE.value),
    ]
    cropped = not chosen and source.image_shape is None
    draws, rows = loader.PerExampleRng(_SEED.value), []
    for title, text in chosen or [
        ('', transform) for transform in (*(CROPS if cropped else ()), *TRANSFORMS)
    ]:
        # a different image for every row
        [example] = source.encoded([(7 * len(rows) + 3) % len(source)])
        transform, image = transform_of(text), example['image']
        if cropped and text not in CROPS:
            image = cut(pixels(image))
        whole = pixels(image)
        rows.append(
            (
                title + text,
                [whole, *(transform(image, draws.at(p)).copy() for p in range(_SAMPLES.value))],
            )
        )
    if not chosen:
        images = [cut(source[i % len(source)]['image']) for i in range(3, 3 + 4)]
        for kind in ('device_flip', 'mixup', 'cutmix'):
            rows.append(
                (f'{kind} (on the device)', [images[0], *mixed(kind, images, _SAMPLES.value)])
            )
    picture = sheet(rows)
    done, data = cv2.imencode('.png', cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR))
    assert done
    write_bytes(_OUT.value, data.tobytes())
    print(f'wrote {_OUT.value}: {len(rows)} transforms')


if __name__ == '__main__':
    common.start(main)
