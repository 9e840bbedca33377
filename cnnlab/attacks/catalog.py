"""Every attack by name, in one form, for curves and tables."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from cnnlab import names
from cnnlab.attacks import budget, gradient, lbfgs, one_pixel, universal
from cnnlab.attacks.batches import Advance, over, silent
from cnnlab.attacks.deepfool import deepfool
from cnnlab.attacks.target import Target, logits


@dataclasses.dataclass(frozen=True)
class Settings:
    """What of the attacks can be chosen."""

    # of PGD
    steps: int = 20
    # images at a time
    batch: int = 50
    seed: int = 0
    # of the one-pixel attack
    generations: int = 30
    population: int = 100


@dataclasses.dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
      title: as the literature calls it.
      paper: where it is from.
      norm: in which its change is small: 'linf', 'l2' or 'l0'.
      budgeted: whether it stays within an epsilon and does its worst there; others look for the
        least change that succeeds.
      run: (target, images, labels, epsilon, settings, advance) -> images; epsilon is ignored where
        there is no budget.
    """

    title: str
    paper: str
    norm: str
    budgeted: bool
    run: Callable[[Target, np.ndarray, np.ndarray, float, Settings, Advance], np.ndarray]


def _batched(attack: Callable) -> Callable:
    """`attack(target, images, labels, epsilon, settings, key)` for batches, each with a key of its
    own.
    """

    def run(target, images, labels, epsilon, settings, advance):
        start = 0

        def rows(x, y):
            nonlocal start
            start += len(x)
            return attack(
                target,
                x,
                y,
                epsilon,
                settings,
                jax.random.fold_in(jax.random.key(settings.seed), start),
            )

        return over(rows, images, labels, batch=settings.batch, advance=advance)

    return run


def _universal(target, images, labels, epsilon, settings, advance):
    shown = universal.universal(
        target,
        images,
        epsilon,
        seed=settings.seed,
        batch=settings.batch,
        passes=3,
        advance=lambda done, fooled: advance(min(done, len(images))),
    )
    return universal.apply(images, shown, epsilon)


def second(target: Target, images: Any, labels: np.ndarray, batch: int = 50) -> np.ndarray:
    """The most probable class of each image that is not its label, int (n,): what targeted attacks
    aim at here.
    """
    scores = over(lambda rows: logits(target, rows), images, batch=batch)
    scores[np.arange(len(labels)), labels] = -np.inf
    return scores.argmax(1)


def _lbfgs(target, images, labels, epsilon, settings, advance):
    goals = second(target, images, labels, settings.batch)
    right = (
        over(lambda rows: logits(target, rows).argmax(-1), images, batch=settings.batch) == labels
    )
    out = np.array(images)
    if right.any():
        out[right] = lbfgs.lbfgs(target, images[right], goals[right], advance=advance)
    return out


ATTACKS: dict[str, Attack] = {
    'fgsm': Attack(
        'FGSM',
        'Goodfellow et al. 2014',
        'linf',
        True,
        _batched(lambda t, x, y, e, s, key: gradient.fgsm(t, x, y, e)),
    ),
    'fgsm_l2': Attack(
        'FGM, l2',
        'Goodfellow et al. 2014',
        'l2',
        True,
        _batched(lambda t, x, y, e, s, key: gradient.fgsm(t, x, y, e, norm='l2')),
    ),
    'bim': Attack(
        'BIM',
        'Kurakin et al. 2016',
        'linf',
        True,
        _batched(lambda t, x, y, e, s, key: gradient.bim(t, x, y, e)),
    ),
    'pgd': Attack(
        'PGD',
        'Madry et al. 2017',
        'linf',
        True,
        _batched(lambda t, x, y, e, s, key: gradient.pgd(t, x, y, e, steps=s.steps, key=key)),
    ),
    'pgd_l2': Attack(
        'PGD, l2',
        'Madry et al. 2017',
        'l2',
        True,
        _batched(
            lambda t, x, y, e, s, key: gradient.pgd(t, x, y, e, steps=s.steps, norm='l2', key=key)
        ),
    ),
    'universal': Attack(
        'Universal perturbation', 'Moosavi-Dezfooli et al. 2016', 'linf', True, _universal
    ),
    'deepfool': Attack(
        'DeepFool',
        'Moosavi-Dezfooli et al. 2015',
        'l2',
        False,
        _batched(lambda t, x, y, e, s, key: deepfool(t, x, y)),
    ),
    'deepfool_linf': Attack(
        'DeepFool, linf',
        'Moosavi-Dezfooli et al. 2015',
        'linf',
        False,
        _batched(lambda t, x, y, e, s, key: deepfool(t, x, y, norm='linf')),
    ),
    'lbfgs': Attack('L-BFGS to the second class', 'Szegedy et al. 2013', 'l2', False, _lbfgs),
    'one_pixel': Attack(
        'One pixel',
        'Su et al. 2017',
        'l0',
        False,
        lambda t, x, y, e, s, advance: one_pixel.one_pixel(
            t,
            x,
            y,
            population=s.population,
            generations=s.generations,
            seed=s.seed,
            batch=s.batch,
            advance=advance,
        ),
    ),
}


