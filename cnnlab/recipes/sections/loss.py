"""What training minimizes."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from cnnlab import losses, tree
from cnnlab.recipes.sections import check


@dataclasses.dataclass(frozen=True)
class Loss:
    """The loss of training and the penalties that are added to it.

    Raises:
      ValueError: a name that is not known, a number out of range, or label smoothing or a threshold
        for a loss that takes none.
    """

    # a name of losses.LOSSES
    name: str = 'softmax'
    # for the losses that take it
    label_smoothing: float = 0.0
    # of binary cross-entropy: targets above it become 1, all others 0
    target_threshold: float | None = None
    # power of the class weights of the training loss (data.balance): 1 weighs all classes the same
    balance: float = 0.0
    # of the loss of each auxiliary head, where the network has them
    aux_weight: float = 0.3
    # penalties that are added, over the parameters of optimizer.weight_decay_mask: l1 |w| and
    # l2 / 2 w^2
    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        check.one_of('loss.name', 'loss', self.name, losses.LOSSES)
        check.not_negative(
            {
                'loss.balance': self.balance,
                'loss.aux_weight': self.aux_weight,
                'loss.l1': self.l1,
                'loss.l2': self.l2,
            }
        )
        if self.label_smoothing and self.name not in losses.SMOOTHED:
            raise ValueError(
                f'loss.label_smoothing: label smoothing goes with the losses '
                f'{" and ".join(losses.SMOOTHED)}, not with {self.name}'
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f'loss.label_smoothing: label smoothing is a share of at least 0 and below 1, got '
                f'{self.label_smoothing}'
            )
        if self.target_threshold is not None and self.name != 'binary_cross_entropy':
            raise ValueError(
                f'loss.target_threshold: a threshold of the targets goes with the loss '
                f'binary_cross_entropy, not with {self.name}'
            )

    def build(self, class_weights: np.ndarray | None = None) -> losses.Loss:
        """The loss of training, one value per image.

        Args:
          class_weights: (k,).
        """
        fields: dict[str, Any] = {}
        if self.label_smoothing:
            fields['label_smoothing'] = self.label_smoothing
        if self.target_threshold is not None:
            fields['threshold'] = self.target_threshold
        # the softmax takes the weights of the classes together with its label smoothing, as torch
        if class_weights is not None and self.name == 'softmax':
            fields['weights'] = class_weights
        found = self.evaluation()
        found = functools.partial(found, **fields) if fields else found
        if class_weights is not None and self.name != 'softmax':
            found = functools.partial(losses.weighted, loss=found, weights=class_weights)
        return found

    def evaluation(self) -> losses.Loss:
        """The loss of evaluation: without label smoothing, threshold and class weights."""
        return losses.by_name(self.name)

    def penalty(self, mask: Sequence[str]) -> Callable[[Any], jax.Array] | None:
        """parameters -> what is added to the loss, or None where nothing is.

        Args:
          mask: patterns of the parameters that the penalties are over.
        """
        if not (self.l1 or self.l2):
            return None

        def value(params):
            chosen = tree.mask(params, mask)
            found: jax.Array | float = 0.0
            if self.l1:
                found = found + self.l1 * losses.l1(params, chosen)
            if self.l2:
                found = found + self.l2 * losses.l2(params, chosen)
            return found

        return value
