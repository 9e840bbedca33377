"""Published weights: downloaded, read into our networks, adapted to other tasks, and written back.

`model, variables = weights.load('torchvision/resnet50.IMAGENET1K_V1')`.
"""

from cnnlab.data.preprocessing import Preprocess
from cnnlab.weights.api import from_arrays, from_file, load, to_arrays
from cnnlab.weights.catalog import register, supported
from cnnlab.weights.entries import PublishedWeights, entry, model_of, tags

__all__ = [
    'PublishedWeights',
    'Preprocess',
    'entry',
    'from_arrays',
    'from_file',
    'load',
    'model_of',
    'register',
    'supported',
    'tags',
    'to_arrays',
]
