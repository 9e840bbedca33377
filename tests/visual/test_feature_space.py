"""Features of a set, and what is made of them."""

import numpy as np
import pytest

from cnnlab.visual import activations, embed, features, plots, probe, retrieve, similarity


def test_features_are_those_of_the_layers_whatever_the_batches(small):
    net, images = small
    found = features.extract(net, [images[:3], images[3:]], ['conv2', 'mean', 'head'])
    assert {p: a.shape for p, a in found.items()} == {
        'conv2': (4, 6),
        'mean': (4, 6),
        'head': (4, 5),
    }
    np.testing.assert_allclose(found['conv2'], found['mean'], rtol=1e-5)
    maps = np.asarray(activations.maps(net, images, 'conv2'))
    np.testing.assert_allclose(
        features.extract(net, [images], ['conv2'], pool='max')['conv2'],
        maps.max((1, 2)),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        features.extract(net, [images], ['conv2'], pool='none')['conv2'],
        maps.reshape(4, -1),
    )


def test_features_are_kept_in_a_file(small, tmp_path):
    found = features.extract(small[0], [small[1]], ['conv2', 'head'])
    path = features.save(tmp_path / 'features.npz', found, np.arange(4), ['a', 'b', 'c', 'd'])
    with np.load(path) as kept:
        assert set(kept) == {'conv2', 'head', 'labels', 'names'} and np.array_equal(
            kept['conv2'], found['conv2']
        )
    with pytest.raises(ValueError, match='equally many images'):
        features.save(tmp_path / 'other.npz', found, np.arange(3))
    with pytest.raises(ValueError, match=r'saved as \.npz'):
        features.save(tmp_path / 'features.csv', found)


@pytest.fixture(scope='module')
def clusters():
    """Three clusters of 20 points in 12 dimensions: 0 and 1 near one another."""
    rng = np.random.default_rng(0)
    centers = np.stack(
        [np.eye(12)[0] * 10, np.eye(12)[0] * 10 + np.eye(12)[1] * 3, np.eye(12)[2] * 10]
    )
    labels = np.repeat([4, 7, 9], 20)
    return np.repeat(centers, 20, 0) + 0.3 * rng.standard_normal((60, 12)), labels


def apart(plane, labels):
    """Whether every point is nearest to the middle of its own cluster."""
    centers = np.stack([plane[labels == c].mean(0) for c in np.unique(labels)])
    return (
        ((plane[:, None] - centers[None]) ** 2).sum(-1).argmin(1)
        == np.unique(labels, return_inverse=True)[1]
    ).all()


def test_principal_components_keep_clusters_apart(clusters):
    points, ratio = embed.pca(clusters[0])
    assert points.shape == (60, 2) and 1 >= ratio.sum() > 0.8 and ratio[0] > ratio[1]
    assert apart(points, clusters[1])


@pytest.mark.slow
def test_t_sne_keeps_clusters_apart(clusters):
    assert apart(embed.tsne(clusters[0], perplexity=10), clusters[1])


@pytest.mark.parametrize('distance', retrieve.DISTANCES)
def test_the_nearest_are_what_all_distances_say(clusters, distance):
    x, labels = clusters
    found, far = retrieve.nearest(x, x[[5, 50]], 4, distance=distance)
    for row, distances, q in zip(found, far, (5, 50), strict=True):
        a, b = (
            v / np.linalg.norm(v, axis=-1, keepdims=True) if distance == 'cosine' else v
            for v in (x, x[q])
        )
        want = 1 - a @ b if distance == 'cosine' else np.linalg.norm(a - b, axis=1)
        np.testing.assert_allclose(distances, np.sort(want)[:4], atol=1e-6)
        assert row[0] == q and (labels[row] == labels[q]).all()


def test_probes_find_what_is_separable_and_chance_where_nothing_is(clusters):
    x, labels = clusters
    noise = np.random.default_rng(1).standard_normal((60, 4))
    found = probe.accuracies({'good': x, 'noise': noise}, labels, folds=4)
    assert found['good'] == 1.0 and found['noise'] < 0.6


def test_classes_that_are_alike_are_joined_first(clusters):
    tree = similarity.dendrogram(*clusters)
    assert tree.classes.tolist() == [4, 7, 9] and sorted(tree.linkage[0, :2]) == [0, 1]
    assert sorted(tree.order.tolist()) == [0, 1, 2]
    figure = plots.tree(tree, ['four', 'seven', 'nine'])
    assert {t.get_text() for t in figure.axes[0].get_yticklabels()} == {'four', 'seven', 'nine'}


def test_thumbnails_stand_at_their_points():
    points = np.array([[0.0, 1.0], [2.0, 3.0]])
    figure = plots.thumbnails(points, [np.zeros((4, 4, 3), np.uint8)] * 2, 'x', 'y')
    assert [tuple(a.xy) for a in figure.axes[0].artists] == [(0.0, 1.0), (2.0, 3.0)]
    with pytest.raises(ValueError, match='1 pictures need as many points'):
        plots.thumbnails(points, [np.zeros((4, 4, 3), np.uint8)], 'x', 'y')


@pytest.mark.parametrize(
    ('call', 'said'),
    [
        (lambda x, y: embed.tsne(x[:3]), '4 images or more'),
        (lambda x, y: embed.tsne(x, perplexity=60), 'perplexity above 0 and below'),
        (lambda x, y: embed.pca(x, 13), '1 to 12 principal components; got 13'),
        (lambda x, y: embed.pca(x * np.nan), 'finite numbers'),
        (lambda x, y: retrieve.nearest(x, x, 61), '61 nearest ones cannot be found'),
        (lambda x, y: retrieve.nearest(x, x[:, :3], 2), '12 features'),
        (lambda x, y: retrieve.nearest(x, x, 2, distance='cosin'), 'did you mean cosine'),
        (lambda x, y: probe.accuracies({'a': x}, y[:9]), '9 labels for 60 images'),
        (lambda x, y: probe.accuracies({'a': x}, y, folds=21), '21 images each; got 3 classes'),
        (lambda x, y: similarity.dendrogram(x, 0 * y), 'two classes or more; got 1'),
        (lambda x, y: similarity.dendrogram(0 * x, y), 'class 4 are all 0'),
        (lambda x, y: similarity.dendrogram(x, y[:5]), '5 labels for 60 images'),
    ],
)
def test_mistakes_are_told_in_a_sentence(clusters, call, said):
    with pytest.raises(ValueError, match=said):
        call(*clusters)
    with pytest.raises(ValueError, match='no images to take features of'):
        features.extract(None, [], ['a'])
