"""The explanations by name: `--methods` of experiments.explain and the sections of its page.

Each file of `cnnlab/visual/explanations` registers its own, and so does a package of one's own.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from cnnlab import names
from cnnlab.visual.request import Group, Request

# what an explanation is of, in the order of the page
KINDS = ('units', 'attribution', 'synthesis', 'features')


class Explanation(NamedTuple):
    """A section of the page.

    Attributes:
      groups: draws the groups of panels of a request.
      kind: one of `KINDS`.
      title: of the section.
      text: a sentence below the title.
      spatial: whether it needs a network with a layer that has rows and columns.
    """

    groups: Callable[[Request], Iterator[Group]]
    kind: str
    title: str
    text: str
    spatial: bool


# filled by `register`; `explanations` has those of the folder too
EXPLANATIONS: dict[str, Explanation] = {}


def register(
    name: str,
    groups: Callable[[Request], Iterator[Group]],
    *,
    kind: str,
    title: str,
    text: str,
    spatial: bool = False,
) -> None:
    """Makes an explanation known: after `register('ablation', ablation, ...)` experiments.explain
    takes `--methods=ablation`.

    Args:
      name: a word for `--methods`, with which its files begin.
      groups: draws the groups of panels of a request.
      kind, title, text, spatial: see `Explanation`.

    Raises:
      ValueError: the name is taken, or there is no such kind.

    Example:
      register(
          'saliency',
          by_pixel('saliency', plain(gradients.gradient)),
          kind='attribution',
          title='Saliency',
          text='The gradient of the class score by the pixels (Simonyan et al. 2013).',
      )
    """
    names.among('kind of explanation', kind, KINDS)
    names.add('explanation', name, Explanation(groups, kind, title, text, spatial), EXPLANATIONS)


def explanations() -> Mapping[str, Explanation]:
    """Returns all explanations by name, in the order of the page: by kind, then as registered."""
    names.import_modules(f'{__package__}.explanations')
    order = sorted(EXPLANATIONS.items(), key=lambda item: KINDS.index(item[1].kind))
    return dict(order)


def get(name: str) -> Explanation:
    """Returns the explanation of that name; KeyError with the nearest names otherwise."""
    return names.lookup('explanation', name, explanations())
