r"""Prepares ImageNet (ILSVRC-2012) for training: its two tars become shards with random access.

    # its own JPEGs
    python -m experiments.prepare_imagenet --source=/where/the/tars/are --data_dir=...
    # smaller, faster
    python -m experiments.prepare_imagenet --source=... --data_dir=... --name=ilsvrc2012_256 \
        --short_side=256
    # a small run
    python -m experiments.prepare_imagenet --source=... --data_dir=... --name=small \
        --expect=any --limit=1000

--source holds ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar, or train/<class>/*.JPEG and
val/<class>/*.JPEG, or imagenet2012 as TFDS has prepared it. The tars are streamed; nothing is
unpacked. Killed at any moment and started again, it goes on, and the result has the same bytes. It
is then opened by its name: --set dataset=ilsvrc2012_256 --data_dir=...; preparation.json beside the
shards says how it was made.
"""

import time

from absl import flags

from cnnlab.data.prepare import form, inputs, run

from . import common

_SOURCE = flags.DEFINE_string(
    'source',
    None,
    'The folder of the tars, of train/<class>/*.JPEG, or of imagenet2012 by TFDS.',
    required=True,
)
_NAME = flags.DEFINE_string('name', 'ilsvrc2012', 'What the set is called.')
_SHORT_SIDE = flags.DEFINE_string(
    'short_side',
    'original',
    "Pixels of the shorter side of what is stored; 'original' keeps the files.",
)
_QUALITY = flags.DEFINE_integer(
    'quality', 90, 'Of the stored JPEGs where --short_side is a number, 1 to 100.'
)
_ENCODING = flags.DEFINE_string(
    'encoding',
    'jpeg',
    "'jpeg', or 'pixels': uncompressed, about ten times as large, nothing left to decode.",
)
_EXPECT = flags.DEFINE_string(
    'expect',
    'ilsvrc2012',
    "'ilsvrc2012' checks classes and numbers of images; 'any' takes what is there.",
)
_LIMIT = flags.DEFINE_integer(
    'limit',
    None,
    'Images of each split, spread over the classes; the default is all.',
    lower_bound=1,
)
_UNREADABLE = flags.DEFINE_string(
    'unreadable',
    'refuse',
    "Images that cannot be decoded: 'refuse' says which, 'skip' leaves them out.",
)
_PROCESSES = flags.DEFINE_integer(
    'processes', 0, 'That work side by side; 0 is one a core.', lower_bound=0
)
_SHARD_MIB = flags.DEFINE_float(
    'shard_mib', 256, 'MiB of the input that make a shard, about.', lower_bound=0.001
)


def _side() -> int:
    if _SHORT_SIDE.value == 'original':
        return 0
    if not _SHORT_SIDE.value.isdecimal() or not int(_SHORT_SIDE.value):
        raise ValueError(
            f"--short_side is a number of pixels above 0 or 'original', not {_SHORT_SIDE.value!r}"
        )
    return int(_SHORT_SIDE.value)


class _Progress:
    """A line after the first shard, then one at most every ten seconds."""

    def __init__(self):
        self.start, self.said, self.before = time.monotonic(), 0.0, None

    def __call__(self, done: int, shards: int, images: int) -> None:
        now = time.monotonic()
        self.before = (done - 1, images) if self.before is None else self.before
        if done == shards or now - self.said > 10:
            self.said = now
            seconds, more = now - self.start, done - self.before[0]
            print(
                f'{done:,} of {shards:,} shards, {images:,} images, {seconds:.0f} s, about '
                f'{seconds / more * (shards - done):.0f} s left',
                flush=True,
            )


def main(_):
    """Prepares, and says what there is."""
    if not common.DATA_DIR.value:
        raise ValueError(
            '--data_dir is needed: the folder that the set is written to, as --data_dir/--name'
        )
    kept = form.Form(_side(), _QUALITY.value, _ENCODING.value)
    shard = int(_SHARD_MIB.value * 2**20)
    found = inputs.open_input(_SOURCE.value, expect=_EXPECT.value, shard=shard, limit=_LIMIT.value)
    made = run.prepare(
        found,
        common.DATA_DIR.value,
        name=_NAME.value,
        form=kept,
        expect=_EXPECT.value,
        limit=_LIMIT.value,
        shard_bytes=shard,
        unreadable=_UNREADABLE.value,
        processes=_PROCESSES.value or None,
        advance=_Progress(),
    )
    for split, images in made['stored'].items():
        classes, mib = made['classes_seen'][split], made['bytes'][split] / 2**20
        print(f'{_NAME.value} {split}: {images:,} images of {classes:,} classes, {mib:,.1f} MiB')
    if made['unreadable']:
        print(
            f'{len(made["unreadable"]):,} images could not be read and are left out; '
            f'preparation.json names them'
        )


if __name__ == '__main__':
    common.start(main)
