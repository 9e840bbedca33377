"""Tables and curves of attacks: accuracy by budget, least changes, calibration."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import softmax

from cnnlab.attacks import catalog
from cnnlab.attacks.catalog import Outcome
from cnnlab.report import temperature
from cnnlab.report.proportions import calibration, wilson
from cnnlab.report.table import Column, Table

_LABELS = {'linf': 'epsilon, linf (units of 1/255)', 'l2': 'epsilon, l2 (units of [0, 1])'}


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """One attack on one network.

    Attributes:
      network: its name.
      attack: its name in `attacks.catalog`.
      epsilon: the budget; None for attacks without one.
      outcome: of the attack.
      stored: bool (n,), for attacks without a budget: whether each image is right after rounding to
        whole gray levels, as in an image file.
    """

    network: str
    attack: str
    epsilon: float | None
    outcome: Outcome
    stored: np.ndarray | None = None


def halves(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits n images into those to learn from and those to test on, alternately.

    Returns:
      Two masks, bool (n,). A single image is in both.
    """
    learned, tested = np.arange(n) % 2 == 1, np.arange(n) % 2 == 0
    return (learned if n > 1 else tested), tested


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Computes the softmax over the classes, in float64."""
    return softmax(np.asarray(scores, np.float64), axis=-1)


def confidences(outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """Returns the confidence (n,) of each image, and whether its prediction is right (n,)."""
    return probabilities(outcome.scores).max(-1), outcome.right


def shown_budget(epsilon: float) -> str:
    """Formats a budget: '8/255' for a small whole number of gray levels, else a short decimal."""
    levels = epsilon * 255
    return (
        f'{round(levels)}/255'
        if epsilon and abs(levels - round(levels)) < 1e-6 and levels < 33
        else f'{epsilon:.3g}'
    )


def tables(clean: Mapping[str, Outcome], entries: Sequence[Entry]) -> list[Table]:
    """Builds the tables of accuracy by budget and of least changes, for the attacks there are.

    Args:
      clean: {network: outcome without an attack}.
      entries: the attacks.
    """
    out = []
    if any(e.epsilon is not None for e in entries):
        columns = (
            Column('network'),
            Column('attack'),
            Column('epsilon'),
            Column('accuracy', 'percent'),
            Column('95%'),
            Column('of right ones fooled', 'percent'),
            Column('confidence', 'percent'),
            Column('ECE', 'percent'),
        )
        rows = []
        for network, outcome in clean.items():
            rows.append([network, 'none', None, *_figures(outcome, outcome)])
            rows += [
                [
                    network,
                    catalog.get(e.attack).title,
                    shown_budget(e.epsilon),
                    *_figures(e.outcome, outcome),
                ]
                for e in entries
                if e.network == network and e.epsilon is not None
            ]
        n = len(next(iter(clean.values())).right)
        out.append(
            Table(
                columns,
                rows,
                'Accuracy under attack',
                (
                    f"{n} images. 95%: Wilson's interval. ECE: expected calibration error, 15 "
                    f'bins of equal width. Confidence: the mean probability of the predicted '
                    f'class.',
                ),
            )
        )
    if any(e.epsilon is None for e in entries):
        least_columns = (
            Column('network'),
            Column('attack'),
            Column('attacked', 'integer'),
            Column('fooled', 'percent'),
            Column('95%'),
            Column('as stored', 'percent'),
            Column('median l2', 'number', 3),
            Column('median linf x 255', 'number', 2),
            Column('median pixels', 'integer'),
        )
        rows = []
        for e in entries:
            if e.epsilon is None:
                tried = clean[e.network].right
                fooled = tried & ~e.outcome.right
                low, high = wilson(int(fooled.sum()), int(tried.sum())) if tried.any() else (0, 1)
                medians = [
                    float(np.median(e.outcome.size[k][fooled])) if fooled.any() else None
                    for k in ('l2', 'linf', 'l0')
                ]
                stored = e.outcome.right if e.stored is None else e.stored
                shares = [
                    float(wrong.sum() / tried.sum()) if tried.any() else None
                    for wrong in (fooled, tried & ~stored)
                ]
                rows.append(
                    [
                        e.network,
                        catalog.get(e.attack).title,
                        int(tried.sum()),
                        shares[0],
                        f'{low:.1%} to {high:.1%}',
                        shares[1],
                        medians[0],
                        medians[1] and 255 * medians[1],
                        None if medians[2] is None else int(medians[2]),
                    ]
                )
        out.append(
            Table(
                least_columns,
                rows,
                'Least changes',
                (
                    'Only images that were right are attacked. Medians are of those whose class '
                    'changed. As stored: fooled after rounding to whole gray levels.',
                ),
            )
        )
    return out


def _figures(outcome, clean):
    n, right = len(outcome.right), int(outcome.right.sum())
    low, high = wilson(right, n)
    confidence, _ = confidences(outcome)
    fooled = (
        (clean.right & ~outcome.right).sum() / clean.right.sum()
        if clean.right.any() and outcome is not clean
        else None
    )
    return (
        right / n,
        f'{low:.1%} to {high:.1%}',
        fooled,
        float(confidence.mean()),
        calibration(confidence, outcome.right)[0],
    )


def panels(
    clean: Outcome, entries: Sequence[Entry], epsilons: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, list]]:
    """Computes the points of the curves of images right against the budget.

    An attack without a budget has points at the tenths of its fooled images, and at the largest
    epsilon if other attacks in the same norm go further.

    Args:
      clean: the outcome without an attack.
      entries: the attacks on one network.
      epsilons: {norm: budgets}.

    Returns:
      {axis label: {attack: [(epsilon, images right)]}}.
    """
    out: dict[str, dict[str, list]] = {}
    for e in entries:
        attack = catalog.get(e.attack)
        if attack.norm not in _LABELS:
            continue
        scale = 255 if attack.norm == 'linf' else 1
        line = out.setdefault(_LABELS[attack.norm], {}).setdefault(
            attack.title, [(0.0, int(clean.right.sum()))]
        )
        if e.epsilon is not None:
            line.append((scale * e.epsilon, int(e.outcome.right.sum())))
        else:
            sizes = e.outcome.size[attack.norm][clean.right & ~e.outcome.right]
            at = (
                np.unique(
                    np.quantile(sizes, np.linspace(0.1, 1, 10), method='inverted_cdf')
                ).tolist()
                if len(sizes)
                else []
            )
            budgeted = any(
                o.epsilon is not None and catalog.get(o.attack).norm == attack.norm for o in entries
            )
            end = max(epsilons[attack.norm], default=0.0)
            if (budgeted or not at) and end > max(at, default=0.0):
                at.append(end)
            line += [
                (scale * x, int(catalog.at(e.outcome, clean, attack.norm, x).right.sum()))
                for x in at
            ]
    return out


def merged(curves: Mapping[str, dict[str, dict[str, list]]]) -> dict[str, dict[str, list]]:
    """Merges the panels of several networks, whose lines are then named by network and attack."""
    out: dict[str, dict[str, list]] = {}
    for network, panels_ in curves.items():
        for label, lines in panels_.items():
            for attack, points in lines.items():
                out.setdefault(label, {})[f'{network}: {attack}' if len(curves) > 1 else attack] = (
                    points
                )
    return out


def worst(entries: Sequence[Entry], network: str) -> list[Entry]:
    """Returns the entry of each budgeted attack at its largest budget."""
    largest: dict[str, Entry] = {}
    for e in entries:
        if (
            e.network == network
            and e.epsilon is not None
            and (e.attack not in largest or e.epsilon > (largest[e.attack].epsilon or 0))
        ):
            largest[e.attack] = e
    return list(largest.values())


def calibration_table(clean: Outcome, entries: Sequence[Entry], labels: np.ndarray) -> Table:
    """Builds the table of calibration before and after temperature scaling.

    The temperature is fitted to every other image without an attack; all values are of the rest.

    Args:
      clean: the outcome without an attack.
      entries: the attacks.
      labels: int (n,).
    """
    fitted, tested = halves(len(labels))
    fitted_temperature = temperature.fit(clean.scores[fitted], labels[fitted])
    rows = []
    for title, outcome in [
        ('none', clean),
        *((catalog.get(e.attack).title, e.outcome) for e in entries),
    ]:
        right = outcome.right[tested]
        before, after = (
            probabilities(outcome.scores[tested] / t).max(1) for t in (1, fitted_temperature)
        )
        rows.append(
            [
                title,
                float(right.mean()),
                float(before.mean()),
                calibration(before, right)[0],
                float(after.mean()),
                calibration(after, right)[0],
            ]
        )
    columns = (
        Column('attack'),
        Column('accuracy', 'percent'),
        Column('confidence', 'percent'),
        Column('ECE', 'percent'),
        Column('confidence, scaled', 'percent'),
        Column('ECE, scaled', 'percent'),
    )
    return Table(
        columns,
        rows,
        'Calibration',
        (
            f'The temperature is {fitted_temperature:.3g}, fitted to {int(fitted.sum())} images '
            f'without an attack; the values are of the {int(tested.sum())} others.',
        ),
    )
