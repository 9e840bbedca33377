"""Wide ResNets: Zagoruyko & Komodakis 2016, arXiv:1605.07146; CIFAR as
szagoruyko/wide-residual-networks, models/wide-resnet.lua.
"""

from cnnlab.models.cifar_preresnet import CifarPreResNet
from cnnlab.models.registry import register
from cnnlab.models.resnet import ResNet

# Parameters: summed over Table 1 in tests/models/test_counts.py. WRN-d-k: d = 6n + 4 layers, k
# times the channels. Dropout 0.3 is an option of the paper's CIFAR runs: `create('wrn28_10',
# dropout=0.3)`.
for _depth, _k, _params in ((16, 8, 10_961_370), (28, 10, 36_479_194), (40, 4, 8_949_210)):
    register(
        f'wrn{_depth}_{_k}',
        CifarPreResNet,
        blocks=(_depth - 4) // 6,
        block='basic',
        width=16 * _k,
        params=_params,
        input_shape=(32, 32, 3),
        paper='arXiv:1605.07146',
        year=2016,
    )

# Parameters: torchvision's count (tests/models/peers.json). Bottlenecks with twice the channels in
# the 3x3; the stride is on it (torchvision, timm).
for _depth, _blocks, _params in ((50, (3, 4, 6, 3), 68_883_240), (101, (3, 4, 23, 3), 126_886_696)):
    register(
        f'wide_resnet{_depth}_2',
        ResNet,
        blocks=_blocks,
        stride_on='3x3',
        width=128,
        params=_params,
        paper='arXiv:1605.07146',
        year=2016,
    )
