"""The loss and its penalties."""

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
    """The training loss and the penalties added to it.

    Raises:
      ValueError: an unknown name, a number out of range, or label smoothing or a threshold for a
        loss that takes none.
    """

    # a name of losses.LOSSES
    name: str = 'softmax'
    # only for the losses in losses.SMOOTHED
    label_smoothing: float = 0.0
    # for binary cross-entropy: targets above it become 1, all others 0
    target_threshold: float | None = None
    # exponent of the class weights of the training loss (data.balance): with 1 all classes weigh
    # the same, with 0 all images
    balance: float = 0.0
    # weight of the loss of each auxiliary head
    aux_weight: float = 0.3
    # penalties l1 |w| and l2 / 2 w^2 over the parameters of optimizer.weight_decay_mask
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
        """Builds the training loss, which gives one value per image.

        Args:
          class_weights: (k,); None weighs all classes the same.
        """
        fields: dict[str, Any] = {}
        if self.label_smoothing:
            fields['label_smoothing'] = self.label_smoothing
        if self.target_threshold is not None:
            fields['threshold'] = self.target_threshold
        # softmax combines class weights with label smoothing, as torch does
        if class_weights is not None and self.name == 'softmax':
            fields['weights'] = class_weights
        loss = self.evaluation()
        loss = functools.partial(loss, **fields) if fields else loss
        if class_weights is not None and self.name != 'softmax':
            loss = functools.partial(losses.weighted, loss=loss, weights=class_weights)
        return loss

    def evaluation(self) -> losses.Loss:
        """Returns the evaluation loss: without label smoothing, threshold and class weights."""
        return losses.by_name(self.name)

    def penalty(self, mask: Sequence[str]) -> Callable[[Any], jax.Array] | None:
        """Builds the penalty, a function of the parameters, or None if there is none.

        Args:
          mask: patterns of the parameters that it covers.
        """
        if not (self.l1 or self.l2):
            return None

        def value(params):
            chosen = tree.mask(params, mask)
            total: jax.Array | float = 0.0
            if self.l1:
                total = total + self.l1 * losses.l1(params, chosen)
            if self.l2:
                total = total + self.l2 * losses.l2(params, chosen)
            return total

        return value
