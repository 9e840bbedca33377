"""The initial parameters."""

import dataclasses

from cnnlab.nn import initializers


@dataclasses.dataclass(frozen=True)
class Start:
    """Changes to a network's initial parameters.

    Raises:
      KeyError, ValueError: an unknown initializer.
    """

    # a run directory: copy the parameters of its newest checkpoint where path and shape agree
    start_from: str = ''
    # copy only parameters whose path matches one of these patterns
    start_layers: tuple[str, ...] = ('.*',)
    # compute the kernel of a first, whitening layer from the training images (train.whitening)
    whiten: bool = False
    # an initializer of nn.initializers for all kernels, such as 'gaussian(0.01)'; '': the network's
    # own
    init: str = ''

    def __post_init__(self) -> None:
        self.build()

    def build(self) -> initializers.Initializer | None:
        """Builds the initializer of the kernels, or None for the network's own."""
        return initializers.by_name(self.init) if self.init else None
