r"""Attacks trained networks, and shows how little it takes to mislead them, as one page.

    python -m experiments.attack --weights=torchvision/squeezenet1_0 \
        --images=ILSVRC2012_img_val.tar --attacks=fgsm,pgd --out=attack
    python -m experiments.attack --run=runs/plain --run=runs/madry --epsilons=0.1,0.2,0.3 \
        --count=1000 --data_dir=... --out=attack
    python -m experiments.attack --weights=torchvision/squeezenet1_0 --images=a.jpg,b.jpg \
        --attacks=deepfool,one_pixel --out=attack
    python -m experiments.attack --weights=torchvision/squeezenet1_0 --images=... \
        --attacks=patch,fooling --goal=toaster --out=attack

The page has accuracy against the budget, the least changes, transfer, calibration, patches and
fooling images. Budgets are in units of [0, 1], 8/255 being eight gray levels of pixels as they are
before the network's normalization; those of attacks in the norm l2 are --epsilons_l2. Into --out go
index.html, attack.csv and attack.md, and the PNGs. Pictures given one by one have no labels: then
what the network sees in them counts as right. Two networks or more of the same classes are also
attacked with what was made for each other.
"""

import dataclasses
import functools
import pathlib

import jax
import numpy as np
from absl import flags

from cnnlab import names
from cnnlab.attacks import budget, catalog, fooling, patch
from cnnlab.attacks.batches import over
from cnnlab.attacks.target import logits
from cnnlab.data.sources.pictures import Pictures
from cnnlab.report import image_grid, plots, robustness
from cnnlab.report.files import write_text
from cnnlab.report.page import Picture, Section, write_page
from cnnlab.train import workdir
from cnnlab.train.monitor.progress import bar

from . import attack_tables, common, victim_flags, victims
from .victim_flags import BATCH

# attacks that make images of their own, besides those of the catalog
IMAGES = ('patch', 'fooling', 'evolution')

# so that --help lists them
flags.adopt_module_key_flags(victim_flags)
_ATTACKS = flags.DEFINE_list(
    'attacks', ['fgsm', 'pgd'], f'Which: {", ".join([*catalog.ATTACKS, *IMAGES])}.'
)
_EPSILONS = flags.DEFINE_list(
    'epsilons', ['1/255', '2/255', '4/255', '8/255'], 'Budgets of attacks in the norm linf.'
)
_L2 = flags.DEFINE_list(
    'epsilons_l2', ['0.25', '0.5', '1', '2'], 'Budgets of attacks in the norm l2.'
)
_STEPS = flags.DEFINE_integer('steps', 20, 'Of PGD, of 2.5 epsilon / steps each.', lower_bound=1)
_GOAL = flags.DEFINE_list(
    'goal', None, 'Classes, by name or number, that patches and fooling images shall be taken for.'
)
_GENERATIONS = flags.DEFINE_integer(
    'generations', 30, 'Of one-pixel attacks, and of evolved images.', lower_bound=1
)
_PICTURES = flags.DEFINE_integer('pictures', 3, 'Images shown for each attack.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Of random starts, places and populations.', lower_bound=0)
_OUT = flags.DEFINE_string('out', None, 'The folder to write.', required=True)


def number(text: str) -> float:
    """'8/255' or '0.03'; ValueError for anything else or below 0."""
    over_, _, under = text.strip().partition('/')
    try:
        found = float(over_) / float(under or 1)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f'budgets are numbers such as 0.03 or 8/255, not {text!r}') from None
    budget.limit(found)
    return found


def goal_of(text: str, labels: tuple[str, ...]) -> int:
    """The class of that name or number; ValueError with the nearest names, or with how many there
    are.
    """
    if text.strip().lstrip('-').isdigit():
        if not 0 <= int(text) < len(labels):
            raise ValueError(f'--goal={text}: the network has the classes 0 to {len(labels) - 1}')
        return int(text)
    return labels.index(names.among('class', text.strip(), labels))


