r"""Explains predictions: attributions, projections, synthesized images, the feature space.

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
    # a run, on its test images
    python -m experiments.explain --run=runs/lenet --data_dir=... --out=explain

The first --count pictures are explained. Patches and neighbors are searched in the first --limit
pictures. Pictures of any size go through the preprocessing of the network. Writes into --out: one
PNG per picture, index.html with all of them (it needs no other file; arrow keys move between
pictures, n and p between sections), and features.npz of the method features.
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
    "Pictures: files separated by commas, a folder, a tar of ImageNet, or 'samples', the two "
    "photographs that come with scikit-learn. Default: the run's test images, else its validation "
    'or training images.',
)
_COUNT = flags.DEFINE_integer('count', 3, 'Number of pictures to explain.', lower_bound=1)
_LIMIT = flags.DEFINE_integer(
    'limit', 250, 'Largest number of pictures searched for patches and neighbors.', lower_bound=1
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
    f'Sections of the page, or all: {", ".join(registry.explanations())}.',
)
_LAYERS = flags.DEFINE_list(
    'layers', None, "Layers to explain, by path. Default: four of the network's own parts."
)
_CAM = flags.DEFINE_string(
    'cam_layer',
    None,
    'Layer of Grad-CAM and occlusion. Default: the last with rows and columns.',
)
_DREAM = flags.DEFINE_string('dream_layer', None, 'Layer of DeepDream. Default: one in the middle.')
_CLASS = flags.DEFINE_integer(
    'class',
    None,
    'Class to explain in every picture, by number. Default: the most probable one of each.',
    lower_bound=0,
)
_WINDOW = flags.DEFINE_integer(
    'window',
    None,
    'Side of the occluding square in pixels. Default: a seventh of the image.',
    lower_bound=1,
)
_STRIDE = flags.DEFINE_integer(
    'stride',
    None,
    'Stride of the occlusion in pixels. Default: a 28th of the image.',
    lower_bound=1,
)
_MASKS = flags.DEFINE_integer('masks', 1000, 'Number of masks of RISE.', lower_bound=1)
_SAMPLES = flags.DEFINE_integer(
    'samples', 25, 'Number of noisy copies of SmoothGrad.', lower_bound=1
)
_STEPS = flags.DEFINE_integer(
    'steps', 50, 'Number of steps of integrated gradients.', lower_bound=1
)
_ASCENT = flags.DEFINE_integer(
    'ascent', 256, 'Number of steps of maximize, invert and style.', lower_bound=1
)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of all random numbers.', lower_bound=0)
_OUT = flags.DEFINE_string('out', 'explain', 'Folder to write.')
_GALLERY = flags.DEFINE_string(
    'gallery',
    None,
    'Folder for a gallery: each row as one small PNG, and a README.md with all of them.',
)


def pictures_of(network: common.Network) -> pictures.Pictures:
    """Returns the pictures of --images, or of the data set that a run was trained on.

    Raises:
      ValueError: no pictures are given, and the network is not a run.
      FileNotFoundError: the pictures do not exist.
    """
    if _IMAGES.value:
        return pictures.open_pictures(_IMAGES.value, _LIMIT.value)
    if network.data is None:
        raise ValueError(
            'give the pictures to explain: --images=cat.jpg,dog.jpg, a folder or a tar'
        )
    data = network.data()
    split = next(s for s in ('test', 'validation', 'train') if s in data)
    return pictures.from_source(data[split], _LIMIT.value)


def title_of(net: Classifier) -> str:
    """Returns 'resnet20 of r20 at step 3,000' for a run, else the id or file of the network."""
    made = net.provenance
    if 'run' in made:
        return f'{net.architecture} of {made["run"]} at step {made["step"]:,}'
    return net.name


def main(_):
    """Explains the pictures and writes the page."""
    methods = list(registry.explanations()) if _METHODS.value == ['all'] else _METHODS.value
    explanations = [registry.get(name) for name in methods]
    network = common.network()
    net = network.net
    out = pathlib.Path(_OUT.value)
    request = Request.of(
        net,
        pictures_of(network),
        count=_COUNT.value,
        classes=_CLASS.value,
        spatial=any(explanation.spatial for explanation in explanations),
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
