"""Where the parameters begin."""

import dataclasses

from cnnlab.nn import initializers


@dataclasses.dataclass(frozen=True)
class Start:
    """What a network begins with, in place of its own initial weights.

    Raises:
      KeyError, ValueError: an initialization that is not known.
    """

    # a run whose newest checkpoint gives the first weights, as far as paths and shapes are the same
    start_from: str = ''
    # which of them, by path
    start_layers: tuple[str, ...] = ('.*',)
    # the first layer whitens patches, as computed from the training images (train.whitening)
    whiten: bool = False
    # how kernels are initialized, in place of the network's own: a name of nn.initializers, as in
    # 'gaussian(0.01)'
    init: str = ''

    def __post_init__(self) -> None:
        self.build()

    def build(self) -> initializers.Initializer | None:
        """What draws the kernels, or None where the network does."""
        return initializers.by_name(self.init) if self.init else None
