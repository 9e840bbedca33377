r"""Trains several networks on one data set with several seeds, and compares them on one page.

    # the demo: eight networks, no download
    python -m experiments.compare --dataset=digits --workdir=demo
    python -m experiments.compare --dataset=mnist --models=lenet5,resnet20 --seeds=3 \
        --data_dir=... --workdir=runs/mnist

All networks share one recipe, with the exceptions that `cnnlab/recipes/baseline.py` names; --set
changes it for all of them. Networks that accept any size get the images as they are; networks of a
fixed size get them enlarged. Accuracy is measured on the test images after the last step; choices
are made on the validation images. Finished runs are kept, and an interrupted run resumes.

Writes report.html, table.md, table.csv, accuracy_parameters.png, accuracy_macs.png and
learning_curves.png into --workdir.
"""

import dataclasses
import pathlib

from absl import flags

from cnnlab import weights
from cnnlab.analysis import cost
from cnnlab.data import sources
from cnnlab.models import registry, sizes
from cnnlab.recipes import baseline
from cnnlab.report import page, plots
from cnnlab.report.files import write_text
from cnnlab.report.numbers import mean_std
from cnnlab.report.page import Picture, Section
from cnnlab.report.table import Column, Table
from cnnlab.studies import seeds
from cnnlab.train import workdir
from cnnlab.train.monitor import run_log

from . import common

flags.adopt_module_key_flags(common)
EIGHT = (
    'softmax_linear',
    'mlp2',
    'mlp3',
    'lenet5',
    'lenet5_dense',
    'convnetjs_cifar10',
    'cifar_plain20',
    'cifar_resnet20',
)

_DATASET = flags.DEFINE_string(
    'dataset',
    'digits',
    f'Data set: {", ".join(sources.DATA_SETS)}, or one that is prepared in --data_dir.',
)
_MODELS = flags.DEFINE_list(
    'models',
    list(EIGHT),
    'Networks, separated by commas: registered names, or ids of published weights that fit them.',
)
_SEEDS = flags.DEFINE_integer(
    'seeds', 3, 'Number of runs per network, with seeds 0, 1, ...', lower_bound=1
)

_COLUMNS = (
    Column('network'),
    Column('paper'),
    Column('input'),
    Column('parameters', 'integer'),
    Column('MACs', 'quantity'),
    Column('top-1', 'percent'),
    Column('top-5', 'percent'),
    Column('train s', 'seconds'),
    Column('images/s', 'integer'),
)


@dataclasses.dataclass(frozen=True)
class Compared:
    """One network of the comparison, with its cost and its runs."""

    model: str
    paper: str
    input_shape: tuple[int, int, int]
    params: int
    macs: int
    runs: seeds.Runs

    def row(self) -> tuple:
        """Returns the row of the network in the table."""
        results = self.runs.results
        speed = round(sum(r['images_per_second'] for r in results) / len(results))
        h, w, c = self.input_shape
        return (
            self.model,
            self.paper,
            f'{h}x{w}x{c}',
            self.params,
            self.macs,
            mean_std(self.runs.scores('top1')),
            mean_std(self.runs.scores('top5')),
            mean_std(r['seconds'] for r in results),
            speed,
        )


def train_all(
    model: str, dataset: str, count: int, root: pathlib.Path, data_dir: str | None
) -> Compared:
    """Trains one network with every seed; the training step compiles once."""
    name, _ = weights.model_of(model)
    # an id such as torchvision/resnet18 says more than the network's name
    shown = model if '/' in model else name
    shape = _image_shape(dataset, data_dir, registry.entry(name).input_shape)
    size = sizes.fitting(name, shape[1])
    recipe = baseline.recipe(name, dataset, shape[0], size)
    recipe = common.override(recipe.replace(model=model))
    runs = seeds.train(
        recipe,
        count,
        root / 'runs' / shown.replace('/', '_'),
        data_dir,
        shard=common.SHARD.value,
        options=common.options(),
    )
    costs = cost.costs(runs.setup.model, runs.setup.image.shape[1:])
    return Compared(
        shown,
        registry.entry(name).paper,
        runs.setup.image.shape[1:],
        costs.params,
        costs.macs,
        runs,
    )


