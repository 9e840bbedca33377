"""A recipe: all that decides what a training run computes, as one frozen, comparable value."""
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from cnnlab.recipes import duration


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is trained, on what, and how. Same recipe, same layout of devices: same bits."""
    model: str  # a registered name
    dataset: str  # what data.sources.load takes
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # fields of the model to replace
    holdout: int = 0  # training images set aside for validation
    fold: str = ''  # in place of holdout, for small sets: '2/5' validates on the second of five parts of the training images
    classes: tuple[str, ...] = ()  # names of those to keep, numbered in this order; () keeps all
    augment: tuple[str, ...] = ()  # views of training images, in order
    device_flip: bool = False  # training images mirrored at random by the train step, in place of flip()
    mixup: float = 0.0  # parameter of the Beta distribution by which images and labels are mixed (train.mixing); 0 is none
    cutmix: float = 0.0  # likewise, by replaced rectangles; where both are set, each batch gets one of them
    view: tuple[str, ...] = ()  # views of every image, after `augment` and in evaluation
    normalise: str = 'channel'  # a kind of data.normalise.statistics, from the training images
    duration: str = '10 epochs'
    batch: int = 128  # images per step, over all devices
    loss: str = 'softmax'
    smoothing: float = 0.0  # label smoothing, for the softmax loss
    balance: float = 0.0  # power of the class weights of the training loss (data.balance): 1 weighs all classes the same
    optimiser: str = 'momentum'
    rate: float = 0.1  # learning rate after the warm-up
    momentum: float = 0.9
    decay: float = 0.0  # weight decay
    decayed: tuple[str, ...] = ('.*',)  # which parameters decay, by path
    schedule: str = 'cosine'
    boundaries: tuple[float, ...] = ()  # of the step schedule, as shares of the run
    factor: float = 0.1  # of the step schedule
    warmup: str = '0 steps'
    warmup_start: float = 0.0  # rate at the start of the warm-up, as a share of `rate`
    warmup_form: str = 'linear'
    clip: float = 0.0  # largest global norm of the gradient; 0 is no limit
    norm_span: int | None = None  # images per batch-norm statistic; None is the global batch
    ema: float = 0.0  # decay of the moving average of parameters that evaluation uses; 0 is none
    precision: str = 'float32'  # dtype of images and activations: float32, bfloat16 or float64
    evaluate_every: str = '1 epochs'
    checkpoint_every: str = '1 epochs'
    keep: int = 2  # newest checkpoints kept, besides the best
    log_every: str = '50 steps'
    seed: int = 0

    def steps(self, text: str, examples: int) -> int:
        """A duration of this recipe in steps; `examples` is the size of its training set."""
        return duration.steps(text, examples, self.batch)

    def to_json(self) -> str:
        """A JSON object, one field a line."""
        return json.dumps({**vars(self), 'fields': dict(self.fields)}, indent=1, default=list)


def from_json(text: str) -> Recipe:
    """The inverse of `Recipe.to_json`."""
    loaded = json.loads(text)
    return Recipe(**{k: tuple(v) if isinstance(v, list) else v for k, v in loaded.items()})


def differences(a: Recipe, b: Recipe) -> list[str]:
    """One line for each field in which two recipes differ: 'rate: 0.1 there, 0.2 here'."""
    there, here = json.loads(a.to_json()), json.loads(b.to_json())
    return [f'{k}: {there.get(k)!r} there, {here.get(k)!r} here' for k in here if there.get(k) != here.get(k)]