class Case:
    """One network with the images that it sees, and what was done to them."""

    def __init__(self, victim: victims.Victim, pictures: Pictures, batch: int):
        self.victim, self.name = victim, victim.name
        self.images, known = victims.seen(victim, pictures)
        scores = over(lambda rows: logits(victim.target, rows), self.images, batch=batch)
        self.labeled = known is not None
        self.truth = known if self.labeled else scores.argmax(1)
        self.clean = catalog.Outcome(
            self.images,
            scores,
            scores.argmax(1) == self.truth,
            budget.sizes(self.images, self.images),
        )

    def called(self, scores: np.ndarray) -> str:
        """The most probable class and its probability."""
        p = attack_tables.probabilities(scores[None])[0]
        return f'{self.victim.labels[p.argmax()]} {p.max():.1%}'


def attacked(
    case: Case, chosen: list[str], epsilons: dict[str, list[float]], settings: catalog.Settings
) -> list[attack_tables.Entry]:
    """Every attack at every budget; those without a budget once."""
    found = []
    for name in chosen:
        attack = catalog.get(name)
        budgets = epsilons.get(attack.norm, [])
        run = functools.partial(catalog.attack, case.victim.target, name, case.images, case.truth)
        n = len(case.images)
        if not attack.budgeted:
            with bar(f'{case.name} {attack.title}', n) as advance:
                made = run(settings=settings, advance=advance)
            stored = catalog.outcome(
                case.victim.target,
                case.images,
                np.round(255 * made.images) / np.float32(255),
                case.truth,
                settings.batch,
            )
            found.append(attack_tables.Entry(case.name, name, None, made, stored.right))
            continue
        with bar(f'{case.name} {attack.title}', n * len(budgets)) as advance:
            for i, epsilon in enumerate(budgets):
                made = run(
                    epsilon, settings, lambda done, i=i, n=n, advance=advance: advance(i * n + done)
                )
                if epsilon < max(budgets):
                    # only those of the largest budget are shown
                    made = dataclasses.replace(made, images=made.images[:0])
                found.append(attack_tables.Entry(case.name, name, epsilon, made))
    return found


def shown(case: Case, entry: attack_tables.Entry, count: int):
    """(figure, what it shows): the first images whose class the attack changed, else the first of
    those that it tried, else the first.
    """
    right = case.clean.right
    kinds = {
        'images whose class changed': right & ~entry.outcome.right,
        'no class changed; images that were tried': right,
        'no image was right, so none was tried': ~right,
    }
    said = next(s for s, some in kinds.items() if some.any())
    rows = np.flatnonzero(kinds[said])[:count]
    truth = lambda i: f'true: {case.victim.labels[case.truth[i]]}\n' if case.labeled else ''  # noqa: E731
    return image_grid.changes(
        [
            image_grid.Change(
                case.images[i],
                entry.outcome.images[i],
                truth(i) + f'seen: {case.called(case.clean.scores[i])}',
                f'seen: {case.called(entry.outcome.scores[i])}',
            )
            for i in rows
        ]
    ), said


def transferred(
    cases: list[Case],
    chosen: list[str],
    epsilons: dict[str, list[float]],
    settings: catalog.Settings,
):
    """[(heading, matrix, names)] of the budgeted attacks at their largest budgets, where the
    networks take the same images.
    """
    first = cases[0]
    if len(cases) < 2 or any(
        c.images.shape != first.images.shape
        or (c.images != first.images).any()
        or c.victim.labels != first.victim.labels
        for c in cases
    ):
        return []
    out = []
    for name in chosen:
        attack = catalog.get(name)
        if attack.budgeted and epsilons.get(attack.norm):
            epsilon = max(epsilons[attack.norm])
            with bar(f'transfer of {attack.title}', len(cases) * len(first.images)) as advance:
                shares = catalog.transfer(
                    {c.name: c.victim.target for c in cases},
                    name,
                    first.images,
                    first.truth,
                    epsilon,
                    settings,
                    advance,
                )
            out.append((f'{attack.title}, epsilon {attack_tables.shown_budget(epsilon)}', shares))
    return out


