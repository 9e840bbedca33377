"""Attacks on several networks: every attack at every budget, transfer, patches, fooling images."""

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

# images that are made from nothing, not by changing an image: {kind: title}
MADE = {
    'patch': 'adversarial patches',
    'fooling': 'fooling images by gradient ascent',
    'evolution': 'evolved fooling images',
}
# training steps of a patch, and its width as a share of the image's
_PATCH_STEPS, _PATCH_SHARE = 200, 0.4
_ASCENT_STEPS = 300
# columns, and the least number of images, of a grid of fooling images
_COLUMNS, _SHOWN = 4, 8


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """The attacks on every network.

    Attributes:
      attacks: names in `attacks.catalog`.
      made: kinds of `MADE`.
      epsilons: {'linf': budgets, 'l2': budgets}, in units of [0, 1].
      goals: {network: target classes of patches and fooling images}.
      settings: of the attacks.
      pictures: images to show for each attack.
    """

    attacks: Sequence[str]
    made: Sequence[str]
    epsilons: Mapping[str, Sequence[float]]
    goals: Mapping[str, Sequence[int]]
    settings: catalog.Settings
    pictures: int

    @property
    def budgeted(self) -> list[tuple[str, Sequence[float]]]:
        """The attacks that have budgets: [(attack, budgets)]."""
        chosen = [(name, catalog.get(name)) for name in self.attacks]
        return [
            (name, self.epsilons[attack.norm])
            for name, attack in chosen
            if attack.budgeted and self.epsilons.get(attack.norm)
        ]


