"""The attacks by name, with one signature, for curves and tables."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from cnnlab import names
from cnnlab.attacks import budget, gradient, lbfgs, one_pixel, universal
from cnnlab.attacks.batches import Advance, beyond, over, silent
from cnnlab.attacks.deepfool import deepfool
from cnnlab.attacks.target import logits
from cnnlab.classifier import Classifier


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of the attacks.

    Attributes:
      steps: the number of steps of PGD.
      batch: the number of images per batch.
      seed: of all random numbers.
      generations: of the one-pixel attack.
      population: of the one-pixel attack.
    """

    steps: int = 20
    batch: int = 50
    seed: int = 0
    generations: int = 30
    population: int = 100


_USUAL = Settings()


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """The arguments of an attack.

    Attributes:
      net: the network.
      images: float32 (n, h, w, c) in [0, 1].
      labels: int (n,), the true classes, which the attack leaves.
      epsilon: the budget, in the norm of the attack; ignored by attacks without a budget.
      settings: of the attack.
      advance: called with the number of images that are done.
    """

    net: Classifier
    images: np.ndarray
    labels: np.ndarray
    epsilon: float = 0.0
    settings: Settings = _USUAL
    advance: Advance = silent

    def in_batches(
        self, attack: Callable[[jax.Array, jax.Array, jax.Array], np.ndarray]
    ) -> np.ndarray:
        """Calls `attack(images, labels, key)` batch by batch, each with its own key."""
        key, done = jax.random.key(self.settings.seed), 0

        def batch(images, labels):
            nonlocal done
            done += len(images)
            return attack(images, labels, jax.random.fold_in(key, done))

        return over(
            batch, self.images, self.labels, batch=self.settings.batch, advance=self.advance
        )

    def predicted(self) -> np.ndarray:
        """Returns the predicted class of each image, int (n,)."""
        return self._scores().argmax(1)

    def second(self) -> np.ndarray:
        """Returns the most probable class of each image other than its label, int (n,).

        It is the target of targeted attacks.
        """
        scores = self._scores()
        scores[np.arange(len(self.labels)), self.labels] = -np.inf
        return scores.argmax(1)

    def _scores(self) -> np.ndarray:
        return over(lambda rows: logits(self.net, rows), self.images, batch=self.settings.batch)


