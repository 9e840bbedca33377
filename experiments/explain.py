r"""What a network sees in pictures: attributions, projections, made images, its feature space.

    python -m experiments.explain --weights=torchvision/squeezenet1_0 --images=cat.jpg,dog.jpg \
        --out=explain
    python -m experiments.explain --weights=torchvision/squeezenet1_0 --images=photos/ \
        --methods=grad_cam,occlusion --count=2 --out=explain
    python -m experiments.explain --weights=torchvision/squeezenet1_0 \
        --file=deep_compression.safetensors --preprocess=resize=256 --preprocess=crop=227 \
        --preprocess=mode=squash --preprocess=scale=1 --preprocess=mean=123,117,104 \
        --preprocess=std=1,1,1 --images=ILSVRC2012_img_val.tar --methods=all --out=explain
    # see docs/gallery
    python -m experiments.explain --weights=torchvision/squeezenet1_0 --images=samples \
        --gallery=gallery
    # a network trained here, on its test images
    python -m experiments.explain --run=runs/lenet --data_dir=... --out=explain

The first --count pictures are explained; all of them, up to --limit, are the set in which patches
and neighbors are looked for. Pictures of any size go through the preprocessing of the network. In
--out: a PNG for each picture, index.html with all of them (it needs no other file; arrow keys go
from picture to picture, n and p from section to section), and features.npz of the method features.
"""

import pathlib

from absl import flags

from cnnlab.classifier import Classifier
from cnnlab.data.sources import pictures
from cnnlab.visual import page, registry
from cnnlab.visual.request import Request

from . import common

common.network_flags()
_IMAGES = flags.DEFINE_string(
    'images',
    None,
    'Pictures: files apart by commas, a folder, a tar of ImageNet, or '
    "'samples', the two photographs that come with scikit-learn. Default: a run's test images, "
    'else its validation or training images.',
)
_COUNT = flags.DEFINE_integer('count', 3, 'How many pictures are explained.', lower_bound=1)
_LIMIT = flags.DEFINE_integer(
    'limit', 250, 'At most so many pictures are searched for patches and neighbors.', lower_bound=1
)
_METHODS = flags.DEFINE_list(
    'methods',
    [
        'filters',
        'activations',
        'deconvnet',
        'saliency',
        'guided_backprop',
        'integrated_gradients',
        'grad_cam',
        'occlusion',
    ],
    f'Sections, or all: {", ".join(registry.explanations())}.',
)
_LAYERS = flags.DEFINE_list(
    'layers', None, "Layers to look at, by path; default: four of the network's own parts."
)
_CAM = flags.DEFINE_string(
    'cam_layer',
    None,
    'The layer of Grad-CAM and of occlusion; default: the last with rows and columns.',
)
_DREAM = flags.DEFINE_string(
    'dream_layer', None, 'The layer of DeepDream; default: one in the middle.'
)
_CLASS = flags.DEFINE_integer(
    'class',
    None,
    'The class to explain in every picture; default: the most likely one of each.',
    lower_bound=0,
)
_WINDOW = flags.DEFINE_integer(
    'window',
    None,
    'Side of the occluding square; default: a seventh of the image.',
    lower_bound=1,
)
_STRIDE = flags.DEFINE_integer(
    'stride',
    None,
    'Pixels from one occlusion to the next; default: a 28th of the image.',
    lower_bound=1,
)
_MASKS = flags.DEFINE_integer('masks', 1000, 'Masks of RISE.', lower_bound=1)
_SAMPLES = flags.DEFINE_integer('samples', 25, 'Noisy copies of SmoothGrad.', lower_bound=1)
_STEPS = flags.DEFINE_integer('steps', 50, 'Steps of integrated gradients.', lower_bound=1)
_ASCENT = flags.DEFINE_integer('ascent', 256, 'Steps of maximize, invert and style.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Of everything random.', lower_bound=0)
_OUT = flags.DEFINE_string('out', 'explain', 'The folder to write.')
_GALLERY = flags.DEFINE_string(
    'gallery',
    None,
    'Also writes each row as one small PNG, and a README.md with all of them, into this folder.',
)


def pictures_of(network: common.Network) -> pictures.Pictures:
    """The pictures of --images, or of the set that a run was trained on.

    Raises:
      ValueError: no pictures are named, and the network is no run. FileNotFoundError: they are not
        there.
    """
    if _IMAGES.value:
        return pictures.open_pictures(_IMAGES.value, _LIMIT.value)
    if network.data is None:
        raise ValueError(
            'give the pictures to be explained: --images=cat.jpg,dog.jpg, a folder or a tar'
        )
    data = network.data()
    split = next(s for s in ('test', 'validation', 'train') if s in data)
    return pictures.from_source(data[split], _LIMIT.value)


def title_of(net: Classifier) -> str:
    """Names the network: 'resnet20 of r20 at step 3,000' for a run, else its id or file."""
    made = net.provenance
    if 'run' in made:
        return f'{net.architecture} of {made["run"]} at step {made["step"]:,}'
    return net.name


def main(_):
    """Writes the pictures and the page."""
    methods = list(registry.explanations()) if _METHODS.value == ['all'] else _METHODS.value
    asked = [registry.get(name) for name in methods]
    network = common.network()
    net = network.net
    out = pathlib.Path(_OUT.value)
    request = Request.of(
        net,
        pictures_of(network),
        count=_COUNT.value,
        classes=_CLASS.value,
        spatial=any(explanation.spatial for explanation in asked),
        paths=_LAYERS.value,
        cam_path=_CAM.value,
        dream_path=_DREAM.value,
        window=_WINDOW.value,
        stride=_STRIDE.value,
        masks=_MASKS.value,
        samples=_SAMPLES.value,
        steps=_STEPS.value,
        ascent=_ASCENT.value,
        seed=_SEED.value,
        folder=out,
    )
    title = title_of(net)
    facts = {
        'network': title,
        'preprocessing': net.preprocess.sentence(),
        'layers': ', '.join(request.paths) or 'none with rows and columns',
        'layer of Grad-CAM and occlusion': request.cam_path or 'none',
        'pictures explained': ', '.join(request.names),
        'set': f'{request.pictures.name}, {len(request.pictures)} pictures',
        'seed': request.seed,
    }
    groups = page.draw(request, methods)
    written = page.write(out, f'{title} explained', facts, groups)
    if _GALLERY.value:
        page.write_gallery(pathlib.Path(_GALLERY.value), f'{title} explained', groups)
    count = sum(len(group.panels) for drawn in groups.values() for group in drawn)
    print(f'wrote {written} with {count} pictures in {len(methods)} sections')


if __name__ == '__main__':
    common.start(main)
