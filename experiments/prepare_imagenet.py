r"""Prepares ImageNet (ILSVRC-2012) for training: turns its tars into random-access shards.

    # keeps the original JPEGs
    python -m experiments.prepare_imagenet --source=/where/the/tars/are --data_dir=...
    # smaller images, which decode faster
    python -m experiments.prepare_imagenet --source=... --data_dir=... --name=ilsvrc2012_256 \
        --short_side=256
    # a small subset
    python -m experiments.prepare_imagenet --source=... --data_dir=... --name=small \
        --expect=any --limit=1000

--source holds ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar, or train/<class>/*.JPEG and
val/<class>/*.JPEG, or imagenet2012 as prepared by TFDS. The tars are streamed, not unpacked. If the
command is killed, starting it again resumes, and the result has the same bytes. Open the data set
by its name: --set dataset=ilsvrc2012_256 --data_dir=... The file preparation.json beside the shards
records how they were made.
"""

import time

from absl import flags

from cnnlab.data.prepare import form, inputs, run

from . import common

flags.declare_key_flag('data_dir')
_SOURCE = flags.DEFINE_string(
    'source',
    None,
    'Folder of the tars, of train/<class>/*.JPEG, or of imagenet2012 by TFDS.',
    required=True,
)
_NAME = flags.DEFINE_string('name', 'ilsvrc2012', 'Name of the data set.')
_SHORT_SIDE = flags.DEFINE_string(
    'short_side',
    'original',
    "Shorter side of the stored images in pixels; 'original' keeps the files.",
)
_QUALITY = flags.DEFINE_integer(
    'quality', 90, 'Quality of the stored JPEGs, 1 to 100, if --short_side is a number.'
)
_ENCODING = flags.DEFINE_string(
    'encoding',
    'jpeg',
    "Encoding: 'jpeg', or 'pixels' (uncompressed: about ten times as large, no decoding).",
)
_EXPECT = flags.DEFINE_string(
    'expect',
    'ilsvrc2012',
    "Expected content: 'ilsvrc2012' checks classes and numbers of images; 'any' accepts all.",
)
_LIMIT = flags.DEFINE_integer(
    'limit',
    None,
    'Number of images of each split, spread over the classes. Default: all.',
    lower_bound=1,
)
_UNREADABLE = flags.DEFINE_string(
    'unreadable',
    'refuse',
    "Images that cannot be decoded: 'refuse' names them and stops, 'skip' leaves them out.",
)
_PROCESSES = flags.DEFINE_integer(
    'processes', 0, 'Number of parallel processes; 0 is one per core.', lower_bound=0
)
_SHARD_MIB = flags.DEFINE_float(
    'shard_mib', 256, 'Approximate size of the input of one shard in MiB.', lower_bound=0.001
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
    """Prints a line after the first shard, then at most one every ten seconds."""

    def __init__(self):
        self.start, self.printed, self.before = time.monotonic(), 0.0, None

    def __call__(self, done: int, shards: int, images: int) -> None:
        now = time.monotonic()
        self.before = (done - 1, images) if self.before is None else self.before
        if done == shards or now - self.printed > 10:
            self.printed = now
            seconds, more = now - self.start, done - self.before[0]
            print(
                f'{done:,} of {shards:,} shards, {images:,} images, {seconds:.0f} s, about '
                f'{seconds / more * (shards - done):.0f} s left',
                flush=True,
            )


def main(_):
    """Prepares the data set and prints its size."""
    if not common.DATA_DIR.value:
        raise ValueError('--data_dir is needed: the data set is written to --data_dir/--name')
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
