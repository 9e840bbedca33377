"""Published weights: read, proven, written. `model, variables = weights.load('torchvision/resnet50.IMAGENET1K_V1')`."""
from cnnlab.weights.api import from_arrays, from_file, to_arrays
from cnnlab.weights.catalog import supported

__all__ = ['from_arrays', 'from_file', 'supported', 'to_arrays']
