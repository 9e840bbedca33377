"""Name -> (module class, fields, facts): the table of all networks.

Every module of this package that calls `register` is one family of networks. They are found by
walking the folder when a network is first asked for, so that a new file is known without being
named anywhere. Networks of other packages are known once those packages are imported.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from flax import linen as nn

from cnnlab import names as lookups
from cnnlab.nn.norms import BatchNormConfig, has_batch_norm


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """The facts of one registered network."""

    cls: type[nn.Module]
    # what distinguishes it within its class
    fields: Mapping[str, Any]
    # the row of the networks' table in which it is counted ('ResNet-D')
    family: str
    # where the network is described: an arXiv number, a citation, or the code that defines it
    paper: str
    year: int
    # trained values at `input_shape` and the registered classes, from a source other than our
    # module
    params: int
    # (height, width, channels) of the paper
    input_shape: tuple[int, int, int]
    # the module that called `register`: importing it makes the network known
    registered_by: str


_TABLE: dict[str, ModelEntry] = {}
_ALIASES: dict[str, str] = {}


def field_names(cls: type[nn.Module]) -> list[str]:
    """The fields that a network of this class is declared by."""
    return [f.name for f in dataclasses.fields(cls) if f.name not in ('parent', 'name')]


def _check_fields(cls, fields):
    for field in fields:
        if field not in field_names(cls):
            raise ValueError(lookups.unknown(f'field of {cls.__name__}', field, field_names(cls)))
    if fields.get('num_classes', 1) < 1:
        raise ValueError(f'num_classes must be at least 1, got {fields["num_classes"]}')
    settings = getattr(cls, 'norm', None)
    if isinstance(settings, BatchNormConfig) and not isinstance(
        fields.get('norm', settings), BatchNormConfig
    ):
        raise ValueError(
            f'the field norm of {cls.__name__} is a BatchNormConfig, got {fields["norm"]!r}'
        )


def register(
    name: str,
    cls: type[nn.Module],
    *,
    family: str,
    paper: str,
    year: int,
    params: int,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    **fields: Any,
) -> None:
    """Adds a network to the table, so that every experiment knows it by its name.

    Args:
      name: by which the network is created; two networks that differ have two names.
      cls: the linen module, called as `model.apply(variables, images, train=False)` with images
        (n, h, w, c), and giving logits (n, num_classes). One with batch norm has a field `norm`, a
        `BatchNormConfig`, and hands it to every BatchNorm.
      family: the row of the networks' table in which it is counted. The oldest network of a
        family stands for it there, and of several of that year the one that was registered first.
      paper: where the network is described: an arXiv number, a citation, or a file of public code.
      year: of that description.
      params: the exact number of trained values at `input_shape` and the registered classes, from
        a source other than `cls` itself; the line above says which.
      input_shape: (height, width, channels) of the images that the paper takes.
      **fields: the fields of `cls` that make it this network.

    Raises:
      ValueError: the name is taken, or `cls` has no such field.

    Example:
      register('squeezenet1_1', SqueezeNet, family='SqueezeNet', paper='arXiv:1602.07360',
               year=2016, params=1_235_496, stem=(64, 3), pools=(2, 4, 6))
    """
    caller = lookups.caller()
    if caller.partition('.')[0] != __package__.partition('.')[0]:
        # Our own networks register first, so that a name taken twice is the error of the outsider.
        _table()
    if name in _TABLE:
        raise ValueError(
            f'the model {name!r} is registered already, with {_TABLE[name].cls.__name__} of '
            f'{_TABLE[name].paper}'
        )
    if name in _ALIASES:
        raise ValueError(f'the model name {name!r} is taken: it means {_ALIASES[name]}')
    _check_fields(cls, fields)
    added = ModelEntry(cls, fields, family, paper, year, params, input_shape, caller)
    lookups.add('model', name, added, _TABLE)


def alias(name: str, registered: str) -> None:
    """Lets `entry` and `create` take a second name for one network where no other could be meant;
    `names` does not list it.

    Raises:
      ValueError: the name is taken.
    """
    if name in _TABLE or name in _ALIASES:
        raise ValueError(f'the model name {name!r} is taken')
    _ALIASES[name] = registered


def resolve(name: str) -> str:
    """The registered name behind `name`, perhaps an alias; other names stay as they are."""
    _table()
    return _ALIASES.get(name, name)


def _table() -> dict[str, ModelEntry]:
    lookups.import_modules(__package__)
    return _TABLE


def entry(name: str) -> ModelEntry:
    """The facts of a network; KeyError with the nearest names where there is none."""
    return lookups.lookup('model', resolve(name), _table())


def create(name: str, **overrides: Any) -> nn.Module:
    """The module of that name, with fields replaced: `create('resnet50', num_classes=10)`.

    Raises:
      KeyError: no such name (the nearest are given).
      ValueError: the network has no such field, num_classes < 1, or `norm` for a network without
        batch norm.
    """
    found = entry(name)
    without = f'the network {name} has no batch norm, so it takes no settings of it (norm=...)'
    sets_batch_norm = isinstance(overrides.get('norm'), BatchNormConfig)
    if sets_batch_norm and 'norm' not in field_names(found.cls):
        raise ValueError(without)
    _check_fields(found.cls, overrides)
    model = found.cls(**{**found.fields, **overrides})
    if sets_batch_norm and not has_batch_norm(model):
        raise ValueError(without)
    return model


def names() -> list[str]:
    """Every registered name, sorted."""
    return sorted(_table())


def families() -> dict[str, list[str]]:
    """{family: the names of its networks}, the oldest first in both; what is of one year stays in
    the order in which it was registered.
    """
    found: dict[str, list[str]] = {}
    for name, facts in sorted(_table().items(), key=lambda item: (item[1].year, item[1].family)):
        found.setdefault(facts.family, []).append(name)
    return found
