"""Views from the strings of a recipe: `parse('random_crop(4)', 'flip()')`."""

import ast
import inspect

from cnnlab import names
from cnnlab.data import views

VIEWS = {
    'affine': views.Affine,
    'auto_augment': views.AutoAugment,
    'center_crop': views.CenterCrop,
    'color_jitter': views.ColorJitter,
    'cutout': views.Cutout,
    'erase': views.Erase,
    'flip': views.Flip,
    'lens_distortion': views.LensDistortion,
    'lighting': views.Lighting,
    'pad': views.Pad,
    'rand_augment': views.RandAugment,
    'random_crop': views.RandomCrop,
    'random_resized_crop': views.RandomResizedCrop,
    'random_window': views.RandomWindow,
    'resize': views.Resize,
    'scale_jitter': views.ScaleJitter,
    'shift': views.Shift,
    'to_channels': views.ToChannels,
    'trivial_augment': views.TrivialAugment,
}


def parse(*calls: str) -> views.Compose:
    """The views that `calls` describe, one after another.

    Each is a call of one of `VIEWS` with literal arguments, as in 'pad(2)' or "random_crop(4,
    edge='reflect')". Nothing is evaluated: the text is read as a syntax tree.

    Raises:
      ValueError: the text is no such call, or there is no such view, or its arguments are wrong.
    """
    return views.Compose(tuple(_one(call) for call in calls))


def _one(text: str) -> views.View:
    try:
        call = ast.parse(text.strip(), mode='eval').body
    except SyntaxError:
        call = None
    if isinstance(call, ast.Name):
        names.among('view', call.id, VIEWS)
        raise ValueError(f'the view {text!r} lacks its arguments: write {_signature(call.id)}')
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError(
            f'{text!r} is not a view: write a call with plain values such as pad(2); known: '
            f'{", ".join(VIEWS)}'
        )
    name = names.among('view', call.func.id, VIEWS)
    try:
        if any(k.arg is None for k in call.keywords):
            raise ValueError
        given = [ast.literal_eval(a) for a in call.args]
        named = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
    except ValueError:
        raise ValueError(
            f'the arguments of {text!r} are not plain values: {_signature(name)}'
        ) from None
    parameters = inspect.signature(VIEWS[name]).parameters
    for key in named:
        if key not in parameters:
            raise ValueError(
                f'{text!r}: {names.unknown("argument", key, parameters)} (the view is '
                f'{_signature(name)})'
            )
    try:
        inspect.signature(VIEWS[name]).bind(*given, **named)
    except TypeError as error:
        raise ValueError(f'{text!r}: {error}; the view is {_signature(name)}') from None
    return VIEWS[name](*given, **named)


def _signature(name: str) -> str:
    """'random_crop(padding, edge='zero')'"""
    return name + str(
        inspect.signature(VIEWS[name]).replace(
            parameters=[
                p.replace(annotation=p.empty)
                for p in inspect.signature(VIEWS[name]).parameters.values()
            ],
            return_annotation=inspect.Signature.empty,
        )
    )
