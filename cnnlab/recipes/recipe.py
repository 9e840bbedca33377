"""A recipe: all that decides what a training run computes, as one frozen, comparable value."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from cnnlab import names
from cnnlab.recipes import duration


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is trained, on what, and how. Same recipe, same layout of devices: same bits."""

    # a registered name
    model: str
    # what data.sources.load takes
    dataset: str
    # fields of the model to replace
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    # training images set aside for validation
    holdout: int = 0
    # in place of holdout, for small sets: '2/5' validates on the second of five parts of the
    # training images
    fold: str = ''
    # train on the first so many of the training images only; 0 takes all
    limit: int = 0
    # names of those to keep, numbered in this order; () keeps all
    classes: tuple[str, ...] = ()
    # views of training images, in order
    augment: tuple[str, ...] = ()
    # progressive resizing: what '{size}' in augment stands for, as in '128 from 0 epochs'
    sizes: tuple[str, ...] = ()
    # views of an image in each batch that it is part of (repeated augmentation)
    repeats: int = 1
    # training images mirrored in every other epoch, each from a first one by chance, in place of
    # flip()
    alternating_flip: bool = False
    # training images mirrored at random by the train step, in place of flip()
    device_flip: bool = False
    # parameter of the Beta distribution by which images and labels are mixed (train.mixing); 0 is
    # none
    mixup: float = 0.0
    # likewise, by replaced rectangles; where both are set, each batch gets one of them
    cutmix: float = 0.0
    # largest change of a training image's value, in units of [0, 1], by train.adversarial; 0 is
    # none
    adversarial: float = 0.0
    # MadryLab/cifar10_challenge takes 10 of 2/255 within 8/255, mnist_challenge 40 of 0.01 within
    # 0.3
    adversarial_steps: int = 10
    adversarial_step: float = 2 / 255
    # views of the images of evaluation, in the place of `augment`
    evaluation: tuple[str, ...] = ()
    # test-time augmentation: the views whose logits evaluation averages (train.tta)
    tta: str = 'none'
    # views of every image, after `augment` and after `evaluation`
    view: tuple[str, ...] = ()
    # a kind of data.normalize.statistics, from the training images
    normalize: str = 'channel'
    duration: str = '10 epochs'
    # images per step, over all devices
    batch: int = 128
    # parts that a batch goes through the network in, one after another; a step stays one optimizer
    # update
    accumulate: int = 1
    loss: str = 'softmax'
    # label smoothing, for the losses that take it
    smoothing: float = 0.0
    # of binary cross-entropy: targets above it become 1, all others 0
    target_threshold: float | None = None
    # power of the class weights of the training loss (data.balance): 1 weighs all classes the same
    balance: float = 0.0
    # of the loss of each auxiliary head, where the network has them
    aux_weight: float = 0.3
    # penalties that are added to the loss, over the parameters of `decayed`: l1 |w| and l2 / 2 w^2
    l1: float = 0.0
    l2: float = 0.0
    optimizer: str = 'momentum'
    # learning rate after the warm-up
    rate: float = 0.1
    # {pattern of a path: factor on the rate there}
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)
    momentum: float = 0.9
    # decay of the mean of squared gradients; None is what the optimizer has
    beta2: float | None = None
    # what keeps the optimizer's divisor from zero; None is what it has
    eps: float | None = None
    # weight decay
    decay: float = 0.0
    # which parameters decay, by path
    decayed: tuple[str, ...] = ('.*',)
    # {pattern of a path: factor on the (coupled) decay there}
    decays: Mapping[str, float] = dataclasses.field(default_factory=dict)
    # 'coupled' or 'decoupled'; '' is what the optimizer has
    decay_form: str = ''
    # which parameters are not trained, by path
    frozen: tuple[str, ...] = ()
    # {pattern of a path: duration after which it is not trained}
    frozen_after: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # largest root mean square of a convolution filter, to which it is scaled back; 0 is no limit
    filter_rms: float = 0.0
    schedule: str = 'cosine'
    # of the step, piecewise and one_cycle schedules: shares of the run, or durations
    boundaries: tuple[float | str, ...] = ()
    # of the step, exponential, inverse_time and plateau schedules
    factor: float = 0.1
    # of the piecewise schedule: factors on the rate
    values: tuple[float, ...] = ()
    # period of the exponential and inverse_time schedules, first cycle of cosine_restarts
    every: str = '1 epochs'
    # of the exponential schedule: it changes once a period
    staircase: bool = False
    # of cosine_restarts: each cycle is so many times as long as the one before
    growth: int = 1
    # of the polynomial schedule
    power: float = 1.0
    # last rate of the polynomial and cosine schedules, as a share of `rate`
    end: float = 0.0
    # of the plateau schedule: evaluations in a row without a lower validation loss
    patience: int = 5
    warmup: str = '0 steps'
    # rate at the start of the warm-up, as a share of `rate`
    warmup_start: float = 0.0
    warmup_form: str = 'linear'
    # largest global norm of the gradient; 0 is no limit
    clip: float = 0.0
    # largest absolute value of an element of the gradient; 0 is no limit
    clip_value: float = 0.0
    # updates after which the slow weights of Lookahead follow; 0 is none
    lookahead: int = 0
    # the share of the way that they go
    lookahead_step: float = 0.5
    # above 0 the share falls from 1 to lookahead_step at the end, by this power of the part of the
    # run done
    lookahead_power: float = 0.0
    # images per batch-norm statistic; None is the global batch (its parts, where gradients are
    # accumulated)
    norm_span: int | None = None
    # of every batch norm; None is each layer's own
    norm_momentum: float | None = None
    # likewise
    norm_eps: float | None = None
    # batch norms, by path, that use their running statistics in training and do not move them
    norm_frozen: tuple[str, ...] = ()
    # training images over which batch statistics are computed anew at the end; 0 keeps the running
    # ones
    norm_exact: str = '0 steps'
    # decay of the moving average of parameters that evaluation uses; 0 is none
    ema: float = 0.0
    # in place of ema: 'polyak' or 'swa', the arithmetic mean
    average: str = ''
    # how often the average moves
    average_every: str = '1 steps'
    # up to here the average is a copy
    average_from: str = '0 steps'
    # evaluations in a row without a better validation top-1 after which the run stops; 0 never
    # stops it
    stop_patience: int = 0
    # a run whose newest checkpoint gives the first weights, as far as paths and shapes are the same
    start_from: str = ''
    # which of them, by path
    start_layers: tuple[str, ...] = ('.*',)
    # the first layer whitens patches, as computed from the training images (train.whitening)
    whiten: bool = False
    # how kernels are initialized, in place of the network's own: a name of nn.init, as in
    # 'gaussian(0.01)'
    init: str = ''
    # dtype of images and activations: float32, bfloat16 or float64
    precision: str = 'float32'
    evaluate_every: str = '1 epochs'
    checkpoint_every: str = '1 epochs'
    # newest checkpoints kept, besides the best
    keep: int = 2
    # a duration: checkpoints at its multiples are kept for good
    keep_every: str = ''
    # where loss or gradient are not finite: stop, skip the batch, or rollback (train.guard)
    on_nan: str = 'stop'
    # how often to skip or roll back before the run stops
    nan_limit: int = 3
    log_every: str = '50 steps'
    seed: int = 0

    def steps(self, text: str, examples: int) -> int:
        """A duration of this recipe in steps; `examples` is the size of its training set."""
        return duration.steps(text, examples, self.batch, self.total(examples))

    def total(self, examples: int) -> int:
        """How many steps the run has on a training set of `examples` images."""
        return duration.steps(self.duration, examples, self.batch)

    def to_json(self) -> str:
        """A JSON object, one field a line."""
        return json.dumps(
            {k: dict(v) if isinstance(v, Mapping) else v for k, v in vars(self).items()},
            indent=1,
            default=list,
        )


def from_json(text: str) -> Recipe:
    """The inverse of `Recipe.to_json`. Fields that an older recipe lacks have their default.

    Raises:
      ValueError: it states a field that recipes do not have.
    """
    loaded = json.loads(text)
    known = [f.name for f in dataclasses.fields(Recipe)]
    for name in loaded:
        names.among('recipe field', name, known)
    return Recipe(**{k: tuple(v) if isinstance(v, list) else v for k, v in loaded.items()})


def differences(a: Recipe, b: Recipe) -> list[str]:
    """One line for each field in which two recipes differ: 'rate: 0.1 there, 0.2 here'."""
    there, here = json.loads(a.to_json()), json.loads(b.to_json())
    return [
        f'{k}: {there.get(k)!r} there, {here.get(k)!r} here'
        for k in here
        if there.get(k) != here.get(k)
    ]
