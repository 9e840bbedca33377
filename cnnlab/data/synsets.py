"""The 1,000 classes of ILSVRC-2012, sorted by synset id: class 0 is n01440764, the tench.

`synsets.txt` joins two tables of timm 1.0.31 (timm/data/_info/imagenet_synsets.txt and
imagenet_synset_to_lemma.txt).
"""

import dataclasses
import functools
import importlib.resources


@dataclasses.dataclass(frozen=True)
class Synset:
    """A class.

    Attributes:
      id: in WordNet, such as 'n01440764'.
      names: its words, the most common first, such as ('tench', 'Tinca tinca').
    """

    id: str
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The first of its words; 'crane' and 'maillot' are the names of two classes each."""
        return self.names[0]


@functools.cache
def synsets() -> tuple[Synset, ...]:
    """The classes, in the order of a network's logits."""
    rows = (importlib.resources.files(__package__) / 'synsets.txt').read_text().splitlines()
    return tuple(
        Synset(id, tuple(words.split(', '))) for id, words in (row.split('\t') for row in rows)
    )


@functools.cache
def index() -> dict[str, int]:
    """synset id -> class."""
    return {synset.id: i for i, synset in enumerate(synsets())}