def patched(case: Case, goals: list[int], seed: int):
    """(figure, sentence) of a patch for each goal, made with half of the images: the patch, and
    others with it.
    """
    rows, sentences = [], []
    learned, judged = attack_tables.halves(len(case.images))
    truth, clean = case.truth[judged], case.clean.scores[judged]
    for goal in goals:
        with bar(f'{case.name} patch for {case.victim.labels[goal]}', 200) as advance:
            made = patch.train(
                case.victim.target,
                case.images[learned],
                goal,
                seed=seed,
                advance=lambda step, loss, advance=advance: advance(step),
            )
        laid = patch.stuck(case.images[judged], made, share=0.4, seed=seed + 1)
        scores = over(lambda rows: logits(case.victim.target, rows), laid, batch=BATCH.value)
        others = truth != goal
        hit = (scores.argmax(1) == goal)[others]
        reached = np.flatnonzero((scores.argmax(1) == goal) & others)
        side = np.linspace(-1, 1, len(made))
        disk = (side[:, None] ** 2 + side[None] ** 2 <= 1)[..., None]
        some = (reached if len(reached) else np.arange(len(laid)))[:3]
        rows.append(
            [
                image_grid.Tile(np.where(disk, made, 1), f'patch for {case.victim.labels[goal]}'),
                *(
                    image_grid.Tile(
                        laid[i], f'without: {case.called(clean[i])}\nwith: {case.called(scores[i])}'
                    )
                    for i in some
                ),
            ]
        )
        sentences.append(
            f'{case.victim.labels[goal]}: {hit.sum()} of {len(hit)} images with the patch at a '
            f'random place, 0.4 of the image '
            'wide, are taken for it.'
        )
    return image_grid.sheet(
        rows
    ), f'Made with {learned.sum()} images, judged on {judged.sum()}. ' + ' '.join(sentences)


def fooled(case: Case, goals: list[int], kind: str, generations: int, seed: int):
    """(figure, sentence) of fooling images: 'fooling' by gradient ascent, 'evolution' of CPPNs."""
    shape = case.images.shape[1:]
    labels = case.victim.labels
    if kind == 'fooling':
        with bar(f'{case.name} gradient ascent', 300) as advance:
            images, p = fooling.ascent(
                case.victim.target, goals, shape, key=jax.random.key(seed), advance=advance
            )
        some, sentence = (
            list(range(len(goals))),
            '300 steps from the mean image; below each image, how it differs from the mean image.',
        )
    else:
        with bar(f'{case.name} evolution', generations) as advance:
            images, p, _ = fooling.evolve(
                case.victim.target,
                shape,
                generations=generations,
                seed=seed,
                batch=BATCH.value,
                advance=lambda done, median: advance(done),
            )
        sentence = (
            f'{generations} generations of 400 images; the champions of all {len(p)} classes have '
            f'a median probability of '
            f'{np.median(p):.1%}, {(p > 0.99).sum()} of them one above 99%. Shown are the goals '
            f'and the surest.'
        )
        some, unique = [*goals], {images[k].tobytes() for k in goals}
        for k in np.argsort(-p, kind='stable').tolist():
            if len(some) < max(8, len(goals)) and images[k].tobytes() not in unique:
                some.append(k)
                unique.add(images[k].tobytes())
        goals = list(range(len(p)))
    tiles = [image_grid.Tile(images[i], f'{labels[goals[i]]} {p[i]:.1%}') for i in some]
    rows = [tiles[i : i + 4] for i in range(0, len(tiles), 4)]
    if kind == 'fooling':
        mean = fooling.mean_image(case.victim.target, shape)
        below = [image_grid.magnified(images[i] - mean) for i in some]
        rows = [
            row
            for i, above in zip(range(0, len(tiles), 4), rows, strict=True)
            for row in (above, below[i : i + 4])
        ]
    return image_grid.sheet(rows), sentence


def main(_):
    """Attacks, prints and writes."""
    for name in _ATTACKS.value:
        names.among('attack', name, [*catalog.ATTACKS, *IMAGES])
    epsilons = {'linf': [number(e) for e in _EPSILONS.value], 'l2': [number(e) for e in _L2.value]}
    found = victim_flags.networks()
    settings = catalog.Settings(_STEPS.value, BATCH.value, _SEED.value, _GENERATIONS.value)
    goals = {
        v.name: [
            goal_of(g, v.labels) for g in _GOAL.value or map(str, range(min(4, len(v.labels))))
        ]
        for v in found
    }
    out = workdir.writable(_OUT.value)
    cases = []
    for victim in found:
        given = victim_flags.images_for(victim)
        cases.append(Case(victim, given, BATCH.value))
    chosen = [name for name in _ATTACKS.value if name in catalog.ATTACKS]
    entries = [entry for case in cases for entry in attacked(case, chosen, epsilons, settings)]
    clean = {case.name: case.clean for case in cases}
    tables = attack_tables.tables(clean, entries)
    for table in tables:
        table.print()
    write(out, given.name, cases, entries, tables, epsilons, goals, settings, chosen)


