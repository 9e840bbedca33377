"""Studies of one claim: trains variants of a recipe over several seeds and reports the results.

An experiment states a `SeedStudy` and calls `run` with its recipes by name. Finished runs are not
trained again, and interrupted runs resume. The working directory gets report.html, table.csv and
curves.png. With `Settings.results`, that folder gets a Markdown note with the table, command,
hardware, seeds and time, and a PNG of the curves.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from cnnlab.recipes.recipe import Recipe
from cnnlab.report import page, plots
from cnnlab.report.files import write_bytes, write_text
from cnnlab.report.numbers import MeanStd, mean_std, show
from cnnlab.report.page import Picture, Section
from cnnlab.report.table import Cell, Column, Table
from cnnlab.studies import seeds
from cnnlab.studies.seeds import Runs
from cnnlab.train import workdir
from cnnlab.train.monitor import run_log
from cnnlab.train.options import Options

COLUMNS = (
    Column('variant'),
    Column('training loss', 'number', 4),
    Column('training error', 'percent'),
    Column('validation error', 'percent'),
    Column('test error', 'percent'),
    Column('train s', 'seconds'),
    Column('images/s', 'integer'),
)
# training loss and error are means over the last 1 / _LAST of the steps
_LAST = 10


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to carry out a study.

    Attributes:
      seeds: runs of each variant, with seeds 0, 1, ...
      workdir: the directory for runs, table, curves and page.
      data_dir: where prepared data sets are.
      shard: see `sharding.state_sharding`.
      options: of each run.
      override: changes the recipe of every variant, as --set does.
      results: the folder for the note; None writes none.
      command: the command line, for the note.
      note: a remark on the circumstances, for the note.
    """

    seeds: int
    workdir: str
    data_dir: str | None = None
    shard: str = 'none'
    options: Options = Options()
    override: Callable[[Recipe], Recipe] = lambda recipe: recipe
    results: str | None = None
    command: str = ''
    note: str = ''


@dataclasses.dataclass(frozen=True)
class SeedStudy:
    """One claim of a paper or a lecture.

    Attributes:
      name: of its files.
      title: a heading.
      expected: the claim of the source, with the number of its figure or table.
      reading: {variant: Runs} -> the result in sentences, and whether it is as expected.
      curve: the curves to draw, 'error' or 'loss'.
    """

    name: str
    title: str
    expected: str
    reading: Callable[[Mapping[str, Runs]], str]
    curve: str = 'error'


def last(runs: Runs, key: str) -> list[float]:
    """Returns a training metric of every seed: its mean over the last tenth of the steps."""
    out = []
    for log, result in zip(runs.logs, runs.results, strict=True):
        steps, values = run_log.series(log, 'train', key)
        kept = [
            v for s, v in zip(steps, values, strict=True) if s > result['steps'] * (1 - 1 / _LAST)
        ] or values[-1:]
        out.append(sum(kept) / len(kept))
    return out


def training_error(runs: Runs) -> MeanStd | None:
    """Returns the training error over the seeds; None if no run finished."""
    return mean_std(1 - v for v in last(runs, 'top1')) if runs.results else None


def error(runs: Runs, split: str = 'test') -> MeanStd | None:
    """Returns the error of the last states on a split, over the seeds; None if no run finished."""
    if not runs.results or split not in runs.results[0]['final']:
        return None
    return mean_std(1 - v for v in runs.scores('top1', split))


def beside(runs: Runs, other: Runs, split: str = 'test') -> str:
    """Compares the errors of two variants in words: 'lower than that', 'within chance of that', ...

    A difference counts if it exceeds two standard errors, given the number of images.
    """
    own_error, other_error = error(runs, split), error(other, split)
    if own_error is None or other_error is None:
        return 'not to be compared with that'
    mine, theirs = own_error.mean, other_error.mean
    images = len(runs.setup.data[split])
    noise = (
        sum(p * (1 - p) / (images * len(r.results)) for p, r in ((mine, runs), (theirs, other)))
        ** 0.5
    )
    if abs(mine - theirs) <= 2 * noise:
        return 'within chance of that'
    return 'lower than that' if mine < theirs else 'higher than that'


def percent(value: MeanStd | None) -> str:
    """Formats a value for a sentence: '1.23 ± 0.04%'."""
    return 'none (diverged)' if value is None else show(value, 'percent')


def study_table(study: SeedStudy, measured: Mapping[str, Runs], count: int) -> Table:
    """Builds the table with one row per variant.

    Args:
      study: which gives the title.
      measured: {variant: runs}, in the order of the rows.
      count: seeds of each variant.
    """
    rows: list[tuple[Cell, ...]] = []
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
        'Training loss and error are means over the last tenth of the steps, on training batches '
        'as the network sees them, with augmentation and dropout. Validation and test error are '
        'those of the last state. Values are means ± sample standard deviation over '
        f'{count} seed{"s" * (count > 1)}. Training seconds exclude compilation and evaluation.'
    ]
    notes += [
        f'{name}: {len(runs.diverged)} of {count} seeds diverged; the first: {runs.diverged[0]}.'
        for name, runs in measured.items()
        if runs.diverged
    ]
    return Table(COLUMNS, rows, study.title, notes)


