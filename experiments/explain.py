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
        --sheets=sheets
    # a network trained here, on its test images
    python -m experiments.explain --run=runs/lenet --data_dir=... --out=explain

The first --count pictures are explained; all of them, up to --limit, are the set in which patches
and neighbors are looked for. Pictures of any size go through the preprocessing of the weights. In
--out: a PNG for each picture, index.html with all of them (it needs nothing else; arrow keys go
from picture to picture, n and p from section to section), and features.npz of the method features.
"""

import dataclasses
import io
import pathlib

import numpy as np
from absl import flags
from PIL import Image

from cnnlab import names, weights
from cnnlab.data import preprocessing
from cnnlab.data.sources import pictures
from cnnlab.report import plots
from cnnlab.report.files import write_bytes, write_text
from cnnlab.report.page import Picture, Row, Section, write_page
from cnnlab.train import runs
from cnnlab.visual import layers, target
from cnnlab.visual import pictures as drawing
from cnnlab.visual.pixels import Pixels

from . import common
from .explanations.case import Case, Group, Shown, layers_to_show
from .explanations.methods import METHODS
from .labels import labels_of
from .preprocess import preprocess

_WEIGHTS = flags.DEFINE_string('weights', None, 'Which weights: an id like torchvision/resnet50.')
_FILE = flags.DEFINE_string(
    'file', None, 'A file that holds them; without it they are downloaded, or come from the cache.'
)
_PREPROCESS = flags.DEFINE_multi_string(
    'preprocess', [], 'Replaces a field of the preprocessing: resize=256. May be repeated.'
)
_RUN = flags.DEFINE_string(
    'run',
    None,
    'Instead of --weights: a run directory, or one of its checkpoints; its test images are '
    'explained.',
)
_STEP = flags.DEFINE_string('step', 'last', "Which checkpoint of a run: 'last', 'best' or a step.")
_IMAGES = flags.DEFINE_string(
    'images',
    None,
    'Pictures: files apart by commas, a folder, a tar of ImageNet, or '
    "'samples', the two photographs that come with scikit-learn.",
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
    f'Sections, or all: {", ".join(METHODS)}.',
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
    'metric_buffer',
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
_SHEETS = flags.DEFINE_string(
    'sheets',
    None,
    'Also writes each row as one small PNG, and a README.md with all of them, into this folder.',
)

# pixels
_SHEET = 480


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A network and its pictures, wherever they are from.

    Attributes:
      title: of the page.
      said: how pictures became images.
      model, variables, pixels: see `case.Case`.
      image: index -> what the network takes.
      names, truth: of the pictures; truth is None where labels are not known.
      labels: a name for each class, by the number of classes.
    """

    title: str
    said: str
    model: object
    variables: object
    pixels: Pixels
    image: object
    names: tuple[str, ...]
    truth: tuple[int, ...] | None
    labels: object


def of_weights() -> Subject:
    """--weights with --images."""
    if not _IMAGES.value:
        raise ValueError(
            'give the pictures to be explained: --images=cat.jpg,dog.jpg, a folder or a tar'
        )
    entry = weights.entry(_WEIGHTS.value)
    seen = preprocess(entry.id, entry.preprocess, _PREPROCESS.value)
    found = pictures.open_pictures(_IMAGES.value, _LIMIT.value)
    if _FILE.value:
        model, variables = weights.from_file(
            entry.id.partition('.')[0], _FILE.value, fields=entry.fields
        )
    else:
        model, variables = weights.load(entry.id)
    title = (
        f'{entry.id.partition(".")[0]} from {pathlib.Path(_FILE.value).name}'
        if _FILE.value
        else entry.id
    )
    return Subject(
        title,
        f'Pictures are resized: {seen.sentence()}.',
        model,
        variables,
        Pixels.of(seen),
        lambda i: seen(found[i]),
        tuple(pathlib.PurePosixPath(n).name for n in found.names),
        found.labels,
        lambda count: [
            label.partition(',')[0].partition(' (n')[0] for label in labels_of(entry, count)
        ],
    )


def of_run() -> Subject:
    """--run with the test images of its own set, or its validation images."""
    if _IMAGES.value:
        raise ValueError(
            'a run is explained on the images of its own set; --images goes with --weights'
        )
    run, step = runs.find(_RUN.value, _STEP.value)
    setup, state = runs.restored(run, step, common.DATA_DIR.value)
    split = next(s for s in ('test', 'validation', 'train') if s in setup.data)
    source = setup.data[split]
    mean, std = preprocessing.statistics(setup.data['train'], setup.recipe.data.normalize)
    if np.ndim(std) == 2:
        raise ValueError(
            f'{run} whitens its images, so no picture can be made of what its network takes'
        )
    pixels = Pixels(mean, std, 255.0)
    average = state.evaluation_variables
    variables = {kind: leaves for kind, leaves in average.items() if leaves}
    found = pictures.of_source(source, _LIMIT.value)

    def image(i):
        # views of evaluation draw nothing
        rng = np.random.default_rng(0)
        return np.asarray(
            pixels.to_network(np.float32(setup.transform(found[i], rng))[None] / 255)[0]
        )

    return Subject(
        f'{setup.recipe.model} of {run.name} at step {step:,}',
        f'Images are those of {found.name}.',
        setup.model,
        variables,
        pixels,
        image,
        found.names,
        found.labels,
        lambda classes: list(source.class_names),
    )


