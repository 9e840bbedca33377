"""A name for each logit of published weights."""

from cnnlab.data.synsets import synsets

# 'label_names' of batches.meta in Krizhevsky's python version of CIFAR-10
_CIFAR10 = (
    'airplane',
    'automobile',
    'bird',
    'cat',
    'deer',
    'dog',
    'frog',
    'horse',
    'ship',
    'truck',
)


def class_names(order: str | None, count: int) -> tuple[str, ...] | None:
    """The names of `count` classes in the order that a source states, or None where it states none
    or the count is another, as after fine-tuning.

    Args:
      order: `PublishedWeights.class_order`: 'imagenet' (the first of each synset's words),
        'cifar10', or None.
      count: logits of the network.
    """
    known = {'imagenet': lambda: tuple(s.name for s in synsets()), 'cifar10': lambda: _CIFAR10}
    names = known[order]() if order in known else None
    return names if names is not None and len(names) == count else None
