"""What the experiments on one claim share: recipes side by side, several seeds each -> a table,
curves, a page, a note to be kept.

An experiment states a `Claim` and calls `main` with its recipes by name. Runs that are finished are
not made again, one that was stopped goes on. Into --workdir go report.html, table.csv and
curves.png; with --results=docs/results a Markdown note with the table, command, hardware, seeds and
time besides, and the curves as PNG beside it.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Callable, Mapping

from absl import flags
from matplotlib.figure import Figure

from cnnlab.recipes.recipe import Recipe
from cnnlab.report import page, plots
from cnnlab.report.files import write_bytes, write_text
from cnnlab.report.numbers import MeanStd, mean_std, show
from cnnlab.report.page import Picture, Section
from cnnlab.report.table import Column, Table
from cnnlab.train import workdir
from cnnlab.train.monitor import run_log

from . import common, seeds
from .seeds import Runs

SEEDS = flags.DEFINE_integer(
    'seeds', 1, 'Runs of each variant, with seeds 0, 1, ...', lower_bound=1
)
RESULTS = flags.DEFINE_string(
    'results', None, 'Directory that gets <claim>.md and <claim>.png besides, such as docs/results.'
)
NOTE = flags.DEFINE_string(
    'note', '', 'A sentence on the circumstances for that note, such as what else the machine did.'
)

COLUMNS = (
    Column('variant'),
    Column('training loss', 'number', 4),
    Column('training error', 'percent'),
    Column('validation error', 'percent'),
    Column('test error', 'percent'),
    Column('train s', 'seconds'),
    Column('images/s', 'integer'),
)
# flags whose values say where files are on one machine
_PRIVATE = ('data_dir', 'workdir', 'results', 'note')
# the training figures are means over the last tenth of the steps
_LAST = 10


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim of a paper or a lecture.

    Attributes:
      name: of its files.
      title: a heading.
      expected: what the source says, with its figure.
      reading: {variant: Runs} -> sentences: what was found, and whether it is as expected.
      curve: the key of the log that is drawn, 'error' or 'loss'.
    """

    name: str
    title: str
    expected: str
    reading: Callable[[Mapping[str, Runs]], str]
    curve: str = 'error'


def last(runs: Runs, key: str) -> list[float]:
    """A training figure of every seed: its mean over the records of the last tenth of the steps."""
    out = []
    for log, result in zip(runs.logs, runs.results, strict=True):
        steps, values = run_log.series(log, 'train', key)
        kept = [
            v for s, v in zip(steps, values, strict=True) if s > result['steps'] * (1 - 1 / _LAST)
        ] or values[-1:]
        out.append(sum(kept) / len(kept))
    return out


def training_error(runs: Runs) -> MeanStd | None:
    """The share of training images got wrong, over the seeds; None where no run came to its end."""
    return mean_std(1 - v for v in last(runs, 'top1')) if runs.results else None


def error(runs: Runs, split: str = 'test') -> MeanStd | None:
    """The share of a split that the last states get wrong, over the seeds; None without runs."""
    if not runs.results or split not in runs.results[0]['final']:
        return None
    return mean_std(1 - v for v in runs.scores('top1', split))


def beside(runs: Runs, other: Runs, split: str = 'test') -> str:
    """The share got wrong against another's, as 'lower than that'; a difference counts beyond two
    standard errors of so many images.
    """
    mine, theirs = error(runs, split).mean, error(other, split).mean
    images = len(runs.setup.data[split])
    noise = (
        sum(p * (1 - p) / (images * len(r.results)) for p, r in ((mine, runs), (theirs, other)))
        ** 0.5
    )
    if abs(mine - theirs) <= 2 * noise:
        return 'within chance of that'
    return 'lower than that' if mine < theirs else 'higher than that'


def percent(value: MeanStd | None) -> str:
    """For a sentence: '1.23 ± 0.04%'."""
    return 'none (diverged)' if value is None else show(value, 'percent')


def claim_table(claim: Claim, measured: Mapping[str, Runs]) -> Table:
    """A row a variant, in their order."""
    rows = []
    for name, runs in measured.items():
        if not runs.results:
            rows.append((name, *[None] * (len(COLUMNS) - 1)))
            continue
        speed = round(sum(r['images_per_second'] for r in runs.results) / len(runs.results))
        rows.append(
            (
                name,
                mean_std(last(runs, 'loss')),
                training_error(runs),
                error(runs, 'validation'),
                error(runs),
                mean_std(r['seconds'] for r in runs.results),
                speed,
            )
        )
    notes = [
        'Training loss and error: means over the last tenth of the steps, on training batches as '
        'the network got them (augmented, '
        'with dropout where there is any). Validation and test error: of the last state. '
        f'Mean ± sample standard deviation over {SEEDS.value} seed{"s" * (SEEDS.value > 1)}. '
        f'Training seconds leave out compilation '
        'and evaluation.'
    ]
    notes += [
        f'{name}: {len(runs.diverged)} of {SEEDS.value} seeds diverged; the first: '
        f'{runs.diverged[0]}.'
        for name, runs in measured.items()
        if runs.diverged
    ]
    return Table(COLUMNS, rows, claim.title, notes)


