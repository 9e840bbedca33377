"""Trains an embedding with the triplet loss, which pulls images of one class together.

    # digits; under a minute on two cores
    python -m experiments.embedding --workdir=out
    python -m experiments.embedding --dataset=mnist --data_dir=... --steps=1500 --workdir=out

Any registered network gives the embedding: its outputs, scaled to length one. Images are augmented
as in experiments.compare. A batch holds several images of each class, and the loss takes triplets
from the batch: for each pair of one class, the nearest image of another class that is farther away
(semi-hard, FaceNet), or for each image the hardest pair (batch-hard). Prints recall@1 on the test
images for the pixels, the untrained network and the trained network; on digits these are 97.8%,
66.4% and 98.3%. Writes embedding.png into --workdir: the first two principal components of the test
images before and after training.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from flax import linen as nn
from sklearn.decomposition import PCA

from cnnlab import losses, weights
from cnnlab.data import loader, preprocessing, sources
from cnnlab.data.preprocessing import normalize
from cnnlab.models import registry
from cnnlab.optim import rules, schedules
from cnnlab.recipes import baseline
from cnnlab.report import plots, style
from cnnlab.train import embedding, workdir
from cnnlab.train.state import TrainState, init_state
from cnnlab.train.step import train_step
from cnnlab.train.step_config import StepConfig

from . import common

flags.declare_key_flag('data_dir')
flags.declare_key_flag('workdir')
_DATASET = flags.DEFINE_string(
    'dataset', 'digits', 'Data set by name, with --data_dir where it is not built in.'
)
_MODEL = flags.DEFINE_string(
    'model',
    'convnetjs_cifar10',
    'Network that embeds; `python -m experiments.zoo` lists them. The id of published weights '
    'stands for the network that they fit.',
)
_DIMENSIONS = flags.DEFINE_integer(
    'dimensions', 32, 'Number of dimensions of the embedding.', lower_bound=2
)
_CLASSES = flags.DEFINE_integer('classes', 10, 'Number of classes in a batch.', lower_bound=2)
_IMAGES = flags.DEFINE_integer(
    'images', 8, 'Number of images of each class in a batch.', lower_bound=2
)
_STEPS = flags.DEFINE_integer(
    'steps', 600, 'Number of steps of Adam, with a cosine schedule.', lower_bound=1
)
_LEARNING_RATE = flags.DEFINE_float('learning_rate', 2e-3, 'Learning rate.', lower_bound=0)
_MINING = flags.DEFINE_enum(
    'mining',
    'semi_hard',
    ['semi_hard', 'batch_hard'],
    'Triplets of a batch that count. The hardest can pull all images into one point, as on digits, '
    'where the loss stays at the margin.',
)
_MARGIN = flags.DEFINE_float('margin', 0.2, 'Margin of the triplet loss.', lower_bound=0)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of the weights and the batches.', lower_bound=0)


def unit(outputs: jax.Array) -> jax.Array:
    """Scales each row to length one: (n, d) -> (n, d)."""
    return outputs / jnp.maximum(jnp.linalg.norm(outputs, axis=-1, keepdims=True), 1e-12)


def triplets(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    """Returns the loss of each image as anchor, (n,)."""
    return {'semi_hard': losses.semi_hard, 'batch_hard': losses.batch_hard}[_MINING.value](
        unit(outputs), labels, _MARGIN.value
    )


def arrays(split: str) -> tuple[sources.ImageSource, np.ndarray, np.ndarray]:
    """Returns (the split, its images as uint8 (n, h, w, c), their labels)."""
    source = sources.load(_DATASET.value, split, data_dir=common.DATA_DIR.value)
    if source.image_shape is None:
        raise ValueError(
            f'the images of {_DATASET.value} differ in size; this command needs images of one size'
        )
    return (
        source,
        np.stack([e['image'] for e in source.__getitems__(range(len(source)))]),
        source.labels(),
    )


def transformed(
    transform, images: np.ndarray, draws: loader.PerExampleRng, first: int
) -> np.ndarray:
    """Transforms each image with the random numbers of positions `first`, `first` + 1, ..."""
    return np.stack([transform(image, draws.at(first + i)) for i, image in enumerate(images)])


def embedder(model: nn.Module, mean: np.ndarray, std: np.ndarray):
    """Returns a function (state, images uint8 (n, h, w, c)) -> embeddings float32 (n, d).

    It takes 1,000 images at a time, to bound the memory.
    """

    @jax.jit
    def one(params, batch_stats, images):
        return unit(
            model.apply(
                {'params': params, 'batch_stats': batch_stats},
                normalize(images, mean, std, jnp.float32),
            )
        )

    def embed(state: TrainState, images: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [
                one(state.params, state.batch_stats, images[i : i + 1000])
                for i in range(0, len(images), 1000)
            ]
        )

    return embed


def picture(
    titles: list[str], embeddings: list[np.ndarray], labels: np.ndarray, names: tuple[str, ...]
) -> plots.Figure:
    """Draws the first two principal components of each embedding, classes by color and marker."""
    made = style.figure(5 * len(titles) + 1.2, 4.6)
    for axes, title, points in zip(
        made.subplots(1, len(titles), squeeze=False)[0], titles, embeddings, strict=True
    ):
        flat = PCA(2, random_state=0).fit_transform(points)
        for c, name in enumerate(names):
            chosen = labels == c
            axes.scatter(
                *flat[chosen].T,
                s=12,
                color=style.color(c),
                marker=style.marker(c),
                linewidths=0,
                alpha=0.8,
                label=name,
            )
        style.quiet(axes, 'first principal component', 'second', grid='').set_title(
            title, fontsize=10, color=style.INK
        )
    made.legend(
        *axes.get_legend_handles_labels(), loc='outside right upper', frameon=False, fontsize=9
    )
    return made


def main(_):
    """Trains the embedding, prints recall@1 and writes the plot."""
    path = workdir.writable(common.workdir())
    (source, images, labels), (test, test_images, test_labels) = arrays('train'), arrays('test')
    # impossible batches fail here, before anything is trained
    embedding.batch_of_classes(labels, 0, 0, _CLASSES.value, _IMAGES.value)
    size = source.image_shape[:2]
    recipe = baseline.recipe(_MODEL.value, _DATASET.value, size, size)
    evaluation_transform = recipe.augment.evaluation_transform()
    train_transform = recipe.augment.train_transform(None)
    draws = loader.PerExampleRng(_SEED.value)
    test_images = transformed(evaluation_transform, test_images, draws, 0)
    mean, std = preprocessing.statistics(source, 'channel')
    name, fields = weights.model_of(_MODEL.value)
    model = registry.create(name, **{**fields, 'num_classes': _DIMENSIONS.value})
    tx = rules.build('adam', schedules.build('cosine', _LEARNING_RATE.value, _STEPS.value))
    state = jax.jit(
        functools.partial(
            init_state,
            model,
            tx,
            image=jax.ShapeDtypeStruct((1, *test_images.shape[1:]), jnp.float32),
        )
    )(np.uint32(_SEED.value))
    embed = embedder(model, mean, std)
    before = embed(state, test_images)
    step = jax.jit(
        functools.partial(
            train_step, StepConfig(model=model, tx=tx, loss=triplets, mean=mean, std=std)
        ),
        donate_argnums=0,
    )
    for t in range(_STEPS.value):
        chosen = embedding.batch_of_classes(labels, _SEED.value, t, _CLASSES.value, _IMAGES.value)
        batch = {
            'image': transformed(train_transform, images[chosen], draws, t * len(chosen)),
            'label': labels[chosen],
        }
        state, metrics = step(state, batch, np.uint32(_SEED.value))
        if t % max(_STEPS.value // 5, 1) == 0 or t == _STEPS.value - 1:
            print(f'step {t + 1:,} of {_STEPS.value:,}: loss {float(metrics["loss"]):.4f}')
    after = embed(state, test_images)
    pixels = test_images.reshape(len(test_images), -1).astype(np.float32)
    for name, points in (
        ('pixels', pixels),
        ('untrained network', before),
        ('trained network', after),
    ):
        print(
            f'recall@1 of {name}: {embedding.recall_at_1(points, test_labels):.2%} on '
            f'{len(test_labels):,} test images'
        )
    plots.save(
        picture(
            ['before training', f'after {_STEPS.value:,} steps'],
            [before, after],
            test_labels,
            test.class_names,
        ),
        path / 'embedding.png',
    )
    print(f'wrote {path / "embedding.png"}')


if __name__ == '__main__':
    common.start(main)