def curves(study: SeedStudy, measured: Mapping[str, Runs]) -> Figure:
    """Draws training and validation error, or loss, by step, on a logarithmic scale."""
    drawn = {
        name: run_log.curve(runs.logs, 'top1' if study.curve == 'error' else study.curve)
        for name, runs in measured.items()
        if runs.results
    }
    if study.curve == 'error':
        drawn = {
            name: {k: v if k == 'step' else 100 * (1 - v) for k, v in parts.items()}
            for name, parts in drawn.items()
        }
    return plots.learning_curves(
        drawn, 'error (%)' if study.curve == 'error' else study.curve, log=True
    )


def circumstances(settings: Settings) -> dict[str, str]:
    """Returns command, hardware, devices and versions, and `settings.note`."""
    facts = workdir.describe()
    return {
        'command': settings.command,
        'hardware': facts['platform'],
        'devices': ', '.join(facts['devices']),
        'versions': f'Python {facts["python"]}, '
        + ', '.join(f'{p} {facts["versions"][p]}' for p in ('jax', 'flax', 'optax')),
        **({'note': settings.note} if settings.note else {}),
    }


def how(measured: Mapping[str, Runs], settings: Settings) -> dict[str, str]:
    """Returns what a reader needs to repeat the study: `circumstances`, seeds and time."""
    total = sum(r['seconds'] for runs in measured.values() for r in runs.results)
    return {
        **circumstances(settings),
        'seeds': ', '.join(map(str, range(settings.seeds))),
        'training': f'{show(total, "seconds")} in all',
    }


def note(
    study: SeedStudy,
    reading: str,
    shown: Table,
    facts: Mapping[str, str],
    folder: str,
    figure: Figure | None = None,
    caption: str = '',
) -> None:
    """Writes <name>.md and, with a figure, <name>.png into a folder.

    Args:
      study: which gives name, title and expectation.
      reading: the result in sentences.
      shown: the table.
      facts: of `how` or `circumstances`.
      folder: to write to.
      figure: the curves.
      caption: of the figure.
    """
    results = pathlib.Path(folder)
    picture = []
    if figure is not None:
        write_bytes(results / f'{study.name}.png', plots.small_png(figure))
        picture = [f'![{caption}]({study.name}.png)', f'*{caption}*']
    lines = [
        f'# {study.title}',
        f'Expected: {study.expected}',
        f'Measured: {reading}',
        shown.to_markdown().partition('\n\n')[2].strip(),
        *picture,
        f'```\n{facts["command"]}\n```',
        '\n'.join(f'- {k}: {v}' for k, v in facts.items() if k != 'command'),
    ]
    write_text(results / f'{study.name}.md', '\n\n'.join(lines) + '\n')
    print(f'wrote {results / study.name}.md')


def write(
    study: SeedStudy,
    measured: Mapping[str, Runs],
    settings: Settings,
    figure: Figure,
    caption: str,
) -> None:
    """Prints the result, and writes the page, the table, the curves and, if asked for, the note.

    Args:
      study: the claim.
      measured: {variant: runs}.
      settings: of the study.
      figure: the curves.
      caption: of the figure.
    """
    out = workdir.writable(settings.workdir)
    shown = study_table(study, measured, settings.seeds)
    facts = how(measured, settings)
    reading = study.reading(measured)
    shown.print()
    print(reading)
    write_text(out / 'table.csv', shown.to_csv())
    plots.save(figure, out / 'curves.png')
    page.write_page(
        out / 'report.html',
        study.title,
        [
            Section('The claim', [study.expected]),
            Section('Measured', [shown, reading]),
            Section('Curves', [Picture(figure, caption, f'{study.title}: {caption}')]),
            Section('How it was made', [facts]),
        ],
    )
    print(f'wrote {out}/report.html, table.csv and curves.png')
    if settings.results:
        note(study, reading, shown, facts, settings.results, figure, caption)


def measure(
    recipes: Mapping[str, Recipe], settings: Settings, count: int | None = None
) -> dict[str, Runs]:
    """Trains every variant in a directory of its own.

    Args:
      recipes: {variant: recipe}.
      settings: of the study.
      count: seeds of each variant (default: `settings.seeds`).

    Returns:
      {variant: runs}.
    """
    out = workdir.writable(settings.workdir)
    # all at once, so that a mistake is found before anything is trained
    recipes = {name: settings.override(recipe) for name, recipe in recipes.items()}
    measured: dict[str, Runs] = {}
    for name, recipe in recipes.items():
        before = next(reversed(measured.values())).setup if measured else None
        measured[name] = seeds.train(
            recipe,
            count or settings.seeds,
            out / 'runs' / directory(name),
            settings.data_dir,
            shard=settings.shard,
            options=settings.options,
            tolerant=True,
            like=before,
        )
    return measured


def directory(name: str) -> str:
    """Turns a variant's name into a directory name; slashes make subdirectories."""
    return ''.join(c if c.isalnum() or c in '-_./' else '_' for c in name)


def run(study: SeedStudy, recipes: Mapping[str, Recipe], settings: Settings) -> dict[str, Runs]:
    """Trains every variant and writes the results.

    Args:
      study: the claim.
      recipes: {variant: recipe}.
      settings: of the study.

    Returns:
      {variant: runs}.
    """
    measured = measure(recipes, settings)
    quantity = study.curve.capitalize()
    write(
        study,
        measured,
        settings,
        curves(study, measured),
        f'{quantity} on training batches and on validation images during training',
    )
    return measured
