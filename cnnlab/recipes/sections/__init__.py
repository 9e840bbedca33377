"""The sections of a recipe: frozen dataclasses that check their fields and build their objects."""

from cnnlab.nn.norms import BatchNormConfig
from cnnlab.recipes.sections.augment import Augment
from cnnlab.recipes.sections.average import Average
from cnnlab.recipes.sections.data import Data
from cnnlab.recipes.sections.loss import Loss
from cnnlab.recipes.sections.optimizer import Optimizer
from cnnlab.recipes.sections.run import Run
from cnnlab.recipes.sections.schedule import Schedule
from cnnlab.recipes.sections.start import Start

__all__ = [
    'Augment',
    'Average',
    'BatchNormConfig',
    'Data',
    'Loss',
    'Optimizer',
    'Run',
    'Schedule',
    'Start',
]
