"""Data sets by name: `load('mnist', 'train', data_dir='...')`; each kind of set has a file here."""

from cnnlab.data.sources.base import Arrays, Example, ImageSource, in_memory, subset
from cnnlab.data.sources.by_name import BUILT_IN, load, open_dataset
from cnnlab.data.sources.dataset import SPLITS

__all__ = [
    'BUILT_IN',
    'SPLITS',
    'Arrays',
    'Example',
    'ImageSource',
    'in_memory',
    'load',
    'open_dataset',
    'subset',
]