def register(name: str, attack: Attack) -> None:
    """Makes an attack of one's own known by name, to `attack`, `curve` and the experiments.

    Raises:
      ValueError: the name is taken.
    """
    names.add('attack', name, attack, ATTACKS)


def get(name: str) -> Attack:
    """The attack of that name; KeyError with the nearest names otherwise."""
    return names.lookup('attack', name, ATTACKS)


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What an attack did to n images.

    images: float32 (n, h, w, c). scores: float32 (n, k), the network's logits for them. right: bool
      (n,), whether the label is still
    what they are taken for. size: {'linf', 'l2', 'l0'}, see `budget.sizes`.
    """

    images: np.ndarray
    scores: np.ndarray
    right: np.ndarray
    size: Mapping[str, np.ndarray]


def outcome(
    target: Target, images: np.ndarray, changed: np.ndarray, labels: np.ndarray, batch: int = 50
) -> Outcome:
    """Judges changed images; ties and NaN count as in evaluation: the first of equal scores, and
    NaN is wrong.
    """
    scores = over(lambda rows: logits(target, rows), changed, batch=batch)
    right = (scores.argmax(1) == labels) & ~np.isnan(scores).any(1)
    return Outcome(changed, scores, right, budget.sizes(images, changed))


def attack(
    target: Target,
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    epsilon: float = 0.0,
    settings: Settings | None = None,
    advance: Advance = silent,
) -> Outcome:
    """Runs the attack of that name and judges what it made.

    Raises:
      KeyError: no such attack. ValueError: see the attack.
    """
    settings = settings or Settings()
    images = np.asarray(images, np.float32)
    changed = get(name).run(target, images, np.asarray(labels), epsilon, settings, advance)
    return outcome(target, images, changed, labels, settings.batch)


def at(least: Outcome, clean: Outcome, norm: str, epsilon: float) -> Outcome:
    """What an attack without a budget did within one: images that it changed by more than `epsilon`
    are as they were.
    """
    kept = least.size[norm] <= epsilon
    images = np.where(kept.reshape(-1, 1, 1, 1), least.images, clean.images)
    return Outcome(
        images,
        np.where(kept[:, None], least.scores, clean.scores),
        np.where(kept, least.right, clean.right),
        {name: np.where(kept, size, 0) for name, size in least.size.items()},
    )


def curve(
    target: Target,
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    epsilons: Sequence[float],
    settings: Settings | None = None,
    advance: Callable[[int], None] = silent,
) -> list[Outcome]:
    """The outcome at each epsilon. An attack without a budget runs once, see `at`.

    Args:
      advance: called with the number of images attacked, over all epsilons.
    """
    if get(name).budgeted:
        return [
            attack(
                target,
                name,
                images,
                labels,
                e,
                settings,
                lambda done, i=i: advance(i * len(images) + done),
            )
            for i, e in enumerate(epsilons)
        ]
    least = attack(target, name, images, labels, 0.0, settings, advance)
    clean = outcome(
        target,
        np.asarray(images, np.float32),
        np.asarray(images, np.float32),
        labels,
        (settings or Settings()).batch,
    )
    return [at(least, clean, get(name).norm, e) for e in epsilons]


def transfer(
    targets: Mapping[str, Target],
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    epsilon: float,
    settings: Settings | None = None,
    advance: Callable[[int], None] = silent,
) -> np.ndarray:
    """The accuracy of network b on what was made for network a: float (networks, networks), a down
    and b across.

    Raises:
      ValueError: see the attack; all networks take these images and give the same classes.
    """
    batch = (settings or Settings()).batch
    found = np.zeros((len(targets), len(targets)))
    for a, source in enumerate(targets.values()):
        made = attack(
            source,
            name,
            images,
            labels,
            epsilon,
            settings,
            lambda done, a=a: advance(a * len(images) + done),
        ).images
        found[a] = [outcome(t, images, made, labels, batch).right.mean() for t in targets.values()]
    return found
