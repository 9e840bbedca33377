"""A name for each logit of published weights."""

from cnnlab.data import cifar10
from cnnlab.data.synsets import synsets


def class_names(order: str | None, count: int) -> tuple[str, ...] | None:
    """The names of `count` classes in the order that a source states, or None where it states none
    or the count is another, as after fine-tuning.

    Args:
      order: `PublishedWeights.class_order`: 'imagenet' (the first of each synset's words),
        'cifar10', or None.
      count: logits of the network.
    """
    known = {
        'imagenet': lambda: tuple(s.name for s in synsets()),
        'cifar10': lambda: cifar10.CLASS_NAMES,
    }
    names = known[order]() if order in known else None
    return names if names is not None and len(names) == count else None
