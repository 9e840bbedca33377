"""Data sets, opened by name: `load('mnist', 'train', data_dir='...')`."""

from cnnlab.data.sources.base import Arrays, Example, ImageSource, in_memory, subset
from cnnlab.data.sources.by_name import DATA_SETS, load, open_dataset, register
from cnnlab.data.sources.dataset import SPLITS, DataSet

__all__ = [
    'DATA_SETS',
    'SPLITS',
    'Arrays',
    'DataSet',
    'Example',
    'ImageSource',
    'in_memory',
    'load',
    'open_dataset',
    'register',
    'subset',
]
