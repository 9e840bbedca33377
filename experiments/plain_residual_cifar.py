r"""Compares plain and residual networks of two depths on CIFAR-10 (He et al. 2015).

    # 4 epochs per network
    python -m experiments.plain_residual_cifar --data_dir=... --workdir=runs/figure6
    python -m experiments.plain_residual_cifar --epochs=182 --seeds=3 --data_dir=... \
        --workdir=runs/figure6_full --results=docs/results

Expected (arXiv:1512.03385, Figure 6): the plain network of 56 layers has a higher *training* and
test error than the one of 20 layers; the residual network of 56 layers has lower errors than the
one of 20. The paper's test errors after 64,000 steps are 8.75% for ResNet-20 and 6.97% for
ResNet-56 (Table 6); those of the plain networks are only plotted.

The recipe is the paper's, shortened; the learning rate drops at 1/2 and 3/4 of the run. 64,000
steps are 182 epochs of the 45,000 images. Accuracies on JPEG copies of CIFAR-10 are lower than on
the original, so compare within the table only. After two epochs per network (docs/results) the
plain networks agree with the figure. The residual networks do not yet: the deeper one is still
worse, though by less than the deeper plain one.
"""

from absl import flags

from cnnlab.recipes import resnet
from cnnlab.report.numbers import show
from cnnlab.studies import seed_study
from cnnlab.studies.seed_study import error, percent, training_error

from . import common

common.study_flags()

_EPOCHS = flags.DEFINE_float(
    'epochs', 4, 'Number of epochs of each run; the paper has 182.', lower_bound=0
)
_DEPTHS = flags.DEFINE_list('depths', ['20', '56'], 'Two numbers of layers, 6n + 2 each.')


def reading(measured):
    """Says whether depth hurts the plain networks and helps the residual ones."""
    shallow, deep = _DEPTHS.value
    lines = []
    for kind, expected in (('plain', 'higher'), ('ResNet', 'lower')):
        pair = [measured[f'{kind}-{d}'] for d in (shallow, deep)]
        errors = [training_error(runs) for runs in pair]
        if None in errors:
            lines.append(f'a {kind} network diverged, so there is no comparison of depths')
            continue
        direction = 'higher' if errors[1].mean > errors[0].mean else 'lower'
        points = show(abs(errors[1].mean - errors[0].mean), 'percent', 1).rstrip('%')
        lines.append(
            f'{kind}-{deep} has a training error of {percent(errors[1])}, {kind}-{shallow} of '
            f'{percent(errors[0])}: the deeper one is {direction} by {points} points, '
            f'{"as" if direction == expected else "unlike"} in the paper (test error '
            f'{percent(error(pair[1]))} and {percent(error(pair[0]))})'
        )
    return '. '.join(lines) + f'. Each was trained for {_EPOCHS.value:g} epochs; the paper has 182.'


def main(_):
    """Trains both kinds of network at both depths."""
    if len(_DEPTHS.value) != 2 or not all(
        d.isdecimal() and int(d) % 6 == 2 and int(d) >= 8 for d in _DEPTHS.value
    ):
        raise ValueError(
            f'--depths takes two numbers of layers 6n + 2, such as 20,56, not '
            f'{",".join(_DEPTHS.value)}'
        )
    recipes = {}
    for kind, plain in (('plain', True), ('ResNet', False)):
        for depth in map(int, _DEPTHS.value):
            paper = resnet.cifar10(depth, plain)
            recipes[f'{kind}-{depth}'] = paper.replace(
                duration=f'{_EPOCHS.value:g} epochs',
                evaluate_every='1 epochs',
                checkpoint_every='1 epochs',
            )
    seed_study.run(
        seed_study.SeedStudy(
            'plain_residual_cifar',
            'Plain and residual networks of two depths on CIFAR-10',
            'He et al. 2015, Figure 6: among plain networks the deeper one has the higher training '
            'error, among residual networks the lower.',
            reading,
        ),
        recipes,
        common.study(),
    )


if __name__ == '__main__':
    common.start(main)
