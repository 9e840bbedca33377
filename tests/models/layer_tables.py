"""Counts networks that no package has, from the layer tables of their papers.

A layer is (kernel, inputs of a group, outputs, size of its map); a dense layer has kernel and map
of size 1. The sums are evidence for what the registry states: they share no code with the modules.
"""

Layer = tuple[int, int, int, int]

_CLASSIFIER = [(1, 6 * 6 * 256, 4096, 1), (1, 4096, 4096, 1), (1, 4096, 1000, 1)]
# Krizhevsky, Sutskever & Hinton 2012, Section 3.5; conv2, conv4 and conv5 see one half of the maps
ALEXNET = [
    (11, 3, 96, 55),
    (5, 48, 256, 27),
    (3, 256, 384, 13),
    (3, 192, 384, 13),
    (3, 192, 256, 13),
    *_CLASSIFIER,
]
UNGROUPED_ALEXNET = [(k, c if c in (3, 256) else 2 * c, o, n) for k, c, o, n in ALEXNET[:5]]
UNGROUPED_ALEXNET += _CLASSIFIER
# Zeiler & Fergus 2013, arXiv:1311.2901, Figure 3
ZFNET = [
    (7, 3, 96, 110),
    (5, 96, 256, 26),
    (3, 256, 384, 13),
    (3, 384, 384, 13),
    (3, 384, 256, 13),
    *_CLASSIFIER,
]


def _inception(size, c, conv1, reduce3, conv3, reduce5, conv5, pool):
    """A row of Table 1 of Szegedy et al. 2014, arXiv:1409.4842."""
    ones = [(1, c, out, size) for out in (conv1, reduce3, reduce5, pool)]
    return [*ones, (3, reduce3, conv3, size), (5, reduce5, conv5, size)]


GOOGLENET = [
    (7, 3, 64, 112),
    (1, 64, 64, 56),
    (3, 64, 192, 56),
    *_inception(28, 192, 64, 96, 128, 16, 32, 32),
    *_inception(28, 256, 128, 128, 192, 32, 96, 64),
    *_inception(14, 480, 192, 96, 208, 16, 48, 64),
    *_inception(14, 512, 160, 112, 224, 24, 64, 64),
    *_inception(14, 512, 128, 128, 256, 24, 64, 64),
    *_inception(14, 512, 112, 144, 288, 32, 64, 64),
    *_inception(14, 528, 256, 160, 320, 32, 128, 128),
    *_inception(7, 832, 256, 160, 320, 32, 128, 128),
    *_inception(7, 832, 384, 192, 384, 48, 128, 128),
    (1, 1024, 1000, 1),
]


def auxiliary(channels: int) -> list[Layer]:
    """GoogLeNet's auxiliary classifier on a map of so many channels (the same paper, Section 5)."""
    return [(1, channels, 128, 4), (1, 4 * 4 * 128, 1024, 1), (1, 1024, 1000, 1)]


def residual(n: int) -> tuple[list[Layer], list[int]]:
    """(convolutions, channels of the norms) of the CIFAR ResNet of 6n + 2 layers with option A.

    He et al. 2015, arXiv:1512.03385, Section 4.2.
    """
    layers, norms, c = [(3, 3, 16, 32)], [16], 16
    for out, size in ((16, 32), (32, 16), (64, 8)):
        for _ in range(n):
            layers += [(3, c, out, size), (3, out, out, size)]
            norms += [out, out]
            c = out
    return layers, norms


def wide(n: int, k: int) -> tuple[list[Layer], list[int]]:
    """The same of WRN-(6n + 4)-k: Zagoruyko & Komodakis 2016, arXiv:1605.07146, Table 1; norms come
    before convolutions, and a 1x1 convolution where the channels change.
    """
    layers, norms, c = [(3, 3, 16, 32)], [], 16
    for out, size in ((16 * k, 32), (32 * k, 16), (64 * k, 8)):
        for _ in range(n):
            layers += [(3, c, out, size), (3, out, out, size)]
            layers += [(1, c, out, size)] if c != out else []
            norms += [c, out]
            c = out
    return layers, [*norms, c]


def dense(n: int, growth: int, bottleneck: bool) -> tuple[list[Layer], list[int]]:
    """The same of the CIFAR DenseNet with n layers a block: Huang et al. 2016, arXiv:1608.06993,
    Section 3; with bottlenecks it halves the channels between blocks (DenseNet-BC).
    """
    c = 2 * growth if bottleneck else 16
    layers, norms = [(3, 3, c, 32)], []
    for size in (32, 16, 8):
        for _ in range(n):
            inner = 4 * growth if bottleneck else c
            layers += [(1, c, inner, size)] if bottleneck else []
            layers += [(3, inner, growth, size)]
            norms += [c, inner] if bottleneck else [c]
            c += growth
        if size > 8:
            left = c // 2 if bottleneck else c
            layers += [(1, c, left, size)]
            norms += [c]
            c = left
    return layers, [*norms, c]


def with_biases(layers: list[Layer]) -> int:
    """Parameters where every layer has biases and there is no norm."""
    return sum(k * k * c * out + out for k, c, out, _ in layers)


def with_norms(layers: list[Layer], norms: list[int], classes: int = 10) -> int:
    """Parameters where convolutions have no biases, each norm a scale and a bias, and one dense
    layer reads the channels of the last.
    """
    kernels = sum(k * k * c * out for k, c, out, _ in layers)
    return kernels + 2 * sum(norms) + (norms[-1] + 1) * classes


def multiply_adds(layers: list[Layer]) -> int:
    """Multiply-adds for one image."""
    return sum(k * k * c * out * size * size for k, c, out, size in layers)