def _image_shape(dataset, data_dir, native) -> tuple[tuple[int, int] | None, tuple[int, int, int]]:
    """Returns the size of the images, and the shape that decides the input size of the network.

    Returns:
      ((height, width), (h, w, c)); (None, native) where the images differ in size.
    """
    shape = sources.load(dataset, 'train', data_dir=data_dir).image_shape
    return (None, native) if shape is None else (tuple(shape[:2]), tuple(shape))


def describe(compared: list[Compared], dataset: str, count: int) -> Table:
    """Returns the table of the results, best network first."""
    splits = compared[0].runs.results[0]['final']
    notes = [
        f'Top-1 and top-5 on the {splits["test"]["n"]:,} test images after the last step: mean ± '
        f'sample standard deviation over {count} seeds. MACs are multiply-adds of convolutions and '
        f'dense layers for one image at the input size shown. Training seconds exclude '
        f'compilation and evaluation.'
    ]
    rows = sorted((c.row() for c in compared), key=lambda row: -row[5].mean)
    return Table(_COLUMNS, rows, f'{len(compared)} networks on {dataset}', notes)


def write(compared: list[Compared], table: Table, out: pathlib.Path, dataset: str) -> None:
    """Writes the plots, the tables and the page."""
    names = [c.model for c in compared]
    top1 = [mean_std(c.runs.scores('top1')) for c in compared]
    error = [s.std for s in top1]
    accuracy = [s.mean for s in top1]
    pictures = []
    for key, label, caption in (
        ('params', 'parameters', 'parameters'),
        ('macs', 'multiply-adds per image', 'multiply-adds'),
    ):
        figure = plots.scatter_accuracy(
            names, [getattr(c, key) for c in compared], accuracy, xlabel=label, error=error
        )
        plots.save(figure, out / f'accuracy_{"parameters" if key == "params" else "macs"}.png')
        pictures.append(
            Picture(
                figure,
                f'Test top-1 accuracy against {caption}; bars are one standard deviation over the '
                'seeds.',
                f'Scatter plot of test accuracy against {caption} for {", ".join(names)}.',
            )
        )
    curves = plots.learning_curves(
        {c.model: run_log.curve(c.runs.logs, 'top1') for c in compared}, 'top-1 accuracy'
    )
    plots.save(curves, out / 'learning_curves.png')
    pictures.append(
        Picture(
            curves,
            'Top-1 accuracy during training, on training batches (augmented) and on the '
            'validation images; bands are one standard deviation over the seeds.',
            'Learning curves of every network.',
        )
    )
    write_text(out / 'table.md', table.to_markdown())
    write_text(out / 'table.csv', table.to_csv())
    facts = workdir.describe()
    page.write_page(
        out / 'report.html',
        f'{len(compared)} networks on {dataset}',
        [
            Section('Results', [table]),
            Section('Accuracy and cost', pictures[:2]),
            Section('Learning curves', pictures[2:]),
            Section(
                'How it was made',
                [
                    {
                        'command': ' '.join(facts['command']),
                        'seeds': f'0 to {len(compared[0].runs.logs) - 1}',
                        'devices': ', '.join(facts['devices']),
                        'platform': facts['platform'],
                        **facts['versions'],
                        'commit': (facts['git'] or {}).get('commit', 'none'),
                    },
                    'Every run keeps its recipe, versions, seed and log in its own directory '
                    'below runs/.',
                ],
            ),
        ],
    )


def main(_):
    """Trains the networks, prints the table and writes the report."""
    out = workdir.writable(common.workdir())
    for model in _MODELS.value:
        # a misspelled name fails before anything is trained
        weights.model_of(model)
    compared = [
        train_all(m, _DATASET.value, _SEEDS.value, out, common.DATA_DIR.value)
        for m in _MODELS.value
    ]
    table = describe(compared, _DATASET.value, _SEEDS.value)
    table.print()
    write(compared, table, out, _DATASET.value)
    print(f'wrote {out}/report.html, table.md, table.csv and three plots')


if __name__ == '__main__':
    common.start(main)
