"""Random and coarse-to-fine search over the fields of a recipe, on Optuna's storage and successive
halving.

Random draws instead of a grid follow Bergstra & Bengio 2012, Random search for hyper-parameter
optimization; coarse to fine follows the CNN lectures. The draw of trial n depends on the seed, on n
and on the trials before its round, so processes that share a study never repeat a draw.
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
# the next round draws between the values of this share of the finished trials; assumed
BEST = 0.25
# share of that range added at both ends; assumed
MARGIN = 0.1

Distribution = CategoricalDistribution | IntDistribution | FloatDistribution


@dataclasses.dataclass(frozen=True)
class Dimension:
    """A field of the recipe and the distribution of its values.

    Attributes:
      field: named as --set takes it.
      kind: one of KINDS.
      distribution: Optuna's.
    """

    field: str
    kind: str
    distribution: Distribution

    def draw(self, trial: optuna.Trial) -> Any:
        """Draws the value of a trial by the sampler of its study."""
        values = self.distribution
        if isinstance(values, CategoricalDistribution):
            return trial.suggest_categorical(self.field, values.choices)
        if isinstance(values, IntDistribution):
            return trial.suggest_int(self.field, values.low, values.high, log=values.log)
        return trial.suggest_float(self.field, values.low, values.high, log=values.log)


def dimension(text: str) -> Dimension:
    """Parses a dimension of the search space, FIELD=KIND:VALUES.

    Args:
      text: such as 'learning_rate=log:1e-4:1', 'optimizer.momentum=uniform:0.8:0.99',
        'batch_size=logint:32:512' or 'optimizer=choice:adam,momentum'. The field is named as --set
        takes it.

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
    """Raises ValueError if a field is not a recipe's, or does not take such values."""
    for dim in space:
        if isinstance(dim.distribution, CategoricalDistribution):
            values: Sequence[Any] = dim.distribution.choices
        else:
            values = (dim.distribution.low, dim.distribution.high)
        for value in values:
            override(recipe, [f'{dim.field}={value}'])


class CoarseToFine(BaseSampler):
    """Draws at random: in the first round from the whole space, in each later one from the range of
    the best trials so far.

    Args:
      per_round: trials in a round.
      seed: of the draws.
    """

    def __init__(self, per_round: int, seed: int = 0):
        self.per_round, self.seed = per_round, seed

    def infer_relative_search_space(self, study, trial):
        """Returns {}: no fields are drawn jointly."""
        return {}

    def sample_relative(self, study, trial, search_space):
        """Returns {}: no fields are drawn jointly."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: Any,
    ) -> Any:
        """Draws the value of a field."""
        best = best_before(study, trial.number // self.per_round * self.per_round)
        values = [t.params[param_name] for t in best if param_name in t.params]
        narrowed = narrow(param_distribution, values) if values else param_distribution
        # hash the field's first name, so that renaming a field does not change what a search draws
        first_name = old_names.old_name(paths.resolve(param_name, paths.hints(Recipe)))
        hashed = zlib.crc32(first_name.encode())
        state = np.random.SeedSequence([self.seed, trial.number, hashed]).generate_state(1)
        return RandomSampler(seed=int(state[0])).sample_independent(
            study, trial, param_name, narrowed
        )


def best_before(study: optuna.Study, number: int) -> list[FrozenTrial]:
    """Returns the best quarter, at least two, of the completed trials with lower numbers.

    Returns [] if fewer than four are complete.
    """
    done = [
        t
        for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if t.number < number
    ]
    done.sort(key=lambda t: (-t.values[0], t.number))
    return done[: max(2, math.ceil(BEST * len(done)))] if len(done) >= 4 else []


def narrow(distribution: Distribution, values: Sequence[Any]) -> Distribution:
    """Narrows a distribution to the range of these values and a margin, or to the given choices."""
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution([c for c in distribution.choices if c in values])
    scale, back = (math.log, math.exp) if distribution.log else (float, float)
    low, high = scale(min(values)), scale(max(values))
    whole = scale(distribution.high) - scale(distribution.low)
    margin = MARGIN * max(high - low, MARGIN * whole)
    low = max(back(low - margin), distribution.low)
    high = min(back(high + margin), distribution.high)
    if isinstance(distribution, IntDistribution):
        return IntDistribution(
            max(math.floor(low), distribution.low),
            min(math.ceil(high), distribution.high),
            log=distribution.log,
        )
    return FloatDistribution(low, high, log=distribution.log)


def assignments(space: Iterable[Dimension], trial: optuna.Trial) -> list[str]:
    """Draws the values of a trial, each as 'field=value'."""
    return [f'{dim.field}={dim.draw(trial)!r}'.replace("'", '') for dim in space]


def url(path: pathlib.Path) -> str:
    """Returns the URL of a directory's study, an SQLite file that processes of one machine can
    share.
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
    """Opens the study of a directory, or creates it.

    Args:
      path: the directory.
      space: the fields to search.
      recipe: of all other fields.
      trials: in all rounds together.
      rounds: see `CoarseToFine`; one round is plain random search.
      halving: of the runs that reach 1, `halving`, `halving`^2, ... validations, only the best
        1 / `halving` so far continue (asynchronous successive halving, Li et al. 2018,
        arXiv:1810.05934); 0 lets all runs finish.
      seed: of the draws.

    Raises:
      ValueError: the directory holds a search with another recipe, space or setting.
    """
    with (path / 'study.lock').open('w') as lock:
        # without the lock two processes that start together would both create the tables
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
        # Optuna's heartbeats, by which a trial whose process died is retried, are experimental
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
    opened = optuna.create_study(
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
    stored = opened.user_attrs
    different = [key for key, value in about.items() if key in stored and stored[key] != value]
    if different:
        raise ValueError(
            f'{path} holds a search with another {" and ".join(different)}; choose another '
            f'--workdir'
        )
    for key, value in about.items():
        if key not in stored:
            opened.set_user_attr(key, value)
    return opened


def directory(root: pathlib.Path, trial: optuna.Trial | FrozenTrial) -> pathlib.Path:
    """Returns the run directory of a trial; a retried trial has that of its first attempt."""
    frozen = (
        trial
        if isinstance(trial, FrozenTrial)
        else trial.study.get_trials(deepcopy=False)[trial.number]
    )
    # Optuna stores the number of the first attempt as failed_trial
    return root / 'trials' / f'{frozen.system_attrs.get("failed_trial", trial.number):04d}'


def validate(trial: optuna.Trial, count: int, top1: float) -> None:
    """Reports a validation to the study.

    Args:
      trial: of the run.
      count: validations so far, this one included.
      top1: of this validation.

    Raises:
      optuna.TrialPruned: successive halving stops the run.
    """
    trial.report(top1, count)
    if trial.should_prune():
        raise optuna.TrialPruned(f'not among the best after {count} validations')
