"""What the zoo's tables say of every network and every family; `experiments.zoo` prints them."""

import concurrent.futures
import dataclasses
import multiprocessing
import os
import re

from cnnlab import weights
from cnnlab.analysis import cost
from cnnlab.models import registry
from cnnlab.report.table import Column, Table
from cnnlab.weights import catalog

# networks that are worth starting processes for
_LONG = 24
_RULE = (
    'Parameters are the trained values at the input and the classes of the paper. MACs are the '
    'multiply-adds of convolutions and '
    'matrix products for one image.'
)


@dataclasses.dataclass(frozen=True)
class Family:
    """One row of the families' table."""

    title: str
    # the network whose size and cost stand for all
    typical: str
    # of the names of its networks, from their beginning
    pattern: str

    def names(self) -> list[str]:
        """Its networks, sorted."""
        return [name for name in registry.names() if re.match(self.pattern, name)]


FAMILIES = (
    Family('Softmax classifier, perceptrons', 'mlp3', 'softmax_linear|mlp'),
    Family('LeNet-5', 'lenet5', 'lenet5'),
    Family('AlexNet', 'alexnet', 'alexnet'),
    Family('ZFNet', 'zfnet', 'zfnet'),
    Family('OverFeat', 'overfeat_fast', 'overfeat'),
    Family('Network in Network', 'nin', '(cifar_)?nin'),
    Family('VGG', 'vgg16', 'vgg'),
    Family('GoogLeNet', 'googlenet', 'googlenet'),
    Family('Inception-v3', 'inception_v3', 'inception_v3'),
    Family('Inception-v4', 'inception_v4', 'inception_v4'),
    Family('Inception-ResNet-v2', 'inception_resnet_v2', 'inception_resnet_v2'),
    Family('Xception', 'xception', 'xception'),
    Family('ResNet and plain nets', 'resnet50', r'(resnet|plain)\d+(_|$)'),
    Family('ResNet and plain nets on CIFAR', 'cifar_resnet110', r'cifar_(resnet|plain)\d+$'),
    Family('Pre-activation ResNet', 'preresnet50', 'preresnet'),
    Family('Pre-activation ResNet on CIFAR', 'cifar_preresnet164', 'cifar_preresnet'),
    Family(
        'Stochastic depth', 'cifar_resnet110_stochastic_depth', r'cifar_resnet\d+_stochastic_depth'
    ),
    Family('Wide ResNet', 'wrn28_10', 'wrn|wide_resnet'),
    Family('ResNeXt', 'resnext50_32x4d', '(cifar_)?resnext'),
    Family('Squeeze-and-excitation', 'senet154', 'senet|(cifar_)?se_'),
    Family('Shake-shake', 'cifar_shake_shake26_2x32d', 'cifar_shake_shake'),
    Family('ResNet-D', 'resnet50d', r'resnet\d+d'),
    Family('BiT', 'bit_resnet50x1', 'bit_'),
    Family('DenseNet', 'densenet121', '(cifar_)?densenet'),
    Family('SqueezeNet', 'squeezenet1_0', 'squeezenet'),
    Family('NASNet-A', 'nasnet_a_mobile', 'nasnet'),
    Family('PNASNet-5', 'pnasnet5_large', 'pnasnet'),
    Family('MobileNet', 'mobilenet_v1', 'mobilenet_v1'),
    Family('MobileNetV2', 'mobilenet_v2', 'mobilenet_v2'),
    Family('MobileNetV3', 'mobilenet_v3_large', 'mobilenet_v3'),
    Family('ShuffleNet V2', 'shufflenet_v2_x1_0', 'shufflenet'),
    Family('MnasNet', 'mnasnet1_0', 'mnasnet'),
    Family('EfficientNet', 'efficientnet_b0', 'efficientnet'),
    Family('RegNetX and RegNetY', 'regnet_y_400mf', 'regnet'),
    Family('ConvNeXt', 'convnext_tiny', 'convnext'),
    Family('Airbench', 'airbench94', 'airbench'),
    Family('ConvNetJS and examples of Keras', 'convnetjs_cifar10', 'convnetjs|keras_'),
)


def costs(names: list[str]) -> Table:
    """Each of these networks: year, parameters, multiply-adds, input and paper; many are shared
    among the cores of the machine.
    """
    rows = []
    for name, total in zip(names, _totals(names), strict=True):
        entry = registry.entry(name)
        rows.append((name, entry.year, total.params, total.macs, _size(entry), entry.paper))
    return Table(
        (
            Column('network'),
            Column('year', align='right'),
            Column('parameters', 'integer'),
            Column('MACs', 'quantity'),
            Column('input', align='right'),
            Column('paper'),
        ),
        rows,
        f'{len(names)} networks',
        (_RULE,),
    )


def families() -> Table:
    """Each family by one of its networks."""
    totals = _totals([family.typical for family in FAMILIES])
    rows = []
    for family, total in zip(FAMILIES, totals, strict=True):
        entry = registry.entry(family.typical)
        rows.append(
            (
                family.title,
                len(family.names()),
                family.typical,
                total.params,
                total.macs,
                _size(entry),
                entry.year,
                entry.paper,
            )
        )
    return Table(
        (
            Column('family'),
            Column('networks', 'integer'),
            Column('example'),
            Column('parameters', 'integer'),
            Column('MACs', 'quantity'),
            Column('input', align='right'),
            Column('year', align='right'),
            Column('paper'),
        ),
        rows,
        '',
        (_RULE,),
    )


def sources(names: list[str]) -> Table:
    """Each of these networks with the ids of the published weights that it takes; nothing is
    traced, so it takes a moment.
    """
    serves = {}
    for id in weights.supported():
        serves.setdefault(catalog.source(id).model, []).append(id)
    rows = []
    for name in names:
        entry = registry.entry(name)
        rows.append(
            (
                name,
                entry.year,
                entry.params,
                _size(entry),
                ', '.join(serves.get(name, ())) or None,
                entry.paper,
            )
        )
    return Table(
        (
            Column('network'),
            Column('year', align='right'),
            Column('parameters', 'integer'),
            Column('input', align='right'),
            Column('weights'),
            Column('paper'),
        ),
        rows,
        f'{len(names)} networks',
        (
            'Parameters are the trained values at the input and the classes of the paper. Weights '
            'are the ids that `cnnlab.weights` reads. '
            'This list is written by `python -m experiments.zoo --table=sources`.',
        ),
    )


def _size(entry):
    return ' x '.join(map(str, entry.input_shape))


def _totals(names):
    """The costs in the order of the names."""
    if len(names) < _LONG:
        return [cost.totals(name) for name in names]
    workers = min(os.cpu_count() or 1, 8)
    with concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context('spawn')
    ) as pool:
        return list(pool.map(cost.totals, names, chunksize=4))
