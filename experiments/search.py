r"""Searches for good values of recipe fields: at random, or from coarse to fine.

    python -m experiments.search --recipe=digits --space learning_rate=log:1e-4:1 \
        --space weight_decay=log:1e-6:1e-2 --trials=24 --workdir=search
    python -m experiments.search --recipe=resnet20_cifar10 --space learning_rate=log:1e-3:1 \
        --space optimizer.momentum=choice:0.8,0.9 --rounds=3 --set "duration=4 epochs" \
        --data_dir=... --workdir=search

A space is log:LOW:HIGH, uniform:LOW:HIGH, int:LOW:HIGH, logint:LOW:HIGH or choice:A,B,C, for any
field that --set accepts, including `model_fields.NAME` of the network. --rounds=1 is random search;
each further round draws from the region of the best quarter of the trials so far. Successive
halving stops bad runs early: each run is validated --validations times, and after the first, third
and ninth time only the best third of the runs that got there continue. The search resumes if it is
started again with the same --workdir; several processes with the same --workdir share the trials.
Only the accuracy on validation images decides; test images are not used. Writes table.csv,
search.png and report.html into --workdir.
"""

import dataclasses

import optuna
from absl import flags

from cnnlab.recipes import registry
from cnnlab.recipes.override import override
from cnnlab.report import page, plots
from cnnlab.report.files import write_text
from cnnlab.report.page import Picture, Section
from cnnlab.report.table import Column, Table
from cnnlab.studies import search
from cnnlab.train import loop, workdir
from cnnlab.train.setup import build_setup

from . import common

flags.adopt_module_key_flags(common)
_RECIPE = flags.DEFINE_string(
    'recipe', None, f'Recipe: {", ".join(registry.RECIPES)}.', required=True
)
_SPACE = flags.DEFINE_multi_string(
    'space', [], 'Field to search and its space: FIELD=KIND:VALUES. May be repeated.'
)
_TRIALS = flags.DEFINE_integer(
    'trials', 20, 'Number of trials, of all processes together.', lower_bound=1
)
_ROUNDS = flags.DEFINE_integer(
    'rounds', 1, 'Number of rounds of coarse-to-fine search; 1 is random search.', lower_bound=1
)
_HALVING = flags.DEFINE_integer(
    'halving',
    3,
    'Factor of successive halving: 3 continues the best third of the runs; 0 stops none early.',
    lower_bound=0,
)
_VALIDATIONS = flags.DEFINE_integer(
    'validations', 9, 'Number of validations of each run.', lower_bound=1
)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of the draws.', lower_bound=0)


