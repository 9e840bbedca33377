"""A model of the step time of data-parallel training against the number of devices.

A step takes max(input, compute + exposed communication), with these terms, in seconds:

    compute     images per device / (peak * utilization / (6 * MACs)). The divisor is the images per
                second of one device: a multiply-add is two operations, and the backward pass costs
                two more forward passes.
    all-reduce  the gradients, 4 bytes per parameter. A ring over the g devices of a host sends
                2 (g - 1) / g of them over each device's link. Then a ring over the h hosts sends
                2 (h - 1) / h of the g-th part that each device holds. Latency counts as for a small
                message up and down a tree: 2 log2 g times within a host, 2 log2 h between hosts.
    statistics  batch norm over the global batch: four small all-reduces per layer (two sums in the
                forward pass, two in the backward pass), one after another, which take latency
                alone. None if ghost_batch_size is the batch of one device.
    input       images per host / (processor cores of a host * images per second and core).

Best case: the all-reduce of gradients hides behind the backward pass, two thirds of compute. Worst
case: nothing hides. Efficiency is compute / step.
"""

import dataclasses
import math
from typing import NamedTuple

from cnnlab import names
from cnnlab.analysis import cost
from cnnlab.models import registry

# bytes of a gradient's value: parameters are float32
BYTES = 4
# one forward pass and two backward, for the gradients of the input and of the weights
PASSES = 3
# JPEG images decoded and cropped to 224 pixels, per second and core: measured with OpenCV on this
# project's two-core machine
DECODED = 550.0


@dataclasses.dataclass(frozen=True)
class Machine:
    """A kind of device and its connections.

    Attributes:
      name: the name in tables and flags.
      peak: bfloat16 operations per second of a device.
      per_host: devices of a host.
      link: bytes per second that a device can send to others of its host, one way.
      network: bytes per second that a device can send to other hosts, one way.
      latency: seconds of a small message within a host.
      network_latency: seconds of a small message between hosts.
      cores: processor cores of a host.
      source: where these numbers are from.
    """

    name: str
    peak: float
    per_host: int
    link: float
    network: float
    latency: float
    network_latency: float
    cores: int
    source: str


class Work(NamedTuple):
    """The work of a network: multiply-adds per image, parameters, and batch norm layers."""

    name: str
    macs: int
    params: int
    norms: int


class Prediction(NamedTuple):
    """The predicted time of a step.

    Attributes:
      devices: number of devices.
      compute, reduce, statistics, input: seconds of the terms that the module's docstring explains.
      best: seconds of a step if the all-reduce hides behind the backward pass.
      worst: seconds of a step if nothing hides.
      images_per_second: of all devices together, in the best case.
      efficiency: (worst, best), each compute / step.
      limit: the bottleneck in the best case: 'compute', 'network' or 'input'.
    """

    devices: int
    compute: float
    reduce: float
    statistics: float
    input: float
    best: float
    worst: float
    images_per_second: float
    efficiency: tuple[float, float]
    limit: str


MACHINES = {
    m.name: m
    for m in (
        Machine(
            name='A100',
            peak=312e12,
            per_host=8,
            link=300e9,
            network=25e9,
            latency=5e-6,
            network_latency=10e-6,
            cores=128,
            source='NVIDIA A100 data sheet: 312 TFLOP/s bfloat16, NVLink 600 GB/s both ways; '
            'assumed: 8 GPUs with 200 Gb/s of network each and 2 x 64 cores, as in a DGX A100, and '
            'the latencies',
        ),
        Machine(
            name='H200',
            peak=989e12,
            per_host=8,
            link=450e9,
            network=50e9,
            latency=5e-6,
            network_latency=10e-6,
            cores=112,
            source="NVIDIA's system description in mlcommons/inference_results_v4.1 "
            '(H200-SXM-141GBx8): NVLink 900 GB/s both ways, 400 Gb/s InfiniBand, 2 x 56 cores; '
            'assumed: the latencies, and a peak of 989 TFLOP/s (it cancels, since the speed of one '
            'device is measured)',
        ),
        Machine(
            name='TPU v4',
            peak=275e12,
            per_host=4,
            link=134e9,
            network=134e9,
            latency=2e-6,
            network_latency=2e-6,
            cores=120,
            source='Google Cloud, TPU v4 (docs/sources.md, "Training speed"): 275 TFLOP/s; '
            'all-reduce bandwidth of a pod 1.1 PB/s, over its 4,096 chips and both ways; 4 chips '
            'per host; 240 vCPUs; assumed: the latencies',
        ),
        Machine(
            name='TPU v5e',
            peak=197e12,
            per_host=8,
            link=100e9,
            network=100e9,
            latency=2e-6,
            network_latency=2e-6,
            cores=112,
            source='Google Cloud, TPU v5e: 197 TFLOP/s; all-reduce bandwidth of a pod 51.2 TB/s, '
            'over its 256 chips and both ways; 8 chips per host; 224 vCPUs; assumed: the latencies',
        ),
    )
}

