"""A label for each logit of published weights."""

from cnnlab import weights
from cnnlab.data.synsets import synsets


def labels_of(entry: weights.PublishedWeights, classes: int) -> list[str]:
    """ImageNet's names with their synset ids, or numbers where the order of the classes is not
    known.
    """
    if entry.class_order == 'imagenet' and classes == len(synsets()):
        return [f'{", ".join(s.names)} ({s.id})' for s in synsets()]
    return [f'class {i}' for i in range(classes)]
