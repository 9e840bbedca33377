r"""Attacks trained networks, and shows on one page how little it takes to mislead them.

    python -m experiments.attack --weights=torchvision/squeezenet1_0 \
        --images=ILSVRC2012_img_val.tar --attacks=fgsm,pgd --out=attack
    python -m experiments.attack --run=runs/plain --run=runs/madry --epsilons=0.1,0.2,0.3 \
        --count=1000 --data_dir=... --out=attack
    python -m experiments.attack --weights=torchvision/squeezenet1_0 --images=a.jpg,b.jpg \
        --attacks=deepfool,one_pixel --out=attack
    python -m experiments.attack --weights=torchvision/squeezenet1_0 --images=... \
        --attacks=patch,fooling --goal=toaster --out=attack

The page has accuracy against the budget, the least changes, transfer, calibration, patches and
fooling images. Budgets are in units of [0, 1], 8/255 being eight gray levels of pixels as they are
before the network's normalization; those of attacks in the norm l2 are --epsilons_l2. Into --out go
index.html, attack.csv and attack.md, and the PNGs. Pictures given one by one have no labels: then
what the network sees in them counts as right. Two networks or more of the same classes are also
attacked with what was made for each other.
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
_COUNT = flags.DEFINE_integer('count', 100, 'How many images, from the first on.', lower_bound=1)
_BATCH = flags.DEFINE_integer('batch', 50, 'Images at a time.', lower_bound=1)
_ATTACKS = flags.DEFINE_list(
    'attacks', ['fgsm', 'pgd'], f'Which: {", ".join([*catalog.ATTACKS, *MADE])}.'
)
_EPSILONS = flags.DEFINE_list(
    'epsilons', ['1/255', '2/255', '4/255', '8/255'], 'Budgets of attacks in the norm linf.'
)
_L2 = flags.DEFINE_list(
    'epsilons_l2', ['0.25', '0.5', '1', '2'], 'Budgets of attacks in the norm l2.'
)
_STEPS = flags.DEFINE_integer('steps', 20, 'Of PGD, of 2.5 epsilon / steps each.', lower_bound=1)
_GOAL = flags.DEFINE_list(
    'goal', None, 'Classes, by name or number, that patches and fooling images shall be taken for.'
)
_GENERATIONS = flags.DEFINE_integer(
    'generations', 30, 'Of one-pixel attacks, and of evolved images.', lower_bound=1
)
_PICTURES = flags.DEFINE_integer('pictures', 3, 'Images shown for each attack.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Of random starts, places and populations.', lower_bound=0)
_OUT = flags.DEFINE_string('out', None, 'The folder to write.', required=True)

# how many classes are goals where --goal is not given
_GOALS = 4


def number(text: str) -> float:
    """'8/255' or '0.03'; ValueError for anything else or below 0."""
    numerator, _, denominator = text.strip().partition('/')
    try:
        found = float(numerator) / float(denominator or 1)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f'budgets are numbers such as 0.03 or 8/255, not {text!r}') from None
    budget.limit(found)
    return found


def goal_of(text: str, labels: Sequence[str]) -> int:
    """The class of that name or number; ValueError with the nearest names, or with how many there
    are.
    """
    if text.strip().lstrip('-').isdigit():
        if not 0 <= int(text) < len(labels):
            raise ValueError(f'--goal={text}: the network has the classes 0 to {len(labels) - 1}')
        return int(text)
    return labels.index(names.among('class', text.strip(), labels))


def main(_):
    """Attacks, prints and writes."""
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
