"""Random and coarse-to-fine search over the fields of a recipe, kept by Optuna: its storage, its
successive halving.

Random draws rather than a grid: Bergstra & Bengio 2012, Random search for hyper-parameter
optimization. Coarse to fine: the CNN lectures. What trial n draws depends on the seed, n and the
trials that came before its round, so several processes that share a study never draw the same.
"""

import dataclasses
import fcntl
import math
import pathlib
import warnings
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from cnnlab import names
from cnnlab.recipes import old_names, paths
from cnnlab.recipes.override import override
from cnnlab.recipes.recipe import Recipe

KINDS = ('log', 'uniform', 'int', 'logint', 'choice')
# of the finished trials, between whose values the next round draws; assumed
BEST = 0.25
# of that range, added at both ends; assumed
MARGIN = 0.1

Distribution = CategoricalDistribution | IntDistribution | FloatDistribution


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One field of the recipe and what it may be."""

    # as --set takes it
    field: str
    kind: str
    distribution: Distribution

    def draw(self, trial: optuna.Trial) -> Any:
        """The trial's value, as the sampler of its study draws it."""
        found = self.distribution
        if isinstance(found, CategoricalDistribution):
            return trial.suggest_categorical(self.field, found.choices)
        if isinstance(found, IntDistribution):
            return trial.suggest_int(self.field, found.low, found.high, log=found.log)
        return trial.suggest_float(self.field, found.low, found.high, log=found.log)


def dimension(text: str) -> Dimension:
    """'learning_rate=log:1e-4:1', 'optimizer.momentum=uniform:0.8:0.99', 'batch_size=logint:32:512'
    or 'optimizer=choice:adam,momentum'; the field is named as --set takes it.

    Raises:
      ValueError: another form, bounds that do not rise, a logarithm of 0, fewer than two choices.
    """
    field, equals, rest = text.partition('=')
    kind, _, values = rest.partition(':')
    if not equals or not values:
        raise ValueError(
            f'--space is written FIELD=KIND:VALUES, such as learning_rate=log:1e-4:1 '
            f'or optimizer.momentum=choice:0.8,0.9, not {text!r}'
        )
    names.among('kind of space', kind, KINDS)
    if kind == 'choice':
        choices = tuple(v.strip() for v in values.split(',') if v.strip())
        if len(set(choices)) < 2:
            raise ValueError(f'a choice needs two values or more, not {values!r}')
        return Dimension(field.strip(), kind, CategoricalDistribution(choices))
    number = int if kind.endswith('int') else float
    try:
        low, high = map(number, values.split(':'))
    except ValueError:
        raise ValueError(
            f'{text!r}: {kind} takes two {"whole " * (number is int)}numbers LOW:HIGH'
        ) from None
    if not low < high or (kind.startswith('log') and low <= 0):
        raise ValueError(
            f'{text!r}: the bounds must rise{", from above 0" * kind.startswith("log")}'
        )
    log = kind.startswith('log')
    made: Distribution = FloatDistribution(low, high, log=log)
    if number is int:
        made = IntDistribution(int(low), int(high), log=log)
    return Dimension(field.strip(), kind, made)


def check(space: Iterable[Dimension], recipe: Recipe) -> None:
    """Raises ValueError where a field is none of a recipe's, or does not take such values."""
    for dim in space:
        if isinstance(dim.distribution, CategoricalDistribution):
            values: Sequence[Any] = dim.distribution.choices
        else:
            values = (dim.distribution.low, dim.distribution.high)
        for value in values:
            override(recipe, [f'{dim.field}={value}'])


