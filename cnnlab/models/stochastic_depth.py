"""Stochastic depth: Huang et al. 2016, arXiv:1603.09382; the CIFAR nets of its tables.

Other residual nets take `drop_path` as a field.
"""

from cnnlab.models.cifar_resnet import CifarResNet
from cnnlab.models.registry import register

# p_L = 0.5: the paper's choice (Section 4). No parameter is added, so the counts are those of the
# constant-depth nets in `cifar_resnet`.
for _blocks, _params in ((18, 1_727_962), (200, 19_421_274)):
    register(
        f'cifar_resnet{6 * _blocks + 2}_stochastic_depth',
        CifarResNet,
        blocks=_blocks,
        drop_path=0.5,
        drop_batch=True,
        params=_params,
        input_shape=(32, 32, 3),
        paper='arXiv:1603.09382',
        year=2016,
    )
