"""Transforms from the strings of a recipe: `parse('random_crop(4)', 'flip()')`."""

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
    """Lets recipes call a transform of one's own: after `register('solarize', Solarize)` they can
    say 'solarize(128)'.

    Args:
      name: by which recipes call it.
      transform: called with the arguments that the recipe gives; makes a transform. Best is a
        frozen dataclass: worker processes get it by pickle, and two can be compared.

    Raises:
      ValueError: the name is taken.
    """
    names.add('transform', name, transform, TRANSFORMS)


def parse(*calls: str) -> transforms.Compose:
    """The transforms that `calls` describe, one after another.

    Each is a call of one of `TRANSFORMS` with literal arguments, as in 'pad(2)' or "random_crop(4,
    edge='reflect')". Nothing is evaluated: the text is read as a syntax tree.

    Raises:
      ValueError: the text is no such call, there is no such transform, or its arguments are wrong.
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
            f'{text!r} is not a transform: write a call with plain values such as pad(2); known: '
            f'{", ".join(TRANSFORMS)}'
        )
    name = names.among('transform', call.func.id, TRANSFORMS)
    try:
        given = [ast.literal_eval(a) for a in call.args]
        named = {}
        for keyword in call.keywords:
            # of **something
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
    """'random_crop(padding, edge='zero')'"""
    return name + str(
        inspect.signature(TRANSFORMS[name]).replace(
            parameters=[
                p.replace(annotation=p.empty)
                for p in inspect.signature(TRANSFORMS[name]).parameters.values()
            ],
            return_annotation=inspect.Signature.empty,
        )
    )
