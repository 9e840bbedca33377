"""The sections of experiments.explain: what each method draws of a network and its pictures, with captions."""
import dataclasses
import functools
import math
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from matplotlib.figure import Figure

from cnnlab.analysis import capture
from cnnlab.report import plots
from cnnlab.visual import (
    activations,
    batches,
    deconvnet,
    deep_dream,
    embed,
    features,
    filters,
    grad_cam,
    gradients,
    integrated_gradients,
    invert,
    lrp,
    maximise,
    occlusion,
    patches,
    pictures,
    probe,
    retrieve,
    rise,
    sanity,
    similarity,
    smooth_grad,
    style,
)
from cnnlab.visual import plots as figures
from cnnlab.visual.pixels import Pixels

SIDE = 230  # pixels of a picture on the page
GREY = 0.5  # of a patch beyond the border
_SHOWN_CHANNELS = 16
_BATCH = 32


class Shown(NamedTuple):
    """One picture of the page: its file's name without ending, what it is drawn from, what is said below it."""
    name: str
    image: np.ndarray | Figure  # uint8 (h, w, 3), or a plot
    caption: str


Group = tuple[str, list[Shown]]  # a row of the page with a name


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A network, the pictures that are explained, and the set that is searched.

    Attributes:
      model, variables, pixels: the network and how pictures become its images.
      images: (n, h, w, c), what is explained, as the network takes them.
      names: of the pictures.
      classes, probabilities: (n,), what is explained of each.
      labels: a name for each class of the network.
      collection: network images by index, with `collection_names` and, where known, `collection_labels`.
      paths: layers to look at.
      settings: layers and numbers that flags may change: 'cam_path', 'dream_path', 'masks', 'steps', 'samples', 'ascent', 'octaves',
        'stride', 'window'.
      seed: of everything random.
      folder: where a method may write files of its own.
    """
    model: nn.Module
    variables: Any
    pixels: Pixels
    images: np.ndarray
    names: Sequence[str]
    classes: np.ndarray
    probabilities: np.ndarray
    labels: Sequence[str]
    collection: Callable[[int], np.ndarray]
    collection_names: Sequence[str]
    collection_labels: Sequence[int] | None
    paths: Sequence[str]
    settings: dict[str, Any]
    seed: int
    folder: pathlib.Path

    @functools.cached_property
    def shown(self) -> np.ndarray:
        """The pictures as the network sees them, float32 in [0, 1]."""
        return self.pixels.to_pictures(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image."""
        return self.images.shape[1:]

    def batches(self) -> Iterator[np.ndarray]:
        """The collection."""
        for start in batches.watched(range(0, len(self.collection_names), _BATCH), 'pictures of the set'):
            yield np.stack([self.collection(i) for i in range(start, min(start + _BATCH, len(self.collection_names)))])

    def what(self, i: int) -> str:
        """'cat.jpg: tabby (71.3%)'."""
        return f'{self.names[i]}: {self.labels[self.classes[i]]} ({self.probabilities[i]:.1%})'

    def original(self, i: int, method: str) -> Shown:
        """The picture itself, first in a row."""
        return Shown(f'{method}_{i}_picture', large(pictures.photo(self.shown[i])), self.what(i))


def large(picture: np.ndarray) -> np.ndarray:
    """A uint8 picture at the size of the page."""
    return pictures.enlarged(picture, SIDE)


def layers_to_show(model: nn.Module, variables: Any, images: Any, count: int = 4) -> list[str]:
    """`count` of the network's own parts that have rows and columns, evenly from the first to the last."""
    fit = [path for path, out in capture.outputs(model, variables, images).items()
           if '/' not in path and out.shape is not None and len(out.shape) == 4 and out.shape[1] * out.shape[2] > 1]
    fit = [path for path in fit if not path.startswith('drop')]
    if len(fit) <= count:
        return fit
    return [fit[round(k * (len(fit) - 1) / (count - 1))] for k in range(count)]


