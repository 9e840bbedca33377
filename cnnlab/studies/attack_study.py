"""Networks attacked: every attack at every budget, what transfers, patches and fooling images."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np
from matplotlib.figure import Figure

from cnnlab.attacks import budget, catalog, fooling, patch
from cnnlab.attacks.batches import beyond, over
from cnnlab.attacks.target import logits, seen
from cnnlab.classifier import Classifier
from cnnlab.data.sources.pictures import Pictures
from cnnlab.report import image_grid
from cnnlab.report.progress import bar
from cnnlab.studies import attack_tables
from cnnlab.studies.attack_tables import Entry

# kinds of images that are made and not changed: {kind: what they are}
MADE = {
    'patch': 'adversarial patches',
    'fooling': 'fooling images by gradient ascent',
    'evolution': 'evolved fooling images',
}
# of patches: steps of training, and their width as a part of the image
_PATCH_STEPS, _PATCH_SHARE = 200, 0.4
_ASCENT_STEPS = 300
# tiles of a grid of fooling images
_ACROSS, _SHOWN = 4, 8


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """What is done to every network.

    Attributes:
      attacks: names of the catalog.
      made: of `MADE`.
      epsilons: {'linf': budgets, 'l2': budgets}, in units of [0, 1].
      goals: {network: classes that patches and fooling images shall be taken for}.
      settings: of the attacks.
      pictures: how many images are shown for each attack.
    """

    attacks: Sequence[str]
    made: Sequence[str]
    epsilons: Mapping[str, Sequence[float]]
    goals: Mapping[str, Sequence[int]]
    settings: catalog.Settings
    pictures: int

    @property
    def budgeted(self) -> list[tuple[str, Sequence[float]]]:
        """(attack, its budgets) of those that have any."""
        chosen = [(name, catalog.get(name)) for name in self.attacks]
        return [
            (name, self.epsilons[attack.norm])
            for name, attack in chosen
            if attack.budgeted and self.epsilons.get(attack.norm)
        ]


class Bench:
    """One network before any attack: the images that it sees, and what it says of them.

    Attributes:
      net: the network.
      images: float32 (n, h, w, c) in [0, 1].
      labeled: whether the true classes are known.
      truth: int (n,), the true classes, or where they are not known what the network sees.
      clean: the outcome without an attack.
    """

    def __init__(self, net: Classifier, given: Pictures, batch: int):
        self.net, self.name, self.images = net, net.name, seen(net, given)
        scores = over(lambda rows: logits(net, rows), self.images, batch=batch)
        self.labeled = given.labels is not None
        self.truth = np.array(given.labels) if self.labeled else scores.argmax(1)
        unchanged = budget.sizes(self.images, self.images)
        right = scores.argmax(1) == self.truth
        self.clean = catalog.Outcome(self.images, scores, right, unchanged)

    def called(self, scores: np.ndarray) -> str:
        """The most probable class and its probability."""
        p = attack_tables.probabilities(scores[None])[0]
        return f'{self.net.labels[p.argmax()]} {p.max():.1%}'


def attacked(bench: Bench, plan: Plan) -> list[Entry]:
    """Every attack at every budget; those without a budget once."""
    found = []
    for name in plan.attacks:
        attack = catalog.get(name)
        if attack.budgeted:
            found += _at_budgets(bench, plan, name, plan.epsilons.get(attack.norm, ()))
        else:
            found.append(_least(bench, plan, name))
    return found


def _at_budgets(bench: Bench, plan: Plan, name: str, budgets: Sequence[float]) -> list[Entry]:
    found, n = [], len(bench.images)
    title = f'{bench.name} {catalog.get(name).title}'
    with bar(title, n * len(budgets)) as advance:
        for i, epsilon in enumerate(budgets):
            made = catalog.attack(
                bench.net,
                name,
                bench.images,
                bench.truth,
                epsilon,
                plan.settings,
                beyond(advance, i * n),
            )
            if epsilon < max(budgets):
                # only those of the largest budget are shown
                made = dataclasses.replace(made, images=made.images[:0])
            found.append(Entry(bench.name, name, epsilon, made))
    return found


def _least(bench: Bench, plan: Plan, name: str) -> Entry:
    with bar(f'{bench.name} {catalog.get(name).title}', len(bench.images)) as advance:
        made = catalog.attack(
            bench.net, name, bench.images, bench.truth, settings=plan.settings, advance=advance
        )
    # as a file would hold them
    rounded = np.round(255 * made.images) / np.float32(255)
    stored = catalog.outcome(bench.net, bench.images, rounded, bench.truth, plan.settings.batch)
    return Entry(bench.name, name, None, made, stored.right)


def transferred(benches: Sequence[Bench], plan: Plan) -> list[tuple[str, np.ndarray]]:
    """[(heading, accuracy (networks, networks))] of the budgeted attacks at their largest budgets:
    made for one network, tested on another; [] unless all take the same images and classes.
    """
    first = benches[0]
    alike = all(
        np.array_equal(b.images, first.images) and b.net.labels == first.net.labels for b in benches
    )
    if len(benches) < 2 or not alike:
        return []
    found = []
    for name, budgets in plan.budgeted:
        title, epsilon = catalog.get(name).title, max(budgets)
        with bar(f'transfer of {title}', len(benches) * len(first.images)) as advance:
            shares = catalog.transfer(
                {b.name: b.net for b in benches},
                name,
                first.images,
                first.truth,
                epsilon,
                plan.settings,
                advance,
            )
        found.append((f'{title}, epsilon {attack_tables.shown_budget(epsilon)}', shares))
    return found


def changed_images(bench: Bench, entry: Entry, count: int) -> tuple[Figure, str]:
    """(figure, what it shows): the first images whose class the attack changed, else the first of
    those that it tried, else the first.
    """
    right = bench.clean.right
    kinds = {
        'images whose class changed': right & ~entry.outcome.right,
        'no class changed; images that were tried': right,
        'no image was right, so none was tried': ~right,
    }
    what = next(what for what, some in kinds.items() if some.any())
    changes = []
    for i in np.flatnonzero(kinds[what])[:count]:
        truth = f'true: {bench.net.labels[bench.truth[i]]}\n' if bench.labeled else ''
        changes.append(
            image_grid.Change(
                bench.images[i],
                entry.outcome.images[i],
                f'{truth}seen: {bench.called(bench.clean.scores[i])}',
                f'seen: {bench.called(entry.outcome.scores[i])}',
            )
        )
    return image_grid.changes(changes), what


def made_images(bench: Bench, plan: Plan, kind: str) -> tuple[Figure, str]:
    """(figure, sentence) of one kind of `MADE`."""
    return {'patch': _patches, 'fooling': _ascended, 'evolution': _evolved}[kind](bench, plan)


def _steps(advance: Callable[[int], None]) -> Callable[[int, float], None]:
    return lambda step, loss: advance(step)


def _patches(bench: Bench, plan: Plan) -> tuple[Figure, str]:
    """A patch for each goal, made with half of the images and judged on the others."""
    learned, judged = attack_tables.halves(len(bench.images))
    truth, clean = bench.truth[judged], bench.clean.scores[judged]
    rows, sentences, seed = [], [], plan.settings.seed
    for goal in plan.goals[bench.name]:
        label = bench.net.labels[goal]
        with bar(f'{bench.name} patch for {label}', _PATCH_STEPS) as advance:
            made = patch.train(
                bench.net,
                bench.images[learned],
                goal,
                seed=seed,
                advance=_steps(advance),
            )
        laid = patch.apply(bench.images[judged], made, share=_PATCH_SHARE, seed=seed + 1)
        scores = over(lambda rows: logits(bench.net, rows), laid, batch=plan.settings.batch)
        others = truth != goal
        taken = scores.argmax(1) == goal
        reached = np.flatnonzero(taken & others)
        shown = (reached if len(reached) else np.arange(len(laid)))[:3]
        tiles = [
            image_grid.Tile(
                laid[i], f'without: {bench.called(clean[i])}\nwith: {bench.called(scores[i])}'
            )
            for i in shown
        ]
        rows.append([image_grid.Tile(_on_white(made), f'patch for {label}'), *tiles])
        sentences.append(
            f'{label}: {taken[others].sum()} of {others.sum()} images with the patch at a random '
            f'place, {_PATCH_SHARE} of the image wide, are taken for it.'
        )
    halves = f'Made with {learned.sum()} images, judged on {judged.sum()}. '
    return image_grid.grid(rows), halves + ' '.join(sentences)


def _on_white(disk: np.ndarray) -> np.ndarray:
    """A patch, which is a disk, on white."""
    side = np.linspace(-1, 1, len(disk))
    inside = (side[:, None] ** 2 + side[None] ** 2 <= 1)[..., None]
    return np.where(inside, disk, 1)


def _ascended(bench: Bench, plan: Plan) -> tuple[Figure, str]:
    """Gradient ascent from the mean image; below each image its difference to the mean image."""
    goals, shape = plan.goals[bench.name], bench.images.shape[1:]
    key = jax.random.key(plan.settings.seed)
    with bar(f'{bench.name} gradient ascent', _ASCENT_STEPS) as advance:
        images, p = fooling.ascent(bench.net, goals, shape, key=key, advance=advance)
    mean = fooling.mean_image(bench.net, shape)
    tiles = [
        image_grid.Tile(image, f'{bench.net.labels[goal]} {share:.1%}')
        for image, goal, share in zip(images, goals, p, strict=True)
    ]
    differences = [image_grid.magnified(image - mean) for image in images]
    rows = [
        row
        for i in range(0, len(tiles), _ACROSS)
        for row in (tiles[i : i + _ACROSS], differences[i : i + _ACROSS])
    ]
    return image_grid.grid(rows), (
        f'{_ASCENT_STEPS} steps from the mean image; below each image, how it differs from the '
        f'mean image.'
    )


def _evolved(bench: Bench, plan: Plan) -> tuple[Figure, str]:
    """Images that evolved from CPPNs: those of the goals, and the surest."""
    goals, settings = plan.goals[bench.name], plan.settings
    with bar(f'{bench.name} evolution', settings.generations) as advance:
        images, p, _ = fooling.evolve(
            bench.net,
            bench.images.shape[1:],
            generations=settings.generations,
            seed=settings.seed,
            batch=settings.batch,
            advance=lambda done, median: advance(done),
        )
    shown, unique = [*goals], {images[k].tobytes() for k in goals}
    for k in np.argsort(-p, kind='stable').tolist():
        if len(shown) < max(_SHOWN, len(goals)) and images[k].tobytes() not in unique:
            shown.append(k)
            unique.add(images[k].tobytes())
    tiles = [image_grid.Tile(images[k], f'{bench.net.labels[k]} {p[k]:.1%}') for k in shown]
    rows = [tiles[i : i + _ACROSS] for i in range(0, len(tiles), _ACROSS)]
    return image_grid.grid(rows), (
        f'{settings.generations} generations of 400 images; the champions of all {len(p)} classes '
        f'have a median probability of {np.median(p):.1%}, {(p > 0.99).sum()} of them one above '
        f'99%. Shown are the goals and the surest.'
    )
