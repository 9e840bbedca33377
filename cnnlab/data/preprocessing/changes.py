"""Changes to the preprocessing of published weights, given as 'field=value'."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from cnnlab import names
from cnnlab.data.preprocessing.preprocess import INTERPOLATIONS, Preprocess
from cnnlab.data.protocols.protocol import Protocol

# the fields to give where the source states no preprocessing
_NEEDED = ('resize', 'crop', 'interpolation', 'mean', 'std')
FIELDS = (*_NEEDED, 'mode', 'channels', 'scale')


def changed(id: str, stated: Preprocess | None, changes: Sequence[str]) -> Preprocess:
    """Applies changes to the preprocessing of published weights.

    Args:
      id: the weights, for messages.
      stated: the preprocessing that their source states, or None.
      changes: 'field=value' for each of `FIELDS` to change; mean and std in the unit of pixels, 0
        to 255.

    Raises:
      ValueError: a field or a value is wrong; `stated` is None and a needed field is not given; or
        `stated` has the transforms of a recipe.

    Example:
      changed('torchvision/resnet50', stated, ['resize=232', 'interpolation=bicubic'])
    """
    said = dict(_change(text) for text in changes)
    if stated is None:
        if missing := [field for field in _NEEDED if field not in said]:
            raise ValueError(
                f'the source of {id} states no preprocessing; give '
                f'{", ".join(f"--preprocess={field}=..." for field in missing)}'
            )
        stated = Preprocess(Protocol((said['resize'],), said['crop']))
    if said and not isinstance(stated.protocol, Protocol):
        raise ValueError(
            f'{id} is preprocessed by its recipe; --preprocess is for published weights'
        )
    places: dict[str, Any] = {}
    for field, value in said.items():
        if field == 'resize':
            places['scales'] = (value,)
        elif field == 'interpolation':
            places['filter'], places['antialias'] = INTERPOLATIONS[value]
        elif field in ('crop', 'mode'):
            places[field] = value
    values = {k: said[k] for k in ('mean', 'std', 'channels', 'scale') if k in said}
    return dataclasses.replace(
        stated, protocol=dataclasses.replace(stated.protocol, **places), **values
    )


def _change(text: str) -> tuple[str, Any]:
    """Parses 'field=value'."""
    field, _, value = text.partition('=')
    names.among('field of the preprocessing', field, FIELDS)
    try:
        if field in ('mean', 'std'):
            red, green, blue = map(float, value.split(','))
            found: Any = (red, green, blue)
        else:
            found = {'resize': int, 'crop': int, 'scale': float}.get(field, str)(value)
    except ValueError:
        takes = 'three numbers' if field in ('mean', 'std') else 'a number'
        raise ValueError(f'--preprocess={text}: {field} takes {takes}') from None
    if field == 'interpolation':
        names.among('interpolation', found, INTERPOLATIONS)
    if field == 'std' and min(found) < 1:
        raise ValueError(
            f'--preprocess={text}: mean and std are in the unit of pixels, 0 to 255: '
            f'write std={",".join(f"{255 * v:g}" for v in found)}'
        )
    return field, found
