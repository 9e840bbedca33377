"""Everything between a picture and a network.

`statistics` gives the mean and the standard deviation of a training set, `normalize` computes
`(pixels - mean) / std`, and `Preprocess` joins them to resizing and cropping.

Mean and standard deviation have one unit in this library: that of pixels, 0 to 255.
"""

from cnnlab.data.preprocessing.changes import changed
from cnnlab.data.preprocessing.normalize import normalize, to_pixels
from cnnlab.data.preprocessing.preprocess import Preprocess
from cnnlab.data.preprocessing.statistics import KINDS, statistics

__all__ = ['KINDS', 'Preprocess', 'changed', 'normalize', 'statistics', 'to_pixels']
