"""An HTML page of networks under attack: tables, curves, calibration, transfer and images."""

import pathlib
from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from cnnlab.attacks import catalog
from cnnlab.report import plots, robustness
from cnnlab.report.files import write_text
from cnnlab.report.page import Picture, Section, write_page
from cnnlab.studies import attack_study, attack_tables
from cnnlab.studies.attack_study import Bench, Plan
from cnnlab.studies.attack_tables import Entry

_UNITS = (
    'Changes and budgets are in units of [0, 1]: 1/255 is one gray level of the pixels that the '
    'network is given, before it normalizes them. The PNG of a changed image rounds it to gray '
    'levels.'
)


def write(out: pathlib.Path, images: str, benches: Sequence[Bench], plan: Plan) -> list[str]:
    """Attacks every network and reports the results.

    Prints the tables, and writes index.html, attack.csv, attack.md and PNG files.

    Args:
      out: the directory to write to.
      images: a name for the images, for the page.
      benches: the networks with their images.
      plan: the attacks.

    Returns:
      The names of the PNG files.
    """
    entries = [entry for bench in benches for entry in attack_study.attacked(bench, plan)]
    tables = attack_tables.tables({bench.name: bench.clean for bench in benches}, entries)
    for table in tables:
        table.print()
    files: list[str] = []

    def picture(figure: Figure, name: str, caption: str) -> Picture:
        plots.save(figure, out / name)
        files.append(name)
        return Picture(out / name, caption, caption)

    sections = [_start(images, benches)]
    if tables:
        write_text(out / 'attack.csv', '\n'.join(table.to_csv() for table in tables))
        write_text(out / 'attack.md', '\n'.join(table.to_markdown() for table in tables))
        curves = _curves(benches, entries, plan, picture)
        sections.append(Section('Accuracy under attack', [*curves, *tables]))
    sections += _transfer(benches, plan, picture)
    for bench in benches:
        sections += _of_network(
            bench, [e for e in entries if e.network == bench.name], plan, picture
        )
    title = f'Attacks on {", ".join(bench.name for bench in benches)}'
    write_page(out / 'index.html', title, sections)
    return files


# saves a figure: (figure, file name, caption) -> picture of the page
_Picture = Callable[[Figure, str, str], Picture]


def _start(images: str, benches: Sequence[Bench]) -> Section:
    facts = {}
    for bench in benches:
        size = ' x '.join(map(str, bench.images.shape[1:]))
        right = (
            f'{bench.clean.right.mean():.2%} right'
            if bench.labeled
            else "the network's own predictions count as right"
        )
        facts[bench.name] = (
            f'{len(bench.images)} images of {images}, {size}: '
            f'{bench.net.stated_preprocess().sentence()}; {right}'
        )
    return Section('Networks and images', [facts, _UNITS])


def _curves(
    benches: Sequence[Bench], entries: Sequence[Entry], plan: Plan, picture: _Picture
) -> list[Picture]:
    """Draws accuracy against the budget; [] if no attack gives points."""
    merged = attack_tables.merged(
        {
            bench.name: attack_tables.panels(
                bench.clean, [e for e in entries if e.network == bench.name], plan.epsilons
            )
            for bench in benches
        }
    )
    if not merged:
        return []
    figure = robustness.accuracy_curves(merged, len(benches[0].images))
    return [picture(figure, 'accuracy.png', 'Accuracy against the budget of the attack.')]


def _transfer(benches: Sequence[Bench], plan: Plan, picture: _Picture) -> list[Section]:
    names, sections = [bench.name for bench in benches], []
    for i, (heading, shares) in enumerate(attack_study.transferred(benches, plan)):
        figure = robustness.share_matrix(shares, names, names, 'made for', 'tested on')
        caption = 'Accuracy of each network on images that were made for another.'
        shown = picture(figure, f'transfer_{i}.png', caption)
        sections.append(Section(f'Transfer: {heading}', [shown]))
    return sections


def _of_network(
    bench: Bench, entries: Sequence[Entry], plan: Plan, picture: _Picture
) -> list[Section]:
    """Shows the network's calibration, its attacked images and the images made for it."""
    safe_name, sections = bench.name.replace('/', '_'), []
    worst = attack_tables.worst(entries, bench.name)
    if worst:
        figure = robustness.reliability(
            {
                'clean': attack_tables.confidences(bench.clean),
                **{
                    catalog.get(e.attack).title: attack_tables.confidences(e.outcome) for e in worst
                },
            }
        )
        caption = 'Accuracy against confidence, without an attack and at the largest budgets.'
        shown = picture(figure, f'reliability_{safe_name}.png', caption)
        table = attack_tables.calibration_table(bench.clean, worst, bench.truth)
        sections.append(Section(f'{bench.name}: calibration', [shown, table]))
    for entry in worst + [e for e in entries if e.epsilon is None]:
        title = catalog.get(entry.attack).title
        if entry.epsilon is not None:
            title += f', epsilon {attack_tables.shown_budget(entry.epsilon)}'
        figure, kind = attack_study.changed_images(bench, entry, plan.pictures)
        shown = picture(figure, f'{entry.attack}_{safe_name}.png', f'{title}: {kind}.')
        sections.append(Section(f'{bench.name}: {title}', [shown]))
    for kind in plan.made:
        title = attack_study.MADE[kind]
        figure, sentence = attack_study.made_images(bench, plan, kind)
        shown = picture(figure, f'{kind}_{safe_name}.png', title)
        sections.append(Section(f'{bench.name}: {title}', [sentence, shown]))
        print(f'{bench.name}: {title}. {sentence}')
    return sections
