"""Progressive resizing: the size of images by the time in training, '128 from 0 epochs'."""

import re

from cnnlab.recipes import duration
from cnnlab.recipes.recipe import Recipe

_FORM = re.compile(r'\s*([1-9][0-9]*) from (.+)')
# where a view takes the size
_PLACE = '{size}'


def stages(recipe: Recipe, examples: int) -> tuple[tuple[int, int | None], ...]:
    """(first step, pixels a side) of each stage; ((0, None),) where all images of training have one
    size.

    Args:
      recipe: its `sizes` are '<pixels> from <duration>', the first from 0.
      examples: the size of its training set.

    Raises:
      ValueError: a text of another form, stages that do not begin at 0 and rise, sizes that no view
        takes, or a view without them.
    """
    takes = [view for view in recipe.augment if _PLACE in view]
    if not recipe.sizes:
        if takes:
            raise ValueError(
                f'the view {takes[0]!r} takes its size from the field sizes, which is empty; '
                "write the size instead, or sizes such as '128 from 0 epochs'"
            )
        return ((0, None),)
    if not takes:
        raise ValueError(
            f'sizes change what {_PLACE} stands for in augment, and no view has it: write '
            f'random_resized_crop({_PLACE}), say'
        )
    found = []
    for text in recipe.sizes:
        match = _FORM.fullmatch(text)
        if not match:
            raise ValueError(
                f"{text!r} is no stage of progressive resizing; write it as '128 from 3 epochs'"
            )
        found.append((duration.steps(match[2], examples, recipe.batch), int(match[1])))
    firsts = [first for first, _ in found]
    if firsts[0] != 0 or firsts != sorted(set(firsts)):
        raise ValueError(
            f'the sizes of a recipe begin at 0 and follow one another; these begin at steps '
            f'{", ".join(map(str, firsts))}'
        )
    return tuple(found)


def augment(recipe: Recipe, size: int | None) -> tuple[str, ...]:
    """The recipe's views of training images at a size of `stages`."""
    return (
        recipe.augment
        if size is None
        else tuple(view.replace(_PLACE, str(size)) for view in recipe.augment)
    )