def objective(trial, recipe, space, root):
    """Trains the run of a trial and returns its validation top-1; prunes it if it diverges."""
    drawn = override(recipe, search.assignments(space, trial))
    setup = build_setup(drawn, common.DATA_DIR.value)
    if 'validation' not in setup.data:
        raise ValueError(
            f'{recipe.dataset} has no validation images to choose by; hold some out with --set '
            f'holdout=N'
        )
    every = max(setup.total // _VALIDATIONS.value, 1)
    setup = dataclasses.replace(setup, recipe=drawn.replace(evaluate_every=f'{every} steps'))

    def validated(step, figures):
        search.validate(trial, -(-step // every), figures['top1'])

    try:
        directory = search.directory(root, trial)
        quiet = dataclasses.replace(common.options().within(directory.name), quiet=True)
        result = loop.run_setup(setup, recipe.run.seed, directory, quiet, validated)
    except loop.NotFinite as error:
        trial.set_user_attr('diverged', str(error))
        raise optuna.TrialPruned(str(error)) from error
    return result.final['validation']['top1']


def described(study, space, per_round):
    """Returns (the trials that ended, best first; their table)."""
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    ended = [
        t
        for t in study.get_trials(deepcopy=False, states=states)
        if t.intermediate_values or t.value is not None
    ]
    ended.sort(key=lambda t: (t.state != states[0], -len(t.intermediate_values), -score(t)))
    kinds = {
        'log': ('number', 6),
        'uniform': ('number', 4),
        'int': ('integer',),
        'logint': ('integer',),
        'choice': ('text',),
    }
    columns = (
        Column('trial', 'integer'),
        Column('round', 'integer'),
        *(Column(d.field, *kinds[d.kind]) for d in space),
        Column('validation top-1', 'percent'),
        Column('validations', 'integer'),
        Column('end'),
    )
    rows = [
        (
            t.number,
            t.number // per_round + 1,
            *(t.params[d.field] for d in space),
            score(t),
            len(t.intermediate_values),
            'finished'
            if t.state == states[0]
            else 'diverged'
            if 'diverged' in t.user_attrs
            else 'stopped',
        )
        for t in ended
    ]
    notes = ['Finished runs first, then those that were stopped early, with their last validation.']
    return ended, Table(columns, rows, f'{len(ended)} trials of {_RECIPE.value}', notes)


def score(trial):
    """Returns the final validation top-1 of a trial, or the last one before it was stopped."""
    return (
        trial.value
        if trial.value is not None
        else trial.intermediate_values[max(trial.intermediate_values)]
    )


def main(_):
    """Runs the search and writes the results so far; every process of a search writes them."""
    space = [search.dimension(text) for text in _SPACE.value]
    if not space:
        raise ValueError(
            '--space is needed, once per field to search, such as --space learning_rate=log:1e-4:1'
        )
    recipe = common.override(registry.get(_RECIPE.value))
    search.check(space, recipe)
    out = workdir.writable(common.workdir())
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = search.study(
        out,
        space,
        recipe,
        trials=_TRIALS.value,
        rounds=_ROUNDS.value,
        halving=_HALVING.value,
        seed=_SEED.value,
    )
    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    left = optuna.study.MaxTrialsCallback(_TRIALS.value, states=ended)
    if len(study.get_trials(deepcopy=False, states=ended)) < _TRIALS.value:
        study.optimize(
            lambda trial: objective(trial, recipe, space, out), callbacks=[left, print_trial]
        )
    trials, table = described(study, space, max(_TRIALS.value // _ROUNDS.value, 1))
    if not trials:
        print('no run reached its first validation')
        return
    table.print()
    best = trials[0]
    settings = ' '.join(f'--set {d.field}={best.params[d.field]}' for d in space)
    sentence = (
        f'the best finished run is trial {best.number} with {score(best):.2%} on validation '
        f'images: {settings}'
    )
    print(sentence)
    rounds = [
        f'round {t.number // max(_TRIALS.value // _ROUNDS.value, 1) + 1}'
        if t.value is not None
        else 'stopped early'
        for t in trials
    ]
    figure = plots.sweep(
        {d.field: [t.params[d.field] for t in trials] for d in space},
        [100 * score(t) for t in trials],
        rounds,
        ylabel='validation top-1 (%)',
        log=[d.field for d in space if d.kind.startswith('log')],
    )
    plots.save(figure, out / 'search.png')
    write_text(out / 'table.csv', table.to_csv())
    page.write_page(
        out / 'report.html',
        f'Search: {_RECIPE.value}',
        [
            Section(
                'Result',
                [
                    sentence,
                    table,
                    Picture(
                        figure,
                        'Validation accuracy of every trial against each field.',
                        'Accuracy by field.',
                    ),
                ],
            ),
            Section('Space', [{d.field: str(d.distribution) for d in space}]),
        ],
    )
    print(f'wrote {out}/report.html, table.csv and search.png')


def print_trial(study, trial):
    """Prints one line when a trial ends."""
    values = ', '.join(
        f'{k}={v:.3g}' if isinstance(v, float) else f'{k}={v}' for k, v in trial.params.items()
    )
    result = (
        f'{score(trial):.2%} after {len(trial.intermediate_values)} validations'
        if trial.intermediate_values
        else 'none'
    )
    print(
        f'trial {trial.number}: {values}: {result}{"" if trial.value is not None else ", stopped"}',
        flush=True,
    )


if __name__ == '__main__':
    common.start(main)
