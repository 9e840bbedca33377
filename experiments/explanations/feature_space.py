"""Feature space: the pictures of a set as points, by what a layer gives for them."""

from collections.abc import Iterator

import numpy as np

from cnnlab.report import plots
from cnnlab.visual import embed, features, pictures, probe, retrieve, similarity
from cnnlab.visual import plots as figures

from .case import Case, Group, Shown


def space(case: Case) -> Iterator[Group]:
    """PCA, t-SNE, neighbors; with labels also the tree of classes and linear probes.

    Writes features.npz.
    """
    count = len(case.collection_names)
    if count < 4:
        raise ValueError(f'a feature space needs 4 images or more; --images has {count}')
    found = features.extract(case.model, case.variables, case.batches(), case.paths)
    features.save(
        case.folder / 'features.npz', found, case.collection_labels, case.collection_names
    )
    small = [
        pictures.enlarged(pictures.photo(case.pixels.to_pictures(case.collection(i)[None])[0]), 64)
        for i in range(count)
    ]
    last = case.paths[-1]
    points, ratio = embed.pca(found[last])
    plane = figures.thumbnails(
        points,
        small,
        f'first component ({ratio[0]:.0%} of the variance)',
        f'second ({ratio[1]:.0%})',
    )
    yield (
        f'principal components of {last}',
        [Shown('features_pca', plane, f'{count} images by layer {last}: PCA')],
    )
    plane = figures.thumbnails(
        embed.tsne(found[last], min(30, (count - 1) / 3), case.seed), small, '', ''
    )
    yield (
        f't-SNE of {last}',
        [Shown('features_tsne', plane, f'{count} images by layer {last}: t-SNE')],
    )
    queries = range(min(len(case.images), 6, count))
    nearest, distance = retrieve.nearest(found[last], found[last][list(queries)], min(8, count))
    for q in queries:
        yield (
            f'nearest to {case.collection_names[q]}',
            [
                Shown(
                    f'features_nearest_{q}_{k}',
                    pictures.enlarged(small[i], 128),
                    f'{case.collection_names[i]}, cosine distance {d:.3f}',
                )
                for k, (i, d) in enumerate(zip(nearest[q], distance[q], strict=True))
            ],
        )
    labels = case.collection_labels
    if labels is None:
        return
    labels = np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) >= 2:
        joined = similarity.dendrogram(found[last], labels)
        yield (
            'classes',
            [
                Shown(
                    'features_classes',
                    figures.tree(
                        joined,
                        [
                            case.labels[c] if c < len(case.labels) else str(c)
                            for c in joined.classes
                        ],
                    ),
                    f'classes by layer {last}',
                )
            ],
        )
    folds = int(min(5, counts.min()))
    if len(classes) >= 2 and folds >= 2:
        accuracy = probe.accuracies(found, labels, folds=folds, seed=case.seed)
        yield (
            'linear probes',
            [
                Shown(
                    'features_probes',
                    plots.bars(list(accuracy), list(accuracy.values()), 'top-1', kind='percent'),
                    f'a linear classifier on the features of each layer, {folds} folds of '
                    f'{len(labels)} images',
                )
            ],
        )
