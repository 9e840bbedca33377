r"""Attacks trained networks and writes one page of the results.

The page shows accuracy against the budget, least changes, transfer, calibration, patches and
fooling images.

    python -m experiments.attack --weights=torchvision/squeezenet1_0 \
        --images=ILSVRC2012_img_val.tar --attacks=fgsm,pgd --out=attack
    python -m experiments.attack --run=runs/plain --run=runs/madry --epsilons=0.1,0.2,0.3 \
        --count=1000 --data_dir=... --out=attack
    python -m experiments.attack --weights=torchvision/squeezenet1_0 --images=a.jpg,b.jpg \
        --attacks=deepfool,one_pixel --out=attack
    python -m experiments.attack --weights=torchvision/squeezenet1_0 --images=... \
        --attacks=patch,fooling --goal=toaster --out=attack

Budgets are in units of [0, 1], before the network's normalization: 8/255 is eight gray levels.
Attacks in the l2 norm take --epsilons_l2. Images given as single files have no labels, so the
network's own prediction counts as correct. With two or more networks of the same classes, each is
also attacked with the examples made for the others. Writes index.html, attack.csv, attack.md and
the PNG files into --out.
"""

from collections.abc import Sequence

from absl import flags

from cnnlab import names
from cnnlab.attacks import budget, catalog
from cnnlab.studies import attack_page
from cnnlab.studies.attack_study import MADE, Bench, Plan
from cnnlab.train import workdir

from . import common

common.network_flags()
common.image_flags(split='test')
_COUNT = flags.DEFINE_integer(
    'count', 100, 'Number of images to attack, from the first.', lower_bound=1
)
_BATCH = flags.DEFINE_integer('batch', 50, 'Number of images per batch.', lower_bound=1)
_ATTACKS = flags.DEFINE_list(
    'attacks', ['fgsm', 'pgd'], f'Attacks to run: {", ".join([*catalog.ATTACKS, *MADE])}.'
)
_EPSILONS = flags.DEFINE_list(
    'epsilons', ['1/255', '2/255', '4/255', '8/255'], 'Budgets of the attacks in the linf norm.'
)
_L2 = flags.DEFINE_list(
    'epsilons_l2', ['0.25', '0.5', '1', '2'], 'Budgets of the attacks in the l2 norm.'
)
_STEPS = flags.DEFINE_integer(
    'steps', 20, 'Number of PGD steps, each of size 2.5 epsilon / steps.', lower_bound=1
)
_GOAL = flags.DEFINE_list(
    'goal', None, 'Target classes of patches and fooling images, by name or number.'
)
_GENERATIONS = flags.DEFINE_integer(
    'generations',
    30,
    'Number of generations of one-pixel attacks and evolved images.',
    lower_bound=1,
)
_PICTURES = flags.DEFINE_integer(
    'pictures', 3, 'Number of images shown for each attack.', lower_bound=1
)
_SEED = flags.DEFINE_integer(
    'seed', 0, 'Seed of random starts, positions and populations.', lower_bound=0
)
_OUT = flags.DEFINE_string('out', None, 'Folder to write.', required=True)

# number of target classes where --goal is not given: the first ones
_GOALS = 4


def number(text: str) -> float:
    """Returns the value of '8/255' or '0.03'.

    Raises:
      ValueError: the text is no such number, or it is below 0.
    """
    numerator, _, denominator = text.strip().partition('/')
    try:
        value = float(numerator) / float(denominator or 1)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f'budgets are numbers such as 0.03 or 8/255, not {text!r}') from None
    budget.limit(value)
    return value


def goal_of(text: str, labels: Sequence[str]) -> int:
    """Returns the index of the class that `text` gives by name or number.

    Raises:
      ValueError: the network has no such class; the message gives the nearest names or the range.
    """
    if text.strip().lstrip('-').isdigit():
        if not 0 <= int(text) < len(labels):
            raise ValueError(f'--goal={text}: the network has the classes 0 to {len(labels) - 1}')
        return int(text)
    return labels.index(names.among('class', text.strip(), labels))


def main(_):
    """Attacks the networks, prints the tables and writes the page."""
    for name in _ATTACKS.value:
        names.among('attack', name, [*catalog.ATTACKS, *MADE])
    epsilons = {'linf': [number(e) for e in _EPSILONS.value], 'l2': [number(e) for e in _L2.value]}
    networks = common.briefly(common.networks())
    plan = Plan(
        attacks=[name for name in _ATTACKS.value if name in catalog.ATTACKS],
        made=[kind for kind in MADE if kind in _ATTACKS.value],
        epsilons=epsilons,
        goals={
            net.name: [goal_of(text, net.labels) for text in _GOAL.value]
            if _GOAL.value
            else list(range(min(_GOALS, net.num_classes)))
            for net, _ in networks
        },
        settings=catalog.Settings(
            steps=_STEPS.value,
            batch=_BATCH.value,
            seed=_SEED.value,
            generations=_GENERATIONS.value,
        ),
        pictures=_PICTURES.value,
    )
    out = workdir.writable(_OUT.value)
    benches = []
    for network in networks:
        given = common.pictures(network, _COUNT.value)
        benches.append(Bench(network.net, given, _BATCH.value))
    files = attack_page.write(out, given.name, benches, plan)
    print(f'wrote {out}/index.html and {", ".join(files)}')


if __name__ == '__main__':
    common.start(main)