# share of the peak that training reaches on one device: images per second * 6 * MACs / peak, from
# docs/sources.md, "Training speed"
UTILIZATION = {
    # one A100 with 80 GB, mixed precision
    ('A100', 'resnet50_v1_5'): 2470 * 6 * 4.09e9 / 312e12,
    # one of 8 in a run of MLPerf, in which image sizes vary
    ('H200', 'resnet50_v1_5'): 7940 * 6 * 4.09e9 / 989e12,
    # one of 64 chips; the time includes evaluation
    ('TPU v4', 'resnet50_v1_5'): 3450 * 6 * 4.09e9 / 275e12,
}
# utilization of VGG-16 relative to ResNet-50, from timm on an RTX 3090 (docs/sources.md, as above);
# assumed to hold for other devices
VGG_RATIO = 546 * 15.5 / (1218 * 4.09)


def work(name: str) -> Work:
    """Computes the work of a registered network from its jaxpr.

    Raises:
      KeyError: no such network.
    """
    costs = cost.costs(registry.create(name), registry.entry(name).input_shape)
    norms = sum(layer.kind == 'batch norm' for layer in costs.layers)
    return Work(name, costs.macs, costs.params, norms)


def utilization(machine: Machine, network: str) -> float:
    """Returns the share of its peak that one device reaches in training, between 0 and 1.

    Raises:
      KeyError: the share of this network is unknown.
    """
    # a device without a measurement, TPU v5e, is assumed to be like TPU v4
    base = UTILIZATION.get((machine.name, 'resnet50_v1_5'), UTILIZATION['TPU v4', 'resnet50_v1_5'])
    return names.lookup(
        'network with a known utilization',
        network,
        {'resnet50_v1_5': base, 'vgg16': base * VGG_RATIO},
    )


def all_reduce(size: float, machine: Machine, devices: int) -> float:
    """Returns the seconds of an all-reduce of `size` bytes over the devices: within each host, then
    between hosts.
    """
    g = min(devices, machine.per_host)
    h = math.ceil(devices / machine.per_host)
    within = 2 * (g - 1) / g * size / machine.link + 2 * math.ceil(math.log2(g)) * machine.latency
    between = (
        2 * (h - 1) / h * (size / g) / machine.network
        + 2 * math.ceil(math.log2(h)) * machine.network_latency
        if h > 1
        else 0.0
    )
    return within + between


def bytes_reduced(network: Work, global_norm: bool = True, channels: int = 0) -> int:
    """Returns the bytes that a train step all-reduces.

    Args:
      network: its gradients are reduced.
      global_norm: whether batch norm is over the global batch, so that its four sums per channel
        are reduced too.
      channels: channels of all batch norms together.
    """
    return BYTES * (network.params + (4 * channels if global_norm else 0))


def predict(
    network: Work,
    machine: Machine,
    devices: int,
    batch: int,
    share: float,
    *,
    global_norm: bool = True,
    decoded: float = DECODED,
) -> Prediction:
    """Predicts the time of a train step.

    Args:
      network: see `work`.
      machine: one of `MACHINES`.
      devices: number of devices.
      batch: images per device.
      share: share of the peak that a device reaches, see `utilization`.
      global_norm: whether batch norm is over the global batch; False if ghost_batch_size is
        `batch`.
      decoded: images that a processor core decodes per second.

    Raises:
      ValueError: a number is not positive.

    Example:
      >>> machine = MACHINES['A100']
      >>> share = utilization(machine, 'resnet50_v1_5')
      >>> predict(work('resnet50_v1_5'), machine, devices=64, batch=256, share=share).limit
      'network'
    """
    if min(devices, batch, share, decoded) <= 0:
        raise ValueError(
            f'devices, batch, share and decoded are above 0, not {devices}, {batch}, {share} and '
            f'{decoded}'
        )
    compute = batch * 2 * PASSES * network.macs / (machine.peak * share)
    reduce = all_reduce(BYTES * network.params, machine, devices) if devices > 1 else 0.0
    statistics = (
        4 * network.norms * all_reduce(0.0, machine, devices)
        if devices > 1 and global_norm
        else 0.0
    )
    fed = batch * min(devices, machine.per_host) / (machine.cores * decoded)
    worst = compute + reduce + statistics
    hidden = compute + statistics + max(0.0, reduce - compute * (PASSES - 1) / PASSES)
    best = max(hidden, fed)
    # within 5% of compute alone, the network is no bottleneck
    limit = 'input' if fed > hidden else 'compute' if hidden < 1.05 * compute else 'network'
    return Prediction(
        devices=devices,
        compute=compute,
        reduce=reduce,
        statistics=statistics,
        input=fed,
        best=best,
        worst=max(worst, fed),
        images_per_second=devices * batch / best,
        efficiency=(compute / max(worst, fed), compute / best),
        limit=limit,
    )