def curves(claim: Claim, measured: Mapping[str, Runs]) -> Figure:
    """Training and validation error, or loss, by step, on a logarithmic scale."""
    drawn = {
        name: run_log.curve(runs.logs, 'top1' if claim.curve == 'error' else claim.curve)
        for name, runs in measured.items()
        if runs.results
    }
    if claim.curve == 'error':
        drawn = {
            name: {k: v if k == 'step' else 100 * (1 - v) for k, v in parts.items()}
            for name, parts in drawn.items()
        }
    return plots.learning_curves(
        drawn, 'error (%)' if claim.curve == 'error' else claim.curve, log=True
    )


def command() -> str:
    """The command line without the places of one machine."""
    module = next((a for a in sys.orig_argv if a.startswith('experiments.')), 'experiments')
    kept = [a for a in sys.argv[1:] if not a.lstrip('-').startswith(_PRIVATE)]
    return ' '.join(
        [
            'python -m',
            module,
            *(f'"{a}"' if ' ' in a else a for a in kept),
            '--data_dir=DATA',
            '--workdir=OUT',
        ]
    )


def circumstances() -> dict[str, str]:
    """The command, hardware and versions, and --note."""
    facts = workdir.describe()
    return {
        'command': command(),
        'hardware': facts['platform'],
        'devices': ', '.join(facts['devices']),
        'versions': f'Python {facts["python"]}, '
        + ', '.join(f'{p} {facts["versions"][p]}' for p in ('jax', 'flax', 'optax')),
        **({'note': NOTE.value} if NOTE.value else {}),
    }


def how(measured: Mapping[str, Runs]) -> dict[str, str]:
    """What a reader needs to repeat it."""
    total = sum(r['seconds'] for runs in measured.values() for r in runs.results)
    return {
        **circumstances(),
        'seeds': ', '.join(map(str, range(SEEDS.value))),
        'training': f'{show(total, "seconds")} in all',
    }


def note(
    claim: Claim,
    reading: str,
    shown: Table,
    facts: Mapping[str, str],
    figure: Figure | None = None,
    caption: str = '',
) -> None:
    """Writes <claim>.md and, with a figure, <claim>.png into --results."""
    folder = pathlib.Path(RESULTS.value)
    picture = []
    if figure is not None:
        write_bytes(folder / f'{claim.name}.png', plots.small_png(figure))
        picture = [f'![{caption}]({claim.name}.png)', f'*{caption}*']
    lines = [
        f'# {claim.title}',
        f'Expected: {claim.expected}',
        f'Measured: {reading}',
        shown.to_markdown().partition('\n\n')[2].strip(),
        *picture,
        f'```\n{facts["command"]}\n```',
        '\n'.join(f'- {k}: {v}' for k, v in facts.items() if k != 'command'),
    ]
    write_text(folder / f'{claim.name}.md', '\n\n'.join(lines) + '\n')
    print(f'wrote {folder / claim.name}.md')


def write(
    claim: Claim, measured: Mapping[str, Runs], out: pathlib.Path, figure: Figure, caption: str
) -> None:
    """The page, the table, the curves, and the note where --results asks for it."""
    shown, facts, reading = claim_table(claim, measured), how(measured), claim.reading(measured)
    shown.print()
    print(reading)
    write_text(out / 'table.csv', shown.to_csv())
    plots.save(figure, out / 'curves.png')
    page.write_page(
        out / 'report.html',
        claim.title,
        [
            Section('The claim', [claim.expected]),
            Section('Measured', [shown, reading]),
            Section('Curves', [Picture(figure, caption, f'{claim.title}: {caption}')]),
            Section('How it was made', [facts]),
        ],
    )
    print(f'wrote {out}/report.html, table.csv and curves.png')
    if RESULTS.value:
        note(claim, reading, shown, facts, figure, caption)


def measure(recipes: Mapping[str, Recipe], count: int | None = None) -> dict[str, Runs]:
    """Trains every variant in a directory of its name, with `count` seeds (default: --seeds); --set
    changes the recipes of all.
    """
    out = workdir.writable(common.workdir())
    # a mistake is told before anything is trained
    recipes = {name: common.override(recipe) for name, recipe in recipes.items()}
    measured: dict[str, Runs] = {}
    for name, recipe in recipes.items():
        before = next(reversed(measured.values())).setup if measured else None
        measured[name] = seeds.train(
            recipe,
            count or SEEDS.value,
            out / 'runs' / directory(name),
            common.DATA_DIR.value,
            tolerant=True,
            like=before,
        )
    return measured


def directory(name: str) -> str:
    """A variant's name as that of a directory, of several levels where it has slashes."""
    return ''.join(c if c.isalnum() or c in '-_./' else '_' for c in name)


def main(claim: Claim, recipes: Mapping[str, Recipe]) -> dict[str, Runs]:
    """Trains every variant and writes what was found; returns it."""
    measured = measure(recipes)
    what = 'Error' if claim.curve == 'error' else claim.curve.capitalize()
    write(
        claim,
        measured,
        workdir.writable(common.workdir()),
        curves(claim, measured),
        f'{what} on training batches and on validation images during training',
    )
    return measured
