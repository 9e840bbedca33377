"""The plan of a recipe: exact where it says so, with made images where the data is not there."""

import numpy as np
import pytest

from cnnlab.data import dataset_statistics
from cnnlab.recipes import registry
from cnnlab.report import schedule
from cnnlab.train import plan
from tests.train.nets import tiny


def test_sets_that_are_not_there_are_stood_in_for_by_made_ones_of_their_size():
    assert dataset_statistics.stand_in('ilsvrc2012') == 'fake:375x500x3:1000:1281167'
    assert dataset_statistics.stand_in('cifar10') == 'fake:32x32x3:10:50000'
    assert dataset_statistics.stand_in('digits') == 'digits'
    with pytest.raises(
        KeyError, match="no data set of known size named 'cifar11'; did you mean cifar10"
    ):
        dataset_statistics.stand_in('cifar11')
    with pytest.raises(
        KeyError, match='planning a run on folder needs its images: give --data_dir'
    ):
        dataset_statistics.stand_in('folder')


@pytest.mark.slow
def test_goyals_plan_is_arithmetic():
    """90 epochs of 8,192 images; the parameters and multiply-adds of ResNet-50 v1.5 are
    torchvision's (tests/models/peers.json); no data, nothing compiled.
    """
    made = plan.make(registry.get('resnet50_goyal'), None, measured=0)
    total = round(90 * 1_281_167 / 8192)
    assert (
        made.synthetic
        and made.examples == 1_281_167
        and made.setup.total == total
        and made.images == total * 8192
    )
    assert (
        made.params == 25_557_032
        and abs(made.macs / 4.089e9 - 1) < 1e-3
        and made.stages == ((0, 224),)
    )
    assert (
        made.memory.params == 4 * 25_557_032
        and made.memory.optimizer >= made.memory.params
        and made.average == 0
    )
    assert made.speed is None and made.seconds is None
    rows = plan.rows(made)
    assert rows[0] == (0, 0.0, pytest.approx(0.1, rel=1e-4)) and rows[-1][0] == total - 1
    assert {round(rate, 6) for _, _, rate in rows} >= {3.2, 0.32, 0.032, 0.0032}


@pytest.mark.slow
def test_time_is_extrapolated_from_measured_steps_by_area():
    recipe = tiny(
        model='cifar_resnet20',
        model_fields={'blocks': 1},
        dataset='fake:32x32x3:4:64',
        train=('resize(({size}, {size}))',),
        progressive_resizing=('16 from 0 steps', '32 from 4 steps'),
        duration='8 steps',
        average='ema',
        **{'average.decay': 0.9},
    )
    made = plan.make(recipe, None, measured=3)
    assert (
        not made.synthetic
        and made.stages == ((0, 16), (4, 32))
        and made.speed.batch == 16
        and made.speed.size == 32
    )
    assert made.seconds == pytest.approx((4 * 0.25 + 4) * 16 / made.speed.images_per_second)
    assert made.average == 4 * (made.params + 2 * sum(a.size for a in _norms(made)) // 2)


def _norms(made):
    import jax

    return jax.tree.leaves(jax.eval_shape(made.setup.init, np.uint32(0)).batch_stats)


@pytest.mark.parametrize(
    ('macs', 'batch', 'devices', 'expected'),
    [
        (41_000_000, 128, 1, 128),
        (4_089_000_000, 8192, 1, 4),
        (15_470_000_000, 256, 8, 8),
        (10**13, 256, 1, 1),
        (41_000_000, 128, 8, 128),
    ],
)
def test_a_measured_batch_is_what_the_machine_does_in_seconds(macs, batch, devices, expected):
    assert plan.batch_to_measure(macs, batch, devices, 'cpu') == expected


def test_a_sparkline_has_a_block_a_value():
    assert schedule.sparkline([0, 0.5, 1.0]) == '▁▅█'
    assert schedule.sparkline([float('nan'), 0.0]) == ' ▁'
    with pytest.raises(ValueError, match='at least one value'):
        schedule.sparkline([])


def test_a_schedule_is_drawn_over_steps_and_epochs():
    figure = schedule.schedule([0, 10, 20], [0.1, 0.1, 0.01], 10.0, 'a title')
    [axes] = figure.axes
    assert axes.get_xlabel() == 'step' and list(axes.lines[0].get_ydata()) == [0.1, 0.1, 0.01]
    with pytest.raises(ValueError, match='a learning rate for each of at least one step'):
        schedule.schedule([0], [], 1.0, '')


def test_a_recipe_of_unknown_data_is_refused():
    with pytest.raises(KeyError, match='no data set of known size'):
        plan.make(tiny().replace(dataset='cifar11', holdout=0), None, measured=0)
