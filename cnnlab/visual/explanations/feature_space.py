"""Feature space: the pictures of a set as points, by the features of a layer."""

from collections.abc import Iterator

import numpy as np

from cnnlab.report import plots
from cnnlab.visual import embed, features, pictures, probe, retrieve, similarity
from cnnlab.visual import plots as figures
from cnnlab.visual.registry import register
from cnnlab.visual.request import Group, Panel, Request

# at most this many pictures are queries, with this many neighbors each
_QUERIES, _NEIGHBORS = 6, 8
# of a linear probe's cross-validation; fewer where a class has fewer images
_FOLDS = 5


def space(request: Request) -> Iterator[Group]:
    """Draws PCA, t-SNE and neighbors; with labels also the tree of classes and linear probes.

    Writes features.npz into the folder of the request.
    """
    count = len(request.pictures)
    if count < 4:
        raise ValueError(f'a feature space needs 4 images or more; there are {count}')
    by_layer = features.extract(request.net, request.batches(), request.paths)
    labels = request.pictures.labels
    features.save(
        request.folder / 'features.npz',
        by_layer,
        None if labels is None else np.asarray(labels),
        request.pictures.names,
    )
    # the last layer is nearest to the classes
    path = request.paths[-1]
    yield from _planes(request, path, by_layer[path])
    if labels is not None:
        yield from _classes(request, by_layer, np.asarray(labels))


def _planes(request, path, points):
    """PCA, t-SNE and the nearest neighbors, with a thumbnail for each picture."""
    count = len(points)
    preprocess = request.net.stated_preprocess()
    small = [
        pictures.enlarged(pictures.photo(preprocess.to_unit(request.image(i)[None])[0]), 64)
        for i in range(count)
    ]
    plane, ratio = embed.pca(points)
    figure = figures.thumbnails(
        plane,
        small,
        f'first component ({ratio[0]:.0%} of the variance)',
        f'second ({ratio[1]:.0%})',
    )
    caption = f'{count} images by layer {path}'
    yield Group(
        f'principal components of {path}', [Panel('features_pca', figure, f'{caption}: PCA')]
    )
    plane = embed.tsne(points, min(30, (count - 1) / 3), request.seed)
    figure = figures.thumbnails(plane, small, '', '')
    yield Group(f't-SNE of {path}', [Panel('features_tsne', figure, f'{caption}: t-SNE')])
    queries = range(min(len(request.images), _QUERIES, count))
    nearest, distance = retrieve.nearest(points, points[list(queries)], min(_NEIGHBORS, count))
    for q in queries:
        yield Group(
            f'nearest to {request.pictures.names[q]}',
            [
                Panel(
                    f'features_nearest_{q}_{k}',
                    pictures.enlarged(small[i], 128),
                    f'{request.pictures.names[i]}, cosine distance {d:.3f}',
                )
                for k, (i, d) in enumerate(zip(nearest[q], distance[q], strict=True))
            ],
        )


def _classes(request, by_layer, labels):
    """The tree of the classes, and linear probes; nothing of a single class."""
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        return
    path = request.paths[-1]
    tree = similarity.dendrogram(by_layer[path], labels)
    known = request.labels
    figure = figures.tree(tree, [known[c] if c < len(known) else str(c) for c in tree.classes])
    yield Group('classes', [Panel('features_classes', figure, f'classes by layer {path}')])
    folds = int(min(_FOLDS, counts.min()))
    if folds < 2:
        return
    accuracy = probe.accuracies(by_layer, labels, folds=folds, seed=request.seed)
    figure = plots.bars(list(accuracy), list(accuracy.values()), 'top-1', kind='percent')
    caption = (
        f'a linear classifier on the features of each layer, {folds} folds of {len(labels)} images'
    )
    yield Group('linear probes', [Panel('features_probes', figure, caption)])


register(
    'features',
    space,
    kind='features',
    title='Feature space',
    text='The pictures as points: PCA, t-SNE, nearest neighbors, classes, linear probes.',
    spatial=True,
)
