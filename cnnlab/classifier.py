"""A network with all that is needed to use it: variables, preprocessing and class names.

All that studies, evaluates, attacks, explains, exports or fine-tunes a network takes a Classifier.
"""

import dataclasses
import os
import pathlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.analysis import capture, cost, table
from cnnlab.data.decoding.read import Picture
from cnnlab.data.preprocessing import Preprocess
from cnnlab.models import statement
from cnnlab.report.table import Table
from cnnlab.weights import own_file

# {'params': ..., 'batch_stats': ...}
Variables = dict[str, Any]
# images on the device or on the host
Array = jax.Array | np.ndarray
# pictures that `predict` gives the network at a time
_BATCH = 32


@jax.tree_util.register_pytree_node_class
@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
    """A network with its variables, its preprocessing and its class names.

    It is immutable; `replace` makes a changed copy. It is also a pytree, of its variables and the
    mean and std of its preprocessing, so that functions under `jax.jit` and `jax.grad` take it as
    an argument.

    Attributes:
      model: the linen module, `model.apply(variables, images, train=False) -> logits (n, k)`.
      variables: {'params': ..., 'batch_stats': ...}.
      preprocess: turns a picture into the network's input; None if unknown.
      class_names: one name per logit; None if unknown.
      architecture: the registered name of the network; '' if it has none. A network without one
        can be used but not saved.
      input_shape: (height, width, channels) of one image, as registered or trained; `layers`,
        `summary`, `num_classes` and `save` need it.
      name: the name in tables and titles: an id, a run, or a file.
      class_order: the data set whose order of classes the logits follow ('imagenet', ...), for
        comparison with labels; None if unknown.
      provenance: facts about where the network comes from, {key: text or number}.

    Example:
      >>> net = cnnlab.load('torchvision/squeezenet1_0')
      >>> net.predict('cat.jpg', top=5)
      [('tabby', 0.62), ...]
    """

    model: nn.Module
    variables: Variables
    preprocess: Preprocess | None = None
    class_names: tuple[str, ...] | None = None
    architecture: str = ''
    input_shape: tuple[int, int, int] | None = None
    name: str = ''
    class_order: str | None = None
    provenance: Mapping[str, str | int | float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.class_names is not None:
            object.__setattr__(self, 'class_names', tuple(self.class_names))
        if self.input_shape is not None:
            object.__setattr__(self, 'input_shape', tuple(self.input_shape))
        if not self.name:
            name = self.architecture or type(self.model).__name__
            object.__setattr__(self, 'name', name)

    def __repr__(self) -> str:
        kind = self.architecture or type(self.model).__name__
        size = f', images of {_size(self.input_shape)}' if self.input_shape else ''
        return f'<Classifier {self.name}: {kind}{size}>'

    def replace(self, **changes: Any) -> 'Classifier':
        """Returns a copy with some attributes replaced.

        New class names set `class_order` to None (unknown), unless it is given too.

        Example:
          >>> net = net.replace(class_names=['cat', 'dog'])
        """
        if 'class_names' in changes:
            changes = {'class_order': None, **changes}
        return dataclasses.replace(self, **changes)

    def logits(self, images: Any) -> jax.Array:
        """Runs the network; compiled once per shape.

        Args:
          images: preprocessed images, float (n, height, width, channels).

        Returns:
          float32 (n, k).

        Raises:
          ValueError: the images are no batch of floating-point numbers, or the network does not
            take their size or number of channels.

        Example:
          >>> net.logits(net.preprocess('cat.jpg')[None]).shape
          (1, 1000)
        """
        images = image_batch(images)
        try:
            return _logits(self.model, self.variables, images)
        except Exception as error:
            # flax and jax raise errors of many types for shapes that do not fit
            if self._fits(images.shape):
                raise
            raise ValueError(self._misfit(images.shape, error)) from error

    def predict(
        self, images: Picture | Sequence[Picture], top: int = 5
    ) -> list[tuple[str, float]] | list[list[tuple[str, float]]]:
        """Returns the most probable classes of a picture, best first.

        If the class names are unknown, it warns and calls the classes 'class 0', 'class 1', ...

        Args:
          images: the path of a file, a Pillow image, or a uint8 array (height, width[, channels]);
            or a list of these.
          top: number of classes.

        Returns:
          [(class, probability), ...] for one picture, and a list of such lists for a list.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: it is no picture, the network has no preprocessing, or `top` is not between 1
            and the number of classes.

        Example:
          >>> net.predict('cat.jpg', top=2)
          [('tabby', 0.62), ('tiger cat', 0.21)]
        """
        # an array (n, height, width, channels) is a list of pictures too
        several = isinstance(images, list | tuple) or getattr(images, 'ndim', 0) == 4
        given: Any = images
        pictures: Sequence[Picture] = list(given) if several else [given]
        found = [self._best(row, top) for row in self.probabilities(pictures)]
        if self.class_names is None and found:
            warnings.warn(
                f'{self.name} has no class names; give them with '
                f'net.replace(class_names=[...]), or load a network that has them',
                stacklevel=2,
            )
        return found if several else found[0]

    def probabilities(self, pictures: Sequence[Picture]) -> np.ndarray:
        """Returns the probability of every class for each picture.

        If the protocol of the preprocessing takes several views of a picture, it also says whether
        logits or probabilities are averaged over them.

        Args:
          pictures: paths, Pillow images or uint8 arrays, as in `predict`.

        Returns:
          float32 (n, k).

        Raises:
          FileNotFoundError, ValueError: as `predict`.
        """
        preprocess = self.stated_preprocess()
        views = [view for picture in pictures for view in preprocess.views(picture)]
        if not views:
            return np.zeros((0, self.num_classes), np.float32)
        if len({view.shape for view in views}) > 1:
            sizes = sorted({' x '.join(map(str, view.shape)) for view in views})
            raise ValueError(
                f'{self.name} takes pictures as they are, and these have different sizes: '
                f'{", ".join(sizes[:3])}; give pictures of one size at a time'
            )
        scores = np.concatenate(
            [np.asarray(self._scores(views[i : i + _BATCH])) for i in range(0, len(views), _BATCH)]
        )
        # (picture, view, class): every picture has the same number of views
        scores = scores.reshape(len(pictures), -1, scores.shape[-1])
        if preprocess.protocol.average == 'logits':
            return np.asarray(jax.nn.softmax(scores.mean(1)))
        return np.asarray(jax.nn.softmax(scores)).mean(1)

    def features(self, images: Any, layer: str) -> jax.Array:
        """Returns the output of a layer; compiled once per shape.

        Args:
          images: as in `logits`.
          layer: a path that `layers` lists, such as 'stage4' or 'stage4/block1/conv2'.

        Raises:
          ValueError: no layer has that path (the sentence has the nearest), or the images do not
            fit.

        Example:
          >>> net.features(images, 'stage4').shape
          (1, 7, 7, 2048)
        """
        return _features(self.model, layer, self.variables, image_batch(images))

    def layers(self) -> list[str]:
        """Returns the paths of all layers that `features` takes, in the order in which they run."""
        found = capture.outputs(self.model, self.variables, self.image_spec)
        return [path for path, output in found.items() if output.shape is not None]

    def summary(self, depth: int | None = None) -> Table:
        """Returns a table of all layers: output, parameters, multiply-adds, receptive field.

        Args:
          depth: number of names of a path to show; deeper layers are summed up in their block. None
            shows every layer.

        Example:
          >>> net.summary(depth=1)
        """
        shape = self.image_spec.shape[1:]
        costs = cost.costs(self.model, shape)
        return table.layers(costs, f'{self.name}: one image of {_size(shape)}', depth)

    def save(self, path: str | os.PathLike) -> pathlib.Path:
        """Writes the network into one safetensors file, which `cnnlab.load` reads.

        Its metadata hold as JSON: the registered name, the fields that differ from the registered
        ones, the package that registers the network, preprocessing, class names, input shape and
        provenance. The file appears complete or not at all.

        Returns:
          The path of the file.

        Raises:
          ValueError: the network is not the registered one of that name, or one of its fields
            cannot be written as JSON.
        """
        about = {
            **statement.state(self.architecture, self.model),
            'preprocess': self.preprocess and self.preprocess.to_dict(),
            'class_names': self.class_names,
            'input_shape': self.input_shape,
            'class_order': self.class_order,
            'provenance': dict(self.provenance),
        }
        return own_file.write(path, self.variables, about)

    @classmethod
    def read(cls, path: str | os.PathLike) -> 'Classifier':
        """Reads a file that `save` wrote, bit for bit; executes nothing in it.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: it is damaged or of another kind.
          KeyError: its network is not registered; the sentence names the package that registers it.
        """
        arrays, about = own_file.read(path)
        return cls(
            model=statement.restore(about, str(path)),
            variables={'params': {}, 'batch_stats': {}, **arrays},
            preprocess=about['preprocess'] and Preprocess.from_dict(about['preprocess']),
            class_names=about['class_names'],
            architecture=about['model'],
            input_shape=about['input_shape'],
            name=pathlib.Path(path).stem,
            class_order=about['class_order'],
            provenance=about['provenance'],
        )

    @property
    def num_classes(self) -> int:
        """The number of logits, from shapes alone."""
        return _logits.eval_shape(self.model, self.variables, self.image_spec).shape[-1]

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names; 'class 0', 'class 1', ... if they are unknown."""
        return self.class_names or _numbered(self.num_classes)

    @property
    def image_spec(self) -> jax.ShapeDtypeStruct:
        """The shape (1, height, width, channels) and dtype of a batch of one image, as
        `jax.eval_shape` takes them.

        Raises:
          ValueError: the network has no `input_shape`.
        """
        if self.input_shape is None:
            raise ValueError(
                f'the size of the images of {self.name} is not stated; give it with '
                f'net.replace(input_shape=(height, width, channels))'
            )
        return jax.ShapeDtypeStruct((1, *self.input_shape), jnp.float32)

    def stated_preprocess(self) -> Preprocess:
        """Returns the preprocessing; raises ValueError if there is none."""
        if self.preprocess is None:
            raise ValueError(
                f'the source of {self.name} states no preprocessing; give one with '
                f'net.replace(preprocess=...)'
            )
        return self.preprocess

    def _scores(self, views: list[np.ndarray]) -> jax.Array:
        """Returns the logits of uint8 views, at most `_BATCH` of them."""
        return self.logits(self.stated_preprocess().normalize(np.stack(views)))

    def _best(self, probabilities: np.ndarray, top: int) -> list[tuple[str, float]]:
        count = len(probabilities)
        if not 1 <= top <= count:
            raise ValueError(f'top is a number of classes, 1 to {count}; got {top}')
        if self.class_names is not None and len(self.class_names) != count:
            raise ValueError(
                f'{self.name} tells {count} classes and has {len(self.class_names)} class names'
            )
        order = np.argsort(-probabilities, kind='stable')[:top]
        labels = self.class_names or _numbered(count)
        return [(labels[k], float(probabilities[k])) for k in order]

    def _fits(self, shape: tuple[int, ...]) -> bool:
        try:
            _logits.eval_shape(self.model, self.variables, jax.ShapeDtypeStruct(shape, jnp.float32))
        except Exception:
            return False
        return True

    def _misfit(self, shape: tuple[int, ...], error: Exception) -> str:
        made = f', which is made for {_size(self.input_shape)}' if self.input_shape else ''
        # layers of cnnlab raise ValueError with a sentence of their own
        reason = f': {error}' if type(error) is ValueError else ''
        return f'images of {_size(shape[1:])} do not fit {self.name}{made}{reason}'

    def tree_flatten(self):
        """Splits off the arrays; a change of the rest makes jax compile anew."""
        static = (
            self.model,
            self.class_names,
            self.architecture,
            self.input_shape,
            self.name,
            self.class_order,
            tuple(self.provenance.items()),
        )
        return (self.variables, self.preprocess), static

    @classmethod
    def tree_unflatten(cls, static, leaves):
        """Puts together what `tree_flatten` split."""
        variables, preprocess = leaves
        model, class_names, architecture, input_shape, name, class_order, provenance = static
        return cls(
            model,
            variables,
            preprocess,
            class_names,
            architecture,
            input_shape,
            name,
            class_order,
            dict(provenance),
        )


def _numbered(count: int) -> tuple[str, ...]:
    """Returns names for classes that have none."""
    return tuple(f'class {k}' for k in range(count))


def _size(shape: tuple[int, ...]) -> str:
    return ' x '.join(map(str, shape))


def image_batch(images: Any) -> Any:
    """Returns the images; raises ValueError if they are no batch of floating-point numbers."""
    if np.ndim(images) != 4 or not jnp.issubdtype(images.dtype, jnp.floating):
        given = f'{getattr(images, "dtype", type(images).__name__)} of shape {np.shape(images)}'
        raise ValueError(
            f'a network takes a batch of floating-point images (n, height, width, channels), as '
            f'net.preprocess makes them; got {given}'
        )
    return images


_logits = jax.jit(
    lambda model, variables, images: model.apply(variables, images, train=False), static_argnums=0
)


@jax.jit(static_argnums=(0, 1))
def _features(model, layer, variables, images):
    return capture.apply(model, variables, images, keep=[layer]).activations[layer]
