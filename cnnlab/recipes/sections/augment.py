"""Augmentation: transforms, progressive resizing, mixing, attacks, test-time augmentation."""

import dataclasses
import re

from cnnlab.data.transforms import Transform, parse
from cnnlab.recipes.duration import Timeline
from cnnlab.recipes.sections import check

_STAGE = re.compile(r'\s*([1-9][0-9]*) from (.+)')
# the placeholder in a transform for the size of progressive resizing
_SIZE = '{size}'


@dataclasses.dataclass(frozen=True)
class Augment:
    """Transforms of training and evaluation images, and augmentation in the train step.

    Raises:
      ValueError: a number out of range, an unknown transform, invalid stages of progressive
        resizing, or adversarial examples together with mixed labels.
    """

    # transforms of training images, in order
    train: tuple[str, ...] = ()
    # transforms of evaluation images, in order
    evaluation: tuple[str, ...] = ()
    # transforms of every image, after `train` or `evaluation`
    common: tuple[str, ...] = ()
    # sizes that replace '{size}' in `train` in the course of training, as in '128 from 0 epochs'
    progressive_resizing: tuple[str, ...] = ()
    # differently transformed copies of each image in a batch (repeated augmentation)
    repeats: int = 1
    # flip each training image in every other epoch, starting at random, in place of flip()
    alternating_flip: bool = False
    # flip training images at random in the train step, in place of flip()
    device_flip: bool = False
    # Beta distribution's parameter for mixing images and labels (train.on_device.mixing); 0: off
    mixup: float = 0.0
    # the same for replacing rectangles; if both are set, each batch gets one of them
    cutmix: float = 0.0
    # linf budget of the attack on training images (train.on_device.adversarial), in units of
    # [0, 1]; 0: off
    adversarial: float = 0.0
    # MadryLab/cifar10_challenge takes 10 steps of 2/255 for a budget of 8/255, mnist_challenge 40
    # steps of 0.01 for 0.3
    adversarial_steps: int = 10
    adversarial_step: float = 2 / 255
    # test-time augmentation, whose logits evaluation averages (train.on_device.tta)
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
        """Returns (pixels per side, duration at which it begins) of each stage."""
        takes = [transform for transform in self.train if _SIZE in transform]
        if takes and not self.progressive_resizing:
            raise ValueError(
                f'the transform {takes[0]!r} of augment.train takes its size from '
                f'augment.progressive_resizing, which is empty; write the size in the transform, '
                f"or give sizes such as '128 from 0 epochs'"
            )
        if self.progressive_resizing and not takes:
            raise ValueError(
                f'augment.progressive_resizing replaces {_SIZE} in augment.train, but no transform '
                f'contains it; write random_resized_crop({_SIZE}), for example'
            )
        sizes = []
        for text in self.progressive_resizing:
            match = _STAGE.fullmatch(text)
            if not match:
                raise ValueError(
                    f'augment.progressive_resizing: {text!r} is not a stage of progressive '
                    f"resizing; write it as '128 from 3 epochs'"
                )
            sizes.append((int(match[1]), match[2]))
        return tuple(sizes)

    def stages(self, timeline: Timeline) -> tuple[tuple[int, int | None], ...]:
        """Returns (first step, pixels per side) of each stage of progressive resizing.

        Without progressive resizing, returns ((0, None),).

        Raises:
          ValueError: the stages do not begin at step 0, or their first steps do not rise.
        """
        stages = tuple((timeline.steps(begin), size) for size, begin in self._sizes())
        firsts = [first for first, _ in stages]
        if stages and (firsts[0] != 0 or firsts != sorted(set(firsts))):
            raise ValueError(
                f'the sizes of augment.progressive_resizing begin at 0 and follow one another; '
                f'these begin at steps {", ".join(map(str, firsts))}'
            )
        return stages or ((0, None),)

    def train_at(self, size: int | None) -> tuple[str, ...]:
        """Returns the texts of the training transforms at a size of `stages`."""
        if size is None:
            return self.train
        return tuple(transform.replace(_SIZE, str(size)) for transform in self.train)

    def train_transform(self, size: int | None) -> Transform:
        """Builds the transform of training images at a size of `stages`."""
        return parse.parse(*self.train_at(size), *self.common)

    def evaluation_transform(self) -> Transform:
        """Builds the transform of evaluation images."""
        return parse.parse(*self.evaluation, *self.common)
