"""What images go through before the network: transforms, progressive resizing, mixing, attacks."""

import dataclasses
import re

from cnnlab.data.transforms import Transform, parse
from cnnlab.recipes.duration import Timeline
from cnnlab.recipes.sections import check

_STAGE = re.compile(r'\s*([1-9][0-9]*) from (.+)')
# where a transform takes the size of progressive resizing
_SIZE = '{size}'


@dataclasses.dataclass(frozen=True)
class Augment:
    """Transforms of training and evaluation images, and what the train step does to a batch.

    Raises:
      ValueError: a number out of range, a transform that is none, stages of progressive resizing
        that cannot be, or adversarial examples together with mixed labels.
    """

    # transforms of training images, in order
    train: tuple[str, ...] = ()
    # transforms of evaluation images, in the place of `train`
    evaluation: tuple[str, ...] = ()
    # transforms of every image, after `train` and after `evaluation`
    common: tuple[str, ...] = ()
    # what '{size}' in `train` stands for by the time in training, as in '128 from 0 epochs'
    progressive_resizing: tuple[str, ...] = ()
    # transforms of one image in each batch that it is part of (repeated augmentation)
    repeats: int = 1
    # training images mirrored in every other epoch, each from a first one by chance, in place of
    # flip()
    alternating_flip: bool = False
    # training images mirrored at random by the train step, in place of flip()
    device_flip: bool = False
    # parameter of the Beta distribution by which images and labels are mixed (train.mixing); 0 is
    # none
    mixup: float = 0.0
    # likewise, by replaced rectangles; where both are set, each batch gets one of them
    cutmix: float = 0.0
    # largest change of a training image's value, in units of [0, 1], by train.adversarial; 0 is
    # none
    adversarial: float = 0.0
    # MadryLab/cifar10_challenge takes 10 of 2/255 within 8/255, mnist_challenge 40 of 0.01 within
    # 0.3
    adversarial_steps: int = 10
    adversarial_step: float = 2 / 255
    # test-time augmentation: the views whose logits evaluation averages (train.tta)
    tta: str = 'none'

    def __post_init__(self) -> None:
        check.at_least_one({'augment.repeats': self.repeats})
        for field in ('mixup', 'cutmix'):
            if getattr(self, field) < 0:
                raise ValueError(
                    f'augment.{field} is 0 (none) or a parameter above 0, got '
                    f'{getattr(self, field)}'
                )
        if self.adversarial and (self.mixup or self.cutmix):
            raise ValueError(
                'adversarial examples have one label; augment.adversarial does not go with '
                'augment.mixup or augment.cutmix'
            )
        sizes = self._sizes()
        for size, _ in sizes or ((None, ''),):
            for field, calls in (
                ('train', self.train_at(size)),
                ('evaluation', self.evaluation),
                ('common', self.common),
            ):
                try:
                    parse.parse(*calls)
                except ValueError as error:
                    raise ValueError(f'augment.{field}: {error}') from None

    def _sizes(self) -> tuple[tuple[int, str], ...]:
        """(pixels a side, duration from which on) of each stage of progressive resizing."""
        takes = [transform for transform in self.train if _SIZE in transform]
        if takes and not self.progressive_resizing:
            raise ValueError(
                f'the transform {takes[0]!r} of augment.train takes its size from '
                f'augment.progressive_resizing, which is empty; write the size instead, or sizes '
                f"such as '128 from 0 epochs'"
            )
        if self.progressive_resizing and not takes:
            raise ValueError(
                f'augment.progressive_resizing changes what {_SIZE} stands for in augment.train, '
                f'and no transform has it: write random_resized_crop({_SIZE}), say'
            )
        found = []
        for text in self.progressive_resizing:
            match = _STAGE.fullmatch(text)
            if not match:
                raise ValueError(
                    f'augment.progressive_resizing: {text!r} is no stage of progressive resizing; '
                    "write it as '128 from 3 epochs'"
                )
            found.append((int(match[1]), match[2]))
        return tuple(found)

    def stages(self, timeline: Timeline) -> tuple[tuple[int, int | None], ...]:
        """(first step, pixels a side) of each stage; ((0, None),) where all images of training have
        one size.

        Raises:
          ValueError: stages that do not begin at 0 and rise.
        """
        found = tuple((timeline.steps(begin), size) for size, begin in self._sizes())
        firsts = [first for first, _ in found]
        if found and (firsts[0] != 0 or firsts != sorted(set(firsts))):
            raise ValueError(
                f'the sizes of augment.progressive_resizing begin at 0 and follow one another; '
                f'these begin at steps {", ".join(map(str, firsts))}'
            )
        return found or ((0, None),)

    def train_at(self, size: int | None) -> tuple[str, ...]:
        """The transforms of training images at a size of `stages`."""
        if size is None:
            return self.train
        return tuple(transform.replace(_SIZE, str(size)) for transform in self.train)

    def train_transform(self, size: int | None) -> Transform:
        """What training images go through at a size of `stages`."""
        return parse.parse(*self.train_at(size), *self.common)

    def evaluation_transform(self) -> Transform:
        """What evaluation images go through."""
        return parse.parse(*self.evaluation, *self.common)