class Bench:
    """A network before any attack, with its images and predictions.

    Args:
      net: the network.
      given: the images.
      batch: images per forward pass.

    Attributes:
      net: the network.
      name: of the network.
      images: float32 (n, h, w, c) in [0, 1], as the network sees them.
      labeled: whether the images have labels.
      truth: int (n,), the labels, or without labels the network's own predictions.
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

    def prediction(self, scores: np.ndarray) -> str:
        """Describes the scores (k,) of an image by the most probable class and its probability."""
        p = attack_tables.probabilities(scores[None])[0]
        return f'{self.net.labels[p.argmax()]} {p.max():.1%}'


def attacked(bench: Bench, plan: Plan) -> list[Entry]:
    """Runs every attack at every budget, and attacks without a budget once."""
    entries = []
    for name in plan.attacks:
        attack = catalog.get(name)
        if attack.budgeted:
            entries += _at_budgets(bench, plan, name, plan.epsilons.get(attack.norm, ()))
        else:
            entries.append(_least_change(bench, plan, name))
    return entries


def _at_budgets(bench: Bench, plan: Plan, name: str, budgets: Sequence[float]) -> list[Entry]:
    entries, n = [], len(bench.images)
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
                # only images of the largest budget are shown; the others need not stay in memory
                made = dataclasses.replace(made, images=made.images[:0])
            entries.append(Entry(bench.name, name, epsilon, made))
    return entries


def _least_change(bench: Bench, plan: Plan, name: str) -> Entry:
    with bar(f'{bench.name} {catalog.get(name).title}', len(bench.images)) as advance:
        made = catalog.attack(
            bench.net, name, bench.images, bench.truth, settings=plan.settings, advance=advance
        )
    # an image file holds whole gray levels
    rounded = np.round(255 * made.images) / np.float32(255)
    stored = catalog.outcome(bench.net, bench.images, rounded, bench.truth, plan.settings.batch)
    return Entry(bench.name, name, None, made, stored.right)


def transferred(benches: Sequence[Bench], plan: Plan) -> list[tuple[str, np.ndarray]]:
    """Tests each network on images that were attacked for another.

    Returns:
      [(heading, accuracy)] for each budgeted attack at its largest budget; rows of the matrix are
      the networks attacked, columns those tested. [] unless there are several networks with the
      same images and classes.
    """
    first = benches[0]
    alike = all(
        np.array_equal(b.images, first.images) and b.net.labels == first.net.labels for b in benches
    )
    if len(benches) < 2 or not alike:
        return []
    matrices = []
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
        matrices.append((f'{title}, epsilon {attack_tables.shown_budget(epsilon)}', shares))
    return matrices


def changed_images(bench: Bench, entry: Entry, count: int) -> tuple[Figure, str]:
    """Draws images before and after an attack.

    Shows the first images whose class changed; if there are none, the first attacked ones; if none
    was attacked, the first.

    Returns:
      The figure, and a description of the images.
    """
    right = bench.clean.right
    kinds = {
        'images whose class changed': right & ~entry.outcome.right,
        'no class changed; images that were attacked': right,
        'no image was right, so none was attacked': ~right,
    }
    kind = next(kind for kind, chosen in kinds.items() if chosen.any())
    changes = []
    for i in np.flatnonzero(kinds[kind])[:count]:
        truth = f'true: {bench.net.labels[bench.truth[i]]}\n' if bench.labeled else ''
        changes.append(
            image_grid.Change(
                bench.images[i],
                entry.outcome.images[i],
                f'{truth}seen: {bench.prediction(bench.clean.scores[i])}',
                f'seen: {bench.prediction(entry.outcome.scores[i])}',
            )
        )
    return image_grid.changes(changes), kind


def made_images(bench: Bench, plan: Plan, kind: str) -> tuple[Figure, str]:
    """Makes images of one kind of `MADE`; returns (figure, sentence)."""
    return {'patch': _patches, 'fooling': _ascended, 'evolution': _evolved}[kind](bench, plan)


def _steps(advance: Callable[[int], None]) -> Callable[[int, float], None]:
    """Returns `advance` for training loops that also report the loss."""
    return lambda step, loss: advance(step)


def _patches(bench: Bench, plan: Plan) -> tuple[Figure, str]:
    """Trains a patch for each goal with half of the images and tests it on the others."""
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
                laid[i],
                f'without: {bench.prediction(clean[i])}\nwith: {bench.prediction(scores[i])}',
            )
            for i in shown
        ]
        rows.append([image_grid.Tile(_on_white(made), f'patch for {label}'), *tiles])
        sentences.append(
            f'{label}: {taken[others].sum()} of {others.sum()} images are classified as it with '
            f'the patch at a random position, {_PATCH_SHARE} of the image wide.'
        )
    halves = f'Trained on {learned.sum()} images, tested on {judged.sum()}. '
    return image_grid.grid(rows), halves + ' '.join(sentences)


def _on_white(disk: np.ndarray) -> np.ndarray:
    """Shows a patch, which is a disk, on a white square."""
    side = np.linspace(-1, 1, len(disk))
    inside = (side[:, None] ** 2 + side[None] ** 2 <= 1)[..., None]
    return np.where(inside, disk, 1)


def _ascended(bench: Bench, plan: Plan) -> tuple[Figure, str]:
    """Makes fooling images by gradient ascent from the mean image, and shows the differences."""
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
        for i in range(0, len(tiles), _COLUMNS)
        for row in (tiles[i : i + _COLUMNS], differences[i : i + _COLUMNS])
    ]
    return image_grid.grid(rows), (
        f'{_ASCENT_STEPS} steps from the mean image; below each image, its difference from the '
        f'mean image.'
    )


def _evolved(bench: Bench, plan: Plan) -> tuple[Figure, str]:
    """Evolves fooling images by CPPNs, and shows those of the goals and the most confident."""
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
    rows = [tiles[i : i + _COLUMNS] for i in range(0, len(tiles), _COLUMNS)]
    return image_grid.grid(rows), (
        f'{settings.generations} generations of 400 images; the champions of all {len(p)} classes '
        f'have a median probability of {np.median(p):.1%}, {(p > 0.99).sum()} of them one above '
        f'99%. Shown are the goals and the most confident.'
    )