def _filters(case):
    path, kernels = filters.first_layer(case.model, case.variables, case.images)
    chosen = kernels[:144]
    tiles = [pictures.enlarged(pictures.signed(k, 100) if k.shape[-1] in (1, 3) else pictures.both_signs(k.mean(-1), 100),
                               24 if len(chosen) > 16 else 64) for k in chosen]
    yield 'filters', [Shown('filters', pictures.sheet(tiles), f'layer {path}: {len(chosen)} of {len(kernels)} filters of '
                            f'{kernels.shape[1]} x {kernels.shape[2]}, each scaled by itself, 0 is grey')]


def _activations(case):
    for i in range(len(case.images)):
        row = [case.original(i, 'activations')]
        for path in case.paths:
            maps = np.asarray(activations.maps(case.model, case.variables, case.images[i:i + 1], path))
            channels = activations.strongest_channels(maps, _SHOWN_CHANNELS)
            tiles = [pictures.enlarged(pictures.heat(maps[0, ..., c]), 64) for c in channels]
            row.append(Shown(f'activations_{i}_{_file(path)}', pictures.sheet(tiles), f'layer {path}, {maps.shape[1]} x {maps.shape[2]}: '
                             f'the {len(channels)} strongest of {maps.shape[-1]} maps, {", ".join(map(str, channels[:4]))}, ...'))
        yield case.names[i], row


