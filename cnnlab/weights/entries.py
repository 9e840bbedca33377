"""Facts about published weights by id: `entry('torchvision/resnet50.IMAGENET1K_V1')`."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any

from cnnlab import names
from cnnlab.data.download import file_name
from cnnlab.data.preprocessing import Preprocess
from cnnlab.models import registry
from cnnlab.weights import catalog, published

_IMAGENET = 1000


@dataclasses.dataclass(frozen=True)
class PublishedWeights:
    """One set of weights. What its source does not say is None, and is never guessed."""

    # with the tag, where there is one
    id: str
    # a name of the model registry
    model: str
    # of the model, that differ from the registered ones
    fields: Mapping[str, Any]
    preprocess: Preprocess | None
    # 'imagenet' (sorted synset ids), 'cifar10'
    class_order: str | None
    url: str | None
    # a repository of the Hugging Face hub that holds the same weights
    hub: str | None
    # 'sha256-prefix:0676ba61', 'md5:...' or 'sha256:...'
    hash: str | None
    license: str | None
    # top1, top5 in percent, and the data
    published: Mapping[str, Any] | None

    @property
    def file_name(self) -> str:
        """The last part of the address; empty where there is none."""
        return file_name(self.url or '')


def split(id: str) -> tuple[str, str | None]:
    """('source/name', tag or None) of 'source/name.TAG'."""
    source, slash, rest = id.partition('/')
    name, _, tag = rest.partition('.')
    return f'{source}{slash}{name}', tag or None


def tags(id: str) -> list[str]:
    """The tags under which a source publishes weights of this id, its default first; none where
    only other people publish them.
    """
    base, _ = split(id)
    source, _, name = catalog.source(base).id.partition('/')
    return list(published.source_table(source).get(name, {}))


def entry(id: str) -> PublishedWeights:
    """The facts of an id; without a tag, those of the source's default weights.

    Raises:
      KeyError: no such id or tag (the nearest are given).
    """
    base, tag = split(id)
    found = catalog.source(base)
    source, _, name = base.partition('/')
    known = published.source_table(source).get(name, {})
    if tag is None and not known:
        return PublishedWeights(
            base,
            found.model,
            types.MappingProxyType(dict(found.fields)),
            found.preprocess,
            found.class_order,
            found.url,
            None,
            found.hash,
            found.license,
            None,
        )
    tag = tag or next(iter(known))
    facts = names.lookup(f'published weights of {base}', tag, known)
    fields = {**found.fields, **facts.get('fields', {})}
    if facts['num_classes'] != _IMAGENET:
        fields['num_classes'] = facts['num_classes']
    return PublishedWeights(
        f'{base}.{tag}',
        found.model,
        types.MappingProxyType(fields),
        _protocol(facts['preprocess']),
        'imagenet' if facts['num_classes'] == _IMAGENET else None,
        facts['url'],
        facts.get('hub'),
        facts['hash'],
        facts['license'],
        facts.get('published'),
    )


def model_of(name: str) -> tuple[str, dict[str, Any]]:
    """The network that is meant by a registered name, an alias, or the id of published weights.

    Args:
      name: 'resnet50'; or an id with or without its tag, 'torchvision/resnet50', which means the
        network that its weights fit.

    Returns:
      (registered name, fields of it to replace), as `registry.create(name, **fields)` takes them;
      `num_classes` is among the fields where the weights have other classes than the network.

    Raises:
      KeyError: no such name or id (the nearest are given).

    Example:
      >>> model_of('torchvision/resnet50')
      ('resnet50_v1_5', {})
    """
    if '/' in name:
        found = entry(name)
        return found.model, dict(found.fields)
    registry.entry(name)
    return registry.resolve(name), {}


def _protocol(facts):
    return Preprocess.published(**facts)
