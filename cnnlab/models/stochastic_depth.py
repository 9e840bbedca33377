"""Stochastic depth: Huang et al. 2016, "Deep networks with stochastic depth", arXiv:1603.09382; the
networks of its tables on CIFAR.

Other residual networks have it by their field `drop_path`.
"""

import functools

from cnnlab.models.cifar_resnet import CifarResNet
from cnnlab.models.registry import register

_register = functools.partial(
    register,
    cls=CifarResNet,
    family='Stochastic depth',
    paper='arXiv:1603.09382',
    year=2016,
    input_shape=(32, 32, 3),
    # p_L = 0.5: the paper's choice (Section 4)
    drop_path=0.5,
    drop_batch=True,
)
# No parameter is added, so the counts are those of the constant-depth nets in `cifar_resnet`.
_register('cifar_resnet110_stochastic_depth', blocks=18, params=1_727_962)
_register('cifar_resnet1202_stochastic_depth', blocks=200, params=19_421_274)
