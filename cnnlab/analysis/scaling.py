"""Step time of data-parallel training against the number of devices: a model with every assumption
in sight.

A step takes max(input, compute + exposed communication), where

    compute     images per device / images per second of one device, which is peak * utilization /
                (6 * MACs): a multiply-add is two operations, and the backward pass is two more
                passes
    all-reduce  of the gradients, 4 bytes a parameter: a ring over the g devices of a host moves
                2 (g - 1) / g of them through each device's link; then a ring over the hosts moves
                2 (h - 1) / h of the part, one g-th, that each device holds; and a small message
                goes up and down a tree, 2 log2 g and 2 log2 h times the latency
    statistics  of batch norm over the global batch: four small all-reduces a layer (two sums
                forwards, two backwards), one after another, nothing but latency; none where
                ghost_batch_size is the batch of one device
    input       images per host / (processor cores of a host * images per second and core)

All-reduce of gradients can hide behind the backward pass, two thirds of compute, as gradients come
ready: the best case; in the worst nothing hides. Efficiency is compute / step.
"""

import dataclasses
import math
from typing import NamedTuple

from cnnlab import names
from cnnlab.analysis import cost
from cnnlab.models import registry

# of a gradient: parameters are float32
BYTES = 4
# forward, and two backward: towards the input and towards the weights
PASSES = 3
# images a second and core, JPEG decoded and cropped to 224: measured with OpenCV on this project's
# two-core machine
DECODED = 550.0


@dataclasses.dataclass(frozen=True)
class Machine:
    """Devices and how they are joined; `source` says where the numbers are from.

    Attributes:
      peak: bfloat16 operations per second of a device.
      per_host: devices of a host.
      link: bytes per second that a device sends to others of its host (and receives as many).
      network: bytes per second that a device sends to other hosts.
      latency, network_latency: seconds until a small message is there, within a host and between
        hosts.
      cores: processor cores of a host.
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
    """What a network asks of a machine."""

    name: str
    # of one image
    macs: int
    params: int
    # batch norm layers
    norms: int


class Prediction(NamedTuple):
    """Seconds of a step and its parts, and what they make of the devices."""

    devices: int
    compute: float
    reduce: float
    statistics: float
    input: float
    # seconds of a step with the all-reduce behind the backward pass
    best: float
    # and with nothing hidden
    worst: float
    # of all devices, at the best
    images_per_second: float
    # at the worst and at the best
    efficiency: tuple[float, float]
    # what the best step waits for: 'compute', 'network' or 'input'
    limit: str


MACHINES = {
    m.name: m
    for m in (
        Machine(
            'A100',
            312e12,
            8,
            300e9,
            25e9,
            5e-6,
            10e-6,
            128,
            'NVIDIA A100 data sheet: 312 TFLOP/s bfloat16, NVLink 600 GB/s both ways; 8 GPUs with '
            '200 Gb/s of network each and 2 x 64 '
            'cores, as in a DGX A100, assumed; latencies assumed',
        ),
        Machine(
            'H200',
            989e12,
            8,
            450e9,
            50e9,
            5e-6,
            10e-6,
            112,
            "NVIDIA's system description in mlcommons/inference_results_v4.1 (H200-SXM-141GBx8): "
            'NVLink 900 GB/s both ways, 400 Gb/s '
            'InfiniBand, 2 x 56 cores; peak 989 TFLOP/s assumed (it cancels: the speed of one '
            'device is measured); latencies assumed',
        ),
        Machine(
            'TPU v4',
            275e12,
            4,
            134e9,
            134e9,
            2e-6,
            2e-6,
            120,
            'Google Cloud, TPU v4: 275 TFLOP/s; all-reduce bandwidth of a pod 1.1 PB/s, over its '
            '4,096 chips and both ways; 4 chips a host '
            '(docs/sources.md, "Training speed"); 240 vCPUs, latencies assumed',
        ),
        Machine(
            'TPU v5e',
            197e12,
            8,
            100e9,
            100e9,
            2e-6,
            2e-6,
            112,
            'Google Cloud, TPU v5e: 197 TFLOP/s; all-reduce bandwidth of a pod 51.2 TB/s, over '
            'its 256 chips and both ways; 8 chips a '
            'host; 224 vCPUs, latencies assumed',
        ),
    )
}

# Share of the peak that training reaches on one device: images per second * 6 * MACs / peak, from
# docs/sources.md, "Training speed".
UTILIZATION = {
    # 1x A100-80, AMP
    ('A100', 'resnet50_v1_5'): 2470 * 6 * 4.09e9 / 312e12,
    # of 8, MLPerf's run at varying image sizes
    ('H200', 'resnet50_v1_5'): 7940 * 6 * 4.09e9 / 989e12,
    # of 64 chips, evaluation included
    ('TPU v4', 'resnet50_v1_5'): 3450 * 6 * 4.09e9 / 275e12,
}
# of vgg16's utilization to resnet50's, timm on an RTX 3090 (same place); assumed elsewhere
VGG_RATIO = 546 * 15.5 / (1218 * 4.09)


def work(name: str) -> Work:
    """What a registered network asks: multiply-adds and parameters from its jaxpr, batch norm
    layers by their statistics.

    Raises:
      KeyError: no such network.
    """
    found = cost.costs(registry.create(name), registry.entry(name).input_shape)
    return Work(
        name, found.macs, found.params, sum(layer.kind == 'batch norm' for layer in found.layers)
    )


def utilization(machine: Machine, network: str) -> float:
    """The share of the peak that one device reaches, 0 .. 1: measured, or carried over as the
    module's comments say.

    Raises:
      KeyError: nothing is known for this network.
    """
    # v5e: as v4, assumed
    base = UTILIZATION.get((machine.name, 'resnet50_v1_5'), UTILIZATION['TPU v4', 'resnet50_v1_5'])
    return names.lookup(
        'network with a known utilization',
        network,
        {'resnet50_v1_5': base, 'vgg16': base * VGG_RATIO},
    )


def all_reduce(size: float, machine: Machine, devices: int) -> float:
    """Seconds in which `size` bytes are added up over the devices and are on each of them."""
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
    """Bytes that the program of a step all-reduces: the gradients, and with `global_norm` sums over
    `channels` of batch norm.
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
    """The step of `devices` devices with `batch` images on each.

    Args:
      share: of the peak, see `utilization`.
      global_norm: batch norm over the global batch; False where ghost_batch_size is `batch`.
      decoded: images per second and core.

    Raises:
      ValueError: a number that is not positive.
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
    limit = 'input' if fed > hidden else 'compute' if hidden < 1.05 * compute else 'network'
    return Prediction(
        devices,
        compute,
        reduce,
        statistics,
        fed,
        best,
        max(worst, fed),
        devices * batch / best,
        (compute / max(worst, fed), compute / best),
        limit,
    )