def case_of(subject: Subject, asked: list[str], out: pathlib.Path) -> Case:
    """The subject with the flags' layers and numbers; layers and classes that do not exist are
    refused before any work.

    Raises:
      ValueError: besides those, a method among `asked` that draws maps, for a network that has
        none.
    """
    count = min(_COUNT.value, len(subject.names))
    images = np.stack([subject.image(i) for i in range(count)])
    paths = _LAYERS.value or layers_to_show(subject.model, subject.variables, images)
    for path in paths:
        layers.spatial(subject.model, subject.variables, images, path)
    cam = dream = None
    if paths or _CAM.value or any(METHODS[name].spatial for name in asked):
        cam = layers.spatial(subject.model, subject.variables, images, _CAM.value)
        dream = _DREAM.value or paths[len(paths) // 2]
        layers.known(subject.model, subject.variables, images, dream)
    classes = target.classes(subject.model, subject.variables, images, _CLASS.value)
    probabilities = np.asarray(
        target.probability(subject.model, subject.variables, images, classes)
    )
    known = target.logits(subject.model, subject.variables, images).shape[-1]
    size = min(images.shape[1:3])
    settings = {
        'cam_path': cam,
        'dream_path': dream,
        'masks': _MASKS.value,
        'samples': _SAMPLES.value,
        'steps': _STEPS.value,
        'ascent': _ASCENT.value,
        'octaves': 4 if size >= 128 else 1,
        'metric_buffer': _WINDOW.value or max(2, size // 7),
        'stride': _STRIDE.value or max(1, size // 28),
    }
    return Case(
        subject.model,
        subject.variables,
        subject.pixels,
        images,
        subject.names[:count],
        classes,
        probabilities,
        subject.labels(known),
        subject.image,
        subject.names,
        subject.truth,
        paths,
        settings,
        _SEED.value,
        out,
    )


def main(_):
    """Writes the pictures and the page."""
    if bool(_WEIGHTS.value) == bool(_RUN.value):
        raise ValueError(
            'say which network is explained: --weights=... or --run=..., one of the two'
        )
    asked = list(METHODS) if _METHODS.value == ['all'] else _METHODS.value
    for name in asked:
        names.among('method', name, METHODS)
    out = pathlib.Path(_OUT.value)
    subject = of_weights() if _WEIGHTS.value else of_run()
    case = case_of(subject, asked, out)
    facts = {
        'network': subject.title,
        'layers': ', '.join(case.paths) or 'none with rows and columns',
        'layer of Grad-CAM and occlusion': case.settings['cam_path'] or 'none',
        'pictures explained': ', '.join(case.names),
        'pictures in the set': len(case.collection_names),
        'seed': _SEED.value,
    }
    sections = [
        Section(
            'Network and pictures',
            [
                f'{subject.said} Keys: the arrow keys go from picture to picture, n and p to the '
                f'next and '
                'the previous section.',
                facts,
            ],
        )
    ]
    count, groups = 0, {}
    for name in asked:
        method = METHODS[name]
        groups[name] = list(method.groups(case))
        rows = [Row(group, [picture(out, item) for item in shown]) for group, shown in groups[name]]
        count += sum(len(row.pictures) for row in rows)
        sections.append(Section(method.title, [method.text, *rows]))
    page = write_page(out / 'index.html', f'{subject.title} explained', sections)
    if _SHEETS.value:
        sheets(pathlib.Path(_SHEETS.value), subject.title, groups)
    print(f'wrote {page} with {count} pictures in {len(asked)} sections')


def picture(out: pathlib.Path, shown: Shown) -> Picture:
    """Writes the PNG and gives it to the page."""
    path = out / f'{shown.name}.png'
    if isinstance(shown.image, np.ndarray):
        write_bytes(path, png(Image.fromarray(shown.image)))
    else:
        plots.save(shown.image, path)
    return Picture(path, shown.caption, shown.caption, by_pixel=isinstance(shown.image, np.ndarray))


def sheets(folder: pathlib.Path, title: str, groups: dict[str, list[Group]]) -> None:
    """Writes each row of pictures as one PNG at most `_SHEET` pixels wide, and a README.md that
    shows them; plots are left out.
    """
    lines = [f'# {title} explained', '']
    for name, rows in groups.items():
        lines += [f'## {METHODS[name].title}', '', METHODS[name].text, '']
        for number, (group, shown) in enumerate(rows):
            drawn = [item.image for item in shown if isinstance(item.image, np.ndarray)]
            if not drawn:
                continue
            side = min(max(max(d.shape[:2]) for d in drawn), _SHEET // min(len(drawn), 4))
            strip = drawing.sheet([drawing.enlarged(d, side) for d in drawn], 4)
            file = f'{name}_{number}.png'
            write_bytes(folder / file, png(Image.fromarray(strip).quantize(256)))
            # what several pictures say, once
            said = dict.fromkeys(part for item in shown for part in item.caption.split('; '))
            lines += [f'![{group}]({file})', '', '; '.join(said), '']
    write_text(folder / 'README.md', '\n'.join(lines))


def png(image: Image.Image) -> bytes:
    """As PNG."""
    file = io.BytesIO()
    image.save(file, 'PNG', optimize=True)
    return file.getvalue()


if __name__ == '__main__':
    common.start(main)