class CoarseToFine(BaseSampler):
    """Draws at random, in the first round from all of the space, in each later one from where the
    best trials so far lie.

    Args:
      per_round: trials of a round; the first `per_round` numbers are the first round.
      seed: of the draws.
    """

    def __init__(self, per_round: int, seed: int = 0):
        self.per_round, self.seed = per_round, seed

    def infer_relative_search_space(self, study, trial):
        """Nothing is drawn jointly."""
        return {}

    def sample_relative(self, study, trial, search_space):
        """Nothing is drawn jointly."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: Any,
    ) -> Any:
        """One value of one field."""
        best = best_before(study, trial.number // self.per_round * self.per_round)
        values = [t.params[param_name] for t in best if param_name in t.params]
        narrowed = narrow(param_distribution, values) if values else param_distribution
        # the name that the field had first, so that a search draws what it always drew
        first_name = old_names.old_name(paths.resolve(param_name, paths.hints(Recipe)))
        hashed = zlib.crc32(first_name.encode())
        state = np.random.SeedSequence([self.seed, trial.number, hashed]).generate_state(1)
        return RandomSampler(seed=int(state[0])).sample_independent(
            study, trial, param_name, narrowed
        )


def best_before(study: optuna.Study, number: int) -> list[FrozenTrial]:
    """The best quarter, at least two, of the trials numbered below that came to their end; none
    where there are fewer than four.
    """
    done = [
        t
        for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if t.number < number
    ]
    done.sort(key=lambda t: (-t.values[0], t.number))
    return done[: max(2, math.ceil(BEST * len(done)))] if len(done) >= 4 else []


def narrow(distribution: Distribution, values: Sequence[Any]) -> Distribution:
    """The part of a distribution between these values, and a margin; of choices, those given."""
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution([c for c in distribution.choices if c in values])
    scale, back = (math.log, math.exp) if distribution.log else (float, float)
    low, high, whole = (
        scale(min(values)),
        scale(max(values)),
        scale(distribution.high) - scale(distribution.low),
    )
    margin = MARGIN * max(high - low, MARGIN * whole)
    low, high = (
        max(back(low - margin), distribution.low),
        min(back(high + margin), distribution.high),
    )
    if isinstance(distribution, IntDistribution):
        return IntDistribution(
            max(math.floor(low), distribution.low),
            min(math.ceil(high), distribution.high),
            log=distribution.log,
        )
    return FloatDistribution(low, high, log=distribution.log)


def assignments(space: Iterable[Dimension], trial: optuna.Trial) -> list[str]:
    """What a trial draws, as 'field=value'."""
    return [f'{dim.field}={dim.draw(trial)!r}'.replace("'", '') for dim in space]


def url(path: pathlib.Path) -> str:
    """Where the study of a directory is kept: an SQLite file, which several processes of one
    machine may share.
    """
    return f'sqlite:///{path / "study.db"}'


def study(
    path: pathlib.Path,
    space: Sequence[Dimension],
    recipe: Recipe,
    *,
    trials: int,
    rounds: int,
    halving: int,
    seed: int,
) -> optuna.Study:
    """Opens the study of a directory, or begins it.

    Args:
      trials, rounds: so many trials in so many rounds, see `CoarseToFine`; one round is plain
        random search.
      halving: of the runs that reach 1, `halving`, `halving`^2, ... validations only the best 1 /
        `halving` so far go on (asynchronous successive halving, Li et al. 2018, arXiv:1810.05934);
        0 lets all run to their end.

    Raises:
      ValueError: another recipe or space is searched there.
    """
    with (path / 'study.lock').open('w') as lock:
        # two processes that begin at once would both make the tables
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _opened(path, space, recipe, CoarseToFine(max(trials // rounds, 1), seed), halving)


def _opened(
    path: pathlib.Path,
    space: Sequence[Dimension],
    recipe: Recipe,
    rounds_of: CoarseToFine,
    halving: int,
) -> optuna.Study:
    pruner = (
        optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=halving)
        if halving
        else optuna.pruners.NopPruner()
    )
    with warnings.catch_warnings():
        # heartbeats: a trial whose process died is begun again
        warnings.simplefilter('ignore', optuna.exceptions.ExperimentalWarning)
        storage = optuna.storages.RDBStorage(
            url(path),
            {'connect_args': {'timeout': 60}},
            heartbeat_interval=15,
            grace_period=60,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(
                max_retry=3
            ),
        )
    found = optuna.create_study(
        study_name='search',
        storage=storage,
        sampler=rounds_of,
        pruner=pruner,
        direction='maximize',
        load_if_exists=True,
    )
    about = {
        'recipe': recipe.to_json(),
        'space': [f'{d.field} {d.distribution}' for d in space],
        'rounds': rounds_of.per_round,
        'halving': halving,
        'seed': rounds_of.seed,
    }
    there = found.user_attrs
    different = [key for key, value in about.items() if key in there and there[key] != value]
    if different:
        raise ValueError(
            f'{path} holds a search with another {" and ".join(different)}; choose another '
            f'--workdir'
        )
    for key, value in about.items():
        if key not in there:
            found.set_user_attr(key, value)
    return found


def directory(root: pathlib.Path, trial: optuna.Trial | FrozenTrial) -> pathlib.Path:
    """The run of a trial; one that is tried again because its process died goes on in the directory
    of the first.
    """
    frozen = (
        trial
        if isinstance(trial, FrozenTrial)
        else trial.study.get_trials(deepcopy=False)[trial.number]
    )
    # the number of the first
    return root / 'trials' / f'{frozen.system_attrs.get("failed_trial", trial.number):04d}'


def validate(trial: optuna.Trial, count: int, top1: float) -> None:
    """Tells the study what a run has after its `count`-th validation; raises optuna.TrialPruned
    where it is not among those that go on.
    """
    trial.report(top1, count)
    if trial.should_prune():
        raise optuna.TrialPruned(f'not among the best after {count} validations')
