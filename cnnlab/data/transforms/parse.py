"""Parses the transforms of a recipe: `parse('random_crop(4)', 'flip()')`."""

import ast
import inspect
from collections.abc import Callable

from cnnlab import names
from cnnlab.data import transforms

TRANSFORMS: dict[str, Callable[..., transforms.Transform]] = {
    'affine': transforms.Affine,
    'auto_augment': transforms.AutoAugment,
    'center_crop': transforms.CenterCrop,
    'color_jitter': transforms.ColorJitter,
    'cutout': transforms.Cutout,
    'erase': transforms.Erase,
    'flip': transforms.Flip,
    'lens_distortion': transforms.LensDistortion,
    'lighting': transforms.Lighting,
    'pad': transforms.Pad,
    'rand_augment': transforms.RandAugment,
    'random_crop': transforms.RandomCrop,
    'random_resized_crop': transforms.RandomResizedCrop,
    'random_window': transforms.RandomWindow,
    'resize': transforms.Resize,
    'scale_jitter': transforms.ScaleJitter,
    'shift': transforms.Shift,
    'to_channels': transforms.ToChannels,
    'trivial_augment': transforms.TrivialAugment,
}


def register(name: str, transform: Callable[..., transforms.Transform]) -> None:
    """Registers a transform of your own.

    Args:
      name: the name for recipes.
      transform: makes the transform from the arguments in the recipe. A frozen dataclass is best:
        it can be pickled, for worker processes, and compared.

    Raises:
      ValueError: the name is taken.

    Example:
      parse.register('solarize', Solarize)  # recipes can then have 'solarize(128)'
    """
    names.add('transform', name, transform, TRANSFORMS)


def parse(*calls: str) -> transforms.Compose:
    """Makes transforms from text; nothing in the text is executed.

    Args:
      calls: each a call of one of `TRANSFORMS` with literal arguments, such as 'pad(2)' or
        "random_crop(4, edge='reflect')".

    Returns:
      The transforms, applied in this order.

    Raises:
      ValueError: a text is not such a call, there is no such transform, or its arguments are wrong.

    Example:
      >>> import numpy as np
      >>> parse('pad(2)')(np.zeros((28, 28, 1), np.uint8), np.random.default_rng(0)).shape
      (32, 32, 1)
    """
    return transforms.Compose(tuple(_one(call) for call in calls))


def _one(text: str) -> transforms.Transform:
    try:
        call = ast.parse(text.strip(), mode='eval').body
    except SyntaxError:
        call = None
    if isinstance(call, ast.Name):
        names.among('transform', call.id, TRANSFORMS)
        raise ValueError(f'the transform {text!r} lacks its arguments: write {_signature(call.id)}')
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError(
            f'{text!r} is not a transform: write a call with plain values, such as pad(2); known: '
            f'{", ".join(TRANSFORMS)}'
        )
    name = names.among('transform', call.func.id, TRANSFORMS)
    try:
        given = [ast.literal_eval(a) for a in call.args]
        named = {}
        for keyword in call.keywords:
            # The call has **something.
            if keyword.arg is None:
                raise ValueError
            named[keyword.arg] = ast.literal_eval(keyword.value)
    except ValueError:
        raise ValueError(
            f'the arguments of {text!r} are not plain values: {_signature(name)}'
        ) from None
    parameters = inspect.signature(TRANSFORMS[name]).parameters
    for key in named:
        if key not in parameters:
            raise ValueError(
                f'{text!r}: {names.unknown("argument", key, parameters)} (the transform is '
                f'{_signature(name)})'
            )
    try:
        inspect.signature(TRANSFORMS[name]).bind(*given, **named)
    except TypeError as error:
        raise ValueError(f'{text!r}: {error}; the transform is {_signature(name)}') from None
    return TRANSFORMS[name](*given, **named)


def _signature(name: str) -> str:
    """The signature for messages, such as "random_crop(padding, edge='zero')"."""
    return name + str(
        inspect.signature(TRANSFORMS[name]).replace(
            parameters=[
                p.replace(annotation=p.empty)
                for p in inspect.signature(TRANSFORMS[name]).parameters.values()
            ],
            return_annotation=inspect.Signature.empty,
        )
    )