def write(
    out: pathlib.Path, what: str, cases, entries, tables, epsilons, goals, settings, chosen
) -> None:
    """The page, the tables and the pictures."""
    files: list[str] = []

    def picture(figure, name: str, caption: str) -> Picture:
        plots.save(figure, out / name)
        files.append(name)
        return Picture(out / name, caption, caption)

    sections = [
        Section(
            'Networks and images',
            [
                {
                    case.name: f'{len(case.images)} images of {what}, '
                    f'{" x ".join(map(str, case.images.shape[1:]))}: '
                    f'{case.victim.protocol}; '
                    + (
                        f'{case.clean.right.mean():.2%} right'
                        if case.labeled
                        else 'what the network sees counts as right'
                    )
                    for case in cases
                },
                'Changes and budgets are in units of [0, 1]: 1/255 is one gray level of the '
                'pixels that the network is given, before it normalizes '
                'them. The PNG of a changed image rounds it to gray levels.',
            ],
        )
    ]
    if tables:
        curves = {
            case.name: attack_tables.panels(
                case.clean, [e for e in entries if e.network == case.name], epsilons
            )
            for case in cases
        }
        merged = attack_tables.merged(curves)
        content = list(tables)
        if merged:
            content.insert(
                0,
                picture(
                    robustness.accuracy_curves(merged, len(cases[0].images)),
                    'accuracy.png',
                    'Accuracy against the budget of the attack.',
                ),
            )
        sections.append(Section('Accuracy under attack', content))
        write_text(out / 'attack.csv', '\n'.join(table.to_csv() for table in tables))
        write_text(out / 'attack.md', '\n'.join(table.to_markdown() for table in tables))
    for heading, shares in transferred(cases, chosen, epsilons, settings):
        names_ = [case.name for case in cases]
        figure = robustness.share_matrix(shares, names_, names_, 'made for', 'tested on')
        number_ = sum(f.startswith('transfer') for f in files)
        sections.append(
            Section(
                f'Transfer: {heading}',
                [
                    picture(
                        figure,
                        f'transfer_{number_}.png',
                        'Accuracy of each network on images that were made for another.',
                    )
                ],
            )
        )
    for case in cases:
        safe = case.name.replace('/', '_')
        worst = attack_tables.worst(entries, case.name)
        if worst:
            figure = robustness.reliability(
                {
                    'clean': attack_tables.sure(case.clean),
                    **{catalog.get(e.attack).title: attack_tables.sure(e.outcome) for e in worst},
                }
            )
            sections.append(
                Section(
                    f'{case.name}: how sure it is',
                    [
                        picture(
                            figure,
                            f'reliability_{safe}.png',
                            'Share right against confidence, without an attack and at the largest '
                            'budgets.',
                        ),
                        attack_tables.calibration_table(case.clean, worst, case.truth),
                    ],
                )
            )
        for entry in worst + [e for e in entries if e.network == case.name and e.epsilon is None]:
            title = catalog.get(entry.attack).title
            within = (
                ''
                if entry.epsilon is None
                else f', epsilon {attack_tables.shown_budget(entry.epsilon)}'
            )
            figure, said = shown(case, entry, _PICTURES.value)
            sections.append(
                Section(
                    f'{case.name}: {title}{within}',
                    [picture(figure, f'{entry.attack}_{safe}.png', f'{title}{within}: {said}.')],
                )
            )
        for kind, title in zip(
            IMAGES,
            ('adversarial patches', 'fooling images by gradient ascent', 'evolved fooling images'),
            strict=True,
        ):
            if kind in _ATTACKS.value:
                figure, sentence = (
                    patched(case, goals[case.name], _SEED.value)
                    if kind == 'patch'
                    else fooled(case, goals[case.name], kind, _GENERATIONS.value, _SEED.value)
                )
                sections.append(
                    Section(
                        f'{case.name}: {title}',
                        [sentence, picture(figure, f'{kind}_{safe}.png', title)],
                    )
                )
                print(f'{case.name}: {title}. {sentence}')
    write_page(out / 'index.html', f'Attacks on {", ".join(case.name for case in cases)}', sections)
    print(f'wrote {out}/index.html and {", ".join(files)}')


if __name__ == '__main__':
    common.start(main)