def _deconvnet(case):
    for path, channel, places in _strongest(case, 3):
        images = np.stack([case.collection(p.image) for p in places])
        projected = deconvnet.of_channel(case.model, case.variables, images, path, channel).pixels
        boxes = [patches.box(case.model, case.shape, path, p.row, p.column) for p in places]
        side = max(24, min(SIDE // 3, boxes[0].height))
        drawn = [pictures.enlarged(pictures.signed(patches.crop(np.asarray(x), b)), side) for x, b in zip(projected, boxes, strict=True)]
        seen = [pictures.enlarged(pictures.photo(patches.crop(x, b, GREY)), side)
                for x, b in zip(case.pixels.to_pictures(images), boxes, strict=True)]
        name = f'deconvnet_{_file(path)}_{channel}'
        yield f'{path}, map {channel}', [
            Shown(f'{name}_projections', pictures.sheet(drawn, 3), f'layer {path}, map {channel}: its {len(places)} strongest activations '
                  f'in {len(case.collection_names)} images, {places[0].value:.1f} to {places[-1].value:.1f}, projected down'),
            Shown(f'{name}_patches', pictures.sheet(seen, 3), f'the patches of {boxes[0].height} x {boxes[0].width} pixels that they see: '
                  f'{", ".join(case.collection_names[p.image] for p in places[:3])}, ...')]


def _patches(case):
    for path, channel, places in _strongest(case, 5):
        boxes = [patches.box(case.model, case.shape, path, p.row, p.column) for p in places]
        whole = [case.pixels.to_pictures(case.collection(p.image)[None])[0] for p in places]
        seen = [patches.crop(x, b, GREY) for x, b in zip(whole, boxes, strict=True)]
        tiles = [pictures.enlarged(pictures.photo(s), max(24, min(SIDE // 3, s.shape[0]))) for s in seen]
        yield path, [Shown(f'patches_{_file(path)}_{channel}', pictures.sheet(tiles, 3), f'layer {path}, map {channel}: activations from '
                           f'{places[0].value:.1f} to {places[-1].value:.1f}, patches of {boxes[0].height} x {boxes[0].width} pixels')]


def _strongest(case, count):
    """(path, channel, the nine strongest places) of a few strong feature maps of each layer."""
    for path in case.paths:
        first = activations.maps(case.model, case.variables, case.images, path)
        channels = [int(c) for c in activations.strongest_channels(first, count)]
        found = patches.strongest(case.model, case.variables, case.batches(), path, channels)
        for channel in channels:
            yield path, channel, found[channel]


def _by_gradient(name, of):
    """A section that draws an array of the image's shape: in its colours, and the largest magnitude over channels as a map."""
    def method(case):
        found, remark = of(case)
        for i in range(len(case.images)):
            values = np.asarray(found[i])
            strongest = np.abs(values).max(-1)
            colours = values if values.shape[-1] in (1, 3) else values.mean(-1, keepdims=True)
            said = f'{case.what(i)}{remark[i] if remark else ""}'
            yield case.names[i], [
                case.original(i, name),
                Shown(f'{name}_{i}_map', large(pictures.heat(strongest)), f'{said}; largest magnitude over the channels'),
                Shown(f'{name}_{i}_colours', large(pictures.signed(colours)), f'{said}; 0 is grey')]
    return method


def _plain(function):
    return lambda case: (function(case.model, case.variables, case.images, case.classes), None)


def _integrated(case):
    found = integrated_gradients.integrated_gradients(case.model, case.variables, case.images, case.classes, steps=case.settings['steps'])
    return found.attribution, [f'; sum {a.sum():.3f} for a change of {c:.3f} ({abs(m) / max(abs(c), 1e-12):.1%} missing)'
                               for a, c, m in zip(*found, strict=True)]


def _smooth(case):
    return smooth_grad.smooth_grad(case.model, case.variables, case.images, case.classes, samples=case.settings['samples'],
                                   seed=case.seed), None


def _relevance(case):
    found = np.asarray(lrp.lrp_epsilon(case.model, case.variables, case.images, case.classes, eps=1e-3))
    return found, [f'; sum {v.sum():.2f}' for v in found]


def _cam(name, function):
    def method(case):
        path = case.settings['cam_path']
        found = np.asarray(function(case.model, case.variables, case.images, path, case.classes))
        for i in range(len(case.images)):
            said = f'{case.what(i)}; layer {path}, {found.shape[1]} x {found.shape[2]}'
            yield case.names[i], [case.original(i, name), Shown(f'{name}_{i}_over', large(pictures.over(case.shown[i], found[i])), said),
                                  Shown(f'{name}_{i}_map', pictures.enlarged(pictures.heat(found[i], 100), SIDE), 'the map itself')]
    return method


def _guided_cam(case):
    return grad_cam.guided_grad_cam(case.model, case.variables, case.images, case.settings['cam_path'], case.classes), [
        f'; layer {case.settings["cam_path"]}'] * len(case.images)


def _occlusion(case):
    window, stride, path = case.settings['window'], case.settings['stride'], case.settings['cam_path']
    found = occlusion.occlusion(case.model, case.variables, case.images, case.classes, window=window, stride=stride, path=path)
    worth = occlusion.attribution(found, case.shape[:2])
    for i in range(len(case.images)):
        kinds, counts = np.unique(found.most_likely[i], return_counts=True)
        often = ', '.join(f'{case.labels[k]} {c / counts.sum():.0%}' for k, c in
                          sorted(zip(kinds, counts, strict=True), key=lambda kc: -kc[1])[:3])
        lowest = np.unravel_index(found.probability[i].argmin(), found.probability[i].shape)
        yield case.names[i], [
            case.original(i, 'occlusion'),
            Shown(f'occlusion_{i}_probability', pictures.enlarged(pictures.spread(found.probability[i]), SIDE),
                  f'probability of {case.labels[case.classes[i]]} by the place of a grey square of {window} pixels: '
                  f'{found.probability[i].min():.1%} (rows from {found.top[lowest[0]]}, columns from {found.left[lowest[1]]}) to '
                  f'{found.probability[i].max():.1%}'),
            Shown(f'occlusion_{i}_class', pictures.enlarged(pictures.kinds(found.most_likely[i]), SIDE), f'the most likely class: {often}'),
            Shown(f'occlusion_{i}_feature', pictures.enlarged(pictures.spread(found.feature[i]), SIDE),
                  f'the sum of map {found.channel[i]} of layer {path}, its strongest'),
            Shown(f'occlusion_{i}_over', large(pictures.over(case.shown[i], np.maximum(worth[i], 0))), 'mean fall of the score')]


def _rise(case):
    masks = case.settings['masks']
    found = rise.rise(case.model, case.variables, case.images, case.classes, masks=masks, seed=case.seed)
    for i in range(len(case.images)):
        low = found[i] - found[i].min()  # the mean over the masks is a constant, which says nothing about places
        yield case.names[i], [case.original(i, 'rise'),
                              Shown(f'rise_{i}_over', large(pictures.over(case.shown[i], low)), f'{case.what(i)}; {masks} masks'),
                              Shown(f'rise_{i}_map', large(pictures.spread(found[i])),
                                    f'probability where a pixel is seen: {found[i].min():.1%} to {found[i].max():.1%}')]


def _sanity(case):
    image, cls = case.images[:1], case.classes[:1]
    for name, method in (('saliency', gradients.saliency),
                         ('guided backprop', lambda m, v, x, c: gradients.strongest(gradients.guided_backprop(m, v, x, c))),
                         ('Grad-CAM', lambda m, v, x, c: grad_cam.grad_cam(m, v, x, case.settings['cam_path'], c))):
        found = sanity.cascade(case.model, case.variables, image, lambda m, v, x, of=method: of(m, v, x, cls), seed=case.seed)
        row = [Shown(f'sanity_{_file(name)}_0', pictures.enlarged(pictures.heat(found.maps[''][0]), 150), f'{name} of the trained network')]
        for k, (layer, correlation) in enumerate(found.correlation.items(), 1):
            row.append(Shown(f'sanity_{_file(name)}_{k}', pictures.enlarged(pictures.heat(found.maps[layer][0]), 150),
                             f'random from {layer} on: rank correlation {correlation[0]:.2f}'))
        yield name, row


def _maximise(case):
    classes = list(dict.fromkeys(case.classes.tolist()))
    found = maximise.maximise(case.model, case.variables, case.shape, classes=classes, pixels=case.pixels, steps=case.settings['ascent'],
                              jitter=max(1, case.shape[0] // 16), zoom=0.1, decorrelated=case.shape[-1] == 3, seed=case.seed)
    yield 'classes', [Shown(f'maximise_{cls}', large(pictures.photo(found.pictures[k])),
                            f'{case.labels[cls]}: logit {found.scores[0, k]:.1f} to {found.scores[-1, k]:.1f}, probability of the picture '
                            f'{found.probability[k]:.1%}') for k, cls in enumerate(classes)]
    for path in case.paths:
        maps = activations.maps(case.model, case.variables, case.images, path)
        channels = [int(c) for c in activations.strongest_channels(maps, 4)]
        found = maximise.maximise(case.model, case.variables, case.shape, path=path, channels=channels, pixels=case.pixels,
                                  steps=case.settings['ascent'] // 2, jitter=max(1, case.shape[0] // 16),
                                  decorrelated=case.shape[-1] == 3, seed=case.seed)
        yield path, [Shown(f'maximise_{_file(path)}_{c}', large(pictures.photo(found.pictures[k])), f'layer {path}, map {c}: mean '
                           f'{found.scores[0, k]:.2f} to {found.scores[-1, k]:.2f}') for k, c in enumerate(channels)]


def _invert(case):
    row = [case.original(0, 'invert')]
    for path in case.paths:
        found = invert.invert(case.model, case.variables, case.images[:1], path, pixels=case.pixels, steps=case.settings['ascent'],
                              decorrelated=case.shape[-1] == 3, seed=case.seed)
        row.append(Shown(f'invert_{_file(path)}', large(pictures.photo(found.pictures[0])),
                         f'from layer {path}: relative distance {found.distances[-1, 0]:.3f}'))
    yield case.names[0], row


def _deep_dream(case):
    path = case.settings['dream_path']
    out = deep_dream.deep_dream(case.model, case.variables, case.shown, path, pixels=case.pixels, octaves=case.settings['octaves'],
                                seed=case.seed)
    for i in range(len(case.images)):
        yield case.names[i], [case.original(i, 'deep_dream'), Shown(f'deep_dream_{i}', large(pictures.photo(out[i])), f'layer {path}')]


def _style(case):
    if len(case.images) < 2:
        raise ValueError('style transfer takes two pictures: the first gives the content, the second the style')
    *styles, content = case.paths
    styles = styles or [content]
    out = style.style_transfer(case.model, case.variables, case.shown[0], case.shown[1], content_path=content, style_paths=styles,
                               pixels=case.pixels, steps=case.settings['ascent'])
    yield 'style transfer', [
        case.original(0, 'style_content'), case.original(1, 'style_style'),
        Shown('style', large(pictures.photo(out.picture)), f'content of {content}, style of {", ".join(styles)}: style loss '
              f'{out.style[0]:.3f} to {out.style[-1]:.3f}, content loss {out.content[-1]:.3f}')]


def _features(case):
    count = len(case.collection_names)
    if count < 4:
        raise ValueError(f'a feature space needs 4 images or more; --images has {count}')
    found = features.extract(case.model, case.variables, case.batches(), case.paths)
    features.save(case.folder / 'features.npz', found, case.collection_labels, case.collection_names)
    small = [pictures.enlarged(pictures.photo(case.pixels.to_pictures(case.collection(i)[None])[0]), 64) for i in range(count)]
    last = case.paths[-1]
    points, ratio = embed.pca(found[last])
    plane = figures.thumbnails(points, small, f'first component ({ratio[0]:.0%} of the variance)', f'second ({ratio[1]:.0%})')
    yield f'principal components of {last}', [Shown('features_pca', plane, f'{count} images by layer {last}: PCA')]
    plane = figures.thumbnails(embed.tsne(found[last], min(30, (count - 1) / 3), case.seed), small, '', '')
    yield f't-SNE of {last}', [Shown('features_tsne', plane, f'{count} images by layer {last}: t-SNE')]
    queries = range(min(len(case.images), 6, count))
    nearest, distance = retrieve.nearest(found[last], found[last][list(queries)], min(8, count))
    for q in queries:
        yield f'nearest to {case.collection_names[q]}', [
            Shown(f'features_nearest_{q}_{k}', pictures.enlarged(small[i], 128), f'{case.collection_names[i]}, cosine distance {d:.3f}')
            for k, (i, d) in enumerate(zip(nearest[q], distance[q], strict=True))]
    labels = case.collection_labels
    if labels is None:
        return
    labels = np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) >= 2:
        joined = similarity.dendrogram(found[last], labels)
        yield 'classes', [Shown('features_classes', figures.tree(joined, [case.labels[c] if c < len(case.labels) else str(c)
                                                                         for c in joined.classes]), f'classes by layer {last}')]
    folds = int(min(5, counts.min()))
    if len(classes) >= 2 and folds >= 2:
        accuracy = probe.accuracies(found, labels, folds=folds, seed=case.seed)
        yield 'linear probes', [Shown('features_probes', plots.bars(list(accuracy), list(accuracy.values()), 'top-1', kind='percent'),
                                      f'a linear classifier on the features of each layer, {folds} folds of {len(labels)} images')]


class Method(NamedTuple):
    """A section of the page."""
    title: str
    text: str
    groups: Callable[[Case], Iterator[Group]]


METHODS: dict[str, Method] = {
    'filters': Method('First-layer filters', 'The kernels of the first layer, in the colours that they answer to.', _filters),
    'activations': Method('Activation maps', 'What single feature maps give for a picture; black is 0.', _activations),
    'deconvnet': Method(
        'Deconvnet projections', 'The strongest activations of a feature map, brought back to pixels through transposed filters, the '
        'switches of the pools and rectified signals (Zeiler & Fergus 2013), and the patches that they see.', _deconvnet),
    'patches': Method('Strongest patches', 'The patches of the set that excite a feature map most, as large as its units see.', _patches),
    'saliency': Method('Saliency', 'The gradient of the class score by the pixels (Simonyan et al. 2013).',
                       _by_gradient('saliency', _plain(gradients.gradient))),
    'smooth_grad': Method('SmoothGrad', 'The mean gradient over noisy copies (Smilkov et al. 2017).', _by_gradient('smooth_grad', _smooth)),
    'guided_backprop': Method('Guided backprop', 'Only positive signals pass back through ReLUs (Springenberg et al. 2014).',
                              _by_gradient('guided_backprop', _plain(gradients.guided_backprop))),
    'integrated_gradients': Method('Integrated gradients', 'Gradients on the way from grey, times the difference; they must sum to the '
                                   'change of the score (Sundararajan et al. 2017).', _by_gradient('integrated_gradients', _integrated)),
    'grad_cam': Method('Grad-CAM', 'Feature maps weighted by their mean gradients (Selvaraju et al. 2016).',
                       _cam('grad_cam', grad_cam.grad_cam)),
    'grad_cam_plus_plus': Method('Grad-CAM++', 'Positions weighted one by one (Chattopadhyay et al. 2017).',
                                 _cam('grad_cam_plus_plus', grad_cam.grad_cam_plus_plus)),
    'guided_grad_cam': Method('Guided Grad-CAM', 'Guided backprop times the upsampled Grad-CAM.',
                              _by_gradient('guided_grad_cam', _guided_cam)),
    'lrp': Method('LRP-epsilon', 'Relevance handed down layer by layer, with eps 0.001 (Bach et al. 2015).',
                  _by_gradient('lrp', _relevance)),
    'occlusion': Method('Occlusion', 'A grey square moves over the picture (Zeiler & Fergus 2013, Figure 7).', _occlusion),
    'rise': Method('RISE', 'Random masks weighted by the probability under them (Petsiuk et al. 2018).', _rise),
    'sanity': Method('Sanity checks', 'Layers made random one after another from the last to the first: a map that stays explains no '
                     'network (Adebayo et al. 2018).', _sanity),
    'maximise': Method('Maximised classes and units', 'Pictures made by gradient ascent, as Fourier coefficients in decorrelated colours '
                       'with jitter and zoom.', _maximise),
    'invert': Method('Feature inversion', 'Pictures whose features are those of the first (Mahendran & Vedaldi 2014).', _invert),
    'deep_dream': Method('DeepDream', 'What a layer sees is made stronger (Mordvintsev et al. 2015).', _deep_dream),
    'style': Method('Style transfer', 'The content of the first picture in the style of the second (Gatys et al. 2015).', _style),
    'features': Method('Feature space', 'The pictures as points: PCA, t-SNE, nearest neighbours, classes, linear probes.', _features),
}

SPATIAL = {'activations', 'deconvnet', 'patches', 'grad_cam', 'grad_cam_plus_plus', 'guided_grad_cam', 'occlusion', 'sanity', 'invert',
           'deep_dream', 'style', 'features'}  # methods that need a layer with rows and columns


def _file(text):
    return text.replace('/', '-').replace(' ', '_')


def middle(paths: Sequence[str]) -> str:
    """The layer that DeepDream uses unless another is asked for."""
    return paths[math.floor(len(paths) / 2)]


def most_likely(logits: Any) -> tuple[np.ndarray, np.ndarray]:
    """(class, probability) for each row."""
    p = jnp.exp(logits - logits.max(-1, keepdims=True))
    p = np.asarray(p / p.sum(-1, keepdims=True))
    return p.argmax(-1).astype(np.int32), p.max(-1)