@dataclasses.dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
      title: its name in the literature.
      paper: its source.
      norm: the norm of its change: 'linf', 'l2' or 'l0'.
      budgeted: whether it searches for the worst change within an epsilon; other attacks search for
        the least change that succeeds.
      run: task -> changed images, of the shape of the task's images.
    """

    title: str
    paper: str
    norm: str
    budgeted: bool
    run: Callable[[Task], np.ndarray]


def _fgsm(task: Task, norm: str = 'linf') -> np.ndarray:
    def attack(images, labels, key):
        return gradient.fgsm(task.net, images, labels, task.epsilon, norm=norm)

    return task.in_batches(attack)


def _bim(task: Task) -> np.ndarray:
    def attack(images, labels, key):
        return gradient.bim(task.net, images, labels, task.epsilon)

    return task.in_batches(attack)


def _pgd(task: Task, norm: str = 'linf') -> np.ndarray:
    def attack(images, labels, key):
        return gradient.pgd(
            task.net, images, labels, task.epsilon, steps=task.settings.steps, norm=norm, key=key
        )

    return task.in_batches(attack)


def _universal(task: Task) -> np.ndarray:
    shift = universal.universal(
        task.net,
        task.images,
        task.epsilon,
        seed=task.settings.seed,
        batch=task.settings.batch,
        passes=3,
        advance=lambda done, fooled: task.advance(min(done, len(task.images))),
    )
    return universal.apply(task.images, shift, task.epsilon)


def _deepfool(task: Task, norm: str = 'l2') -> np.ndarray:
    def attack(images, labels, key):
        return deepfool(task.net, images, labels, norm=norm)

    return task.in_batches(attack)


def _lbfgs(task: Task) -> np.ndarray:
    goals, right = task.second(), task.predicted() == task.labels
    changed = np.array(task.images)
    if right.any():
        changed[right] = lbfgs.lbfgs(
            task.net, task.images[right], goals[right], advance=task.advance
        )
    return changed


def _one_pixel(task: Task) -> np.ndarray:
    chosen = task.settings
    return one_pixel.one_pixel(
        task.net,
        task.images,
        task.labels,
        population=chosen.population,
        generations=chosen.generations,
        seed=chosen.seed,
        batch=chosen.batch,
        advance=task.advance,
    )


ATTACKS: dict[str, Attack] = {
    'fgsm': Attack('FGSM', 'Goodfellow et al. 2014', 'linf', True, _fgsm),
    'fgsm_l2': Attack(
        'FGM, l2', 'Goodfellow et al. 2014', 'l2', True, functools.partial(_fgsm, norm='l2')
    ),
    'bim': Attack('BIM', 'Kurakin et al. 2016', 'linf', True, _bim),
    'pgd': Attack('PGD', 'Madry et al. 2017', 'linf', True, _pgd),
    'pgd_l2': Attack(
        'PGD, l2', 'Madry et al. 2017', 'l2', True, functools.partial(_pgd, norm='l2')
    ),
    'universal': Attack(
        'Universal perturbation', 'Moosavi-Dezfooli et al. 2016', 'linf', True, _universal
    ),
    'deepfool': Attack('DeepFool', 'Moosavi-Dezfooli et al. 2015', 'l2', False, _deepfool),
    'deepfool_linf': Attack(
        'DeepFool, linf',
        'Moosavi-Dezfooli et al. 2015',
        'linf',
        False,
        functools.partial(_deepfool, norm='linf'),
    ),
    'lbfgs': Attack('L-BFGS to the second class', 'Szegedy et al. 2013', 'l2', False, _lbfgs),
    'one_pixel': Attack('One pixel', 'Su et al. 2017', 'l0', False, _one_pixel),
}


def register(name: str, attack: Attack) -> None:
    """Registers an attack of your own for `attack`, `curve` and the experiments.

    Raises:
      ValueError: the name is taken.
    """
    names.add('attack', name, attack, ATTACKS)


def get(name: str) -> Attack:
    """Returns the attack of that name.

    Raises:
      KeyError: there is none; the message gives the nearest names.
    """
    return names.lookup('attack', name, ATTACKS)


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """The result of an attack on n images.

    Attributes:
      images: float32 (n, h, w, c), the changed images.
      scores: float32 (n, k), their logits.
      right: bool (n,), whether they are still classified correctly.
      size: {'linf', 'l2', 'l0'}, the size of the changes; see `budget.sizes`.
    """

    images: np.ndarray
    scores: np.ndarray
    right: np.ndarray
    size: Mapping[str, np.ndarray]


def outcome(
    net: Classifier, images: np.ndarray, changed: np.ndarray, labels: np.ndarray, batch: int = 50
) -> Outcome:
    """Evaluates changed images.

    As in evaluation, the first of equal scores is the prediction, and NaN counts as wrong.
    """
    scores = over(lambda rows: logits(net, rows), changed, batch=batch)
    right = (scores.argmax(1) == labels) & ~np.isnan(scores).any(1)
    return Outcome(changed, scores, right, budget.sizes(images, changed))


def attack(
    net: Classifier,
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    epsilon: float = 0.0,
    settings: Settings = _USUAL,
    advance: Advance = silent,
) -> Outcome:
    """Runs the attack of that name and evaluates the changed images.

    Raises:
      KeyError: there is no such attack.
      ValueError: see the attack.
    """
    images = np.asarray(images, np.float32)
    task = Task(net, images, np.asarray(labels), epsilon, settings, advance)
    changed = get(name).run(task)
    return outcome(net, images, changed, labels, settings.batch)


def at(least: Outcome, clean: Outcome, norm: str, epsilon: float) -> Outcome:
    """Applies a budget to the outcome of an attack that has none.

    Images that it changed by more than `epsilon` in `norm` are replaced by the clean ones.
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
    net: Classifier,
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    epsilons: Sequence[float],
    settings: Settings = _USUAL,
    advance: Callable[[int], None] = silent,
) -> list[Outcome]:
    """Returns the outcome at each epsilon; an attack without a budget runs once, see `at`.

    Args:
      net: the network.
      name: of the attack.
      images: float32 (n, h, w, c) in [0, 1].
      labels: int (n,).
      epsilons: the budgets.
      settings: of the attack.
      advance: called with the number of images attacked, over all epsilons.
    """
    if get(name).budgeted:
        return [
            attack(
                net,
                name,
                images,
                labels,
                e,
                settings,
                beyond(advance, i * len(images)),
            )
            for i, e in enumerate(epsilons)
        ]
    least = attack(net, name, images, labels, 0.0, settings, advance)
    clean = outcome(
        net,
        np.asarray(images, np.float32),
        np.asarray(images, np.float32),
        labels,
        settings.batch,
    )
    return [at(least, clean, get(name).norm, e) for e in epsilons]


def transfer(
    nets: Mapping[str, Classifier],
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    epsilon: float,
    settings: Settings = _USUAL,
    advance: Callable[[int], None] = silent,
) -> np.ndarray:
    """Measures the accuracy of every network on the images changed for every network.

    All networks must take these images and have the same classes.

    Returns:
      float (networks, networks): in row a and column b, the accuracy of b on the images made for a.

    Raises:
      ValueError: see the attack.
    """
    accuracy = np.zeros((len(nets), len(nets)))
    for a, source in enumerate(nets.values()):
        made = attack(
            source,
            name,
            images,
            labels,
            epsilon,
            settings,
            beyond(advance, a * len(images)),
        ).images
        accuracy[a] = [
            outcome(net, images, made, labels, settings.batch).right.mean() for net in nets.values()
        ]
    return accuracy
