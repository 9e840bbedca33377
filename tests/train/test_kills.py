"""Runs killed with SIGKILL at random moments while they start, step, write a checkpoint and
evaluate: nothing is lost.
"""

import os
import random

import pytest

from benchmarks import soak

# of a run that is killed five times, and three times
EPOCHS, FEW = 30, 8


def left_alone(root, epochs):
    """(the folder of a run left alone, the folder of what was compiled)."""
    soak.finished(root / 'whole', epochs, root / 'cache')
    return root / 'whole', root / 'cache'


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    return left_alone(tmp_path_factory.mktemp('kills'), EPOCHS)


def survives(whole, directory, moments, epochs):
    """Kills a run at such moments and lets it end; as many kills as moments must have come before
    its end.
    """
    seed = int.from_bytes(os.urandom(4), 'little')
    draw, killed = random.Random(seed), 0
    for moment in moments:
        killed += soak.kill(directory, moment, epochs, whole[1], draw)
    soak.finished(directory, epochs, whole[1])
    assert soak.losses(whole[0], directory) == [], f'seed {seed}'
    assert killed == len(moments), f'{killed} kills, seed {seed}'


@pytest.mark.slow
def test_three_kills_change_no_bit(tmp_path):
    survives(left_alone(tmp_path, FEW), tmp_path / 'run', ('step', 'checkpoint', 'evaluation'), FEW)


@pytest.mark.full
def test_twenty_kills_change_no_bit(whole, tmp_path):
    # each on a run of its own: within one the moments would run out
    for part in range(4):
        survives(
            whole,
            tmp_path / f'run{part}',
            ('start', 'step', 'checkpoint', 'evaluation', 'step'),
            EPOCHS,
        )


@pytest.mark.full
def test_damage_and_preemption_change_no_bit(whole, tmp_path):
    draw, directory = random.Random(1), tmp_path / 'run'
    for kind, moment in zip(soak.DAMAGES, soak.MOMENTS[1:], strict=True):
        assert soak.preempt(directory, moment, EPOCHS, whole[1], draw) is not None
        soak.damage(directory, kind, draw)
    soak.finished(directory, EPOCHS, whole[1])
    assert soak.losses(whole[0], directory) == []


@pytest.mark.slow
def test_a_loss_would_be_found(tmp_path):
    """The comparison itself: another log, another array, a record twice."""
    import json

    from cnnlab.train import loop
    from cnnlab.train.options import Options
    from cnnlab.train.setup import build_setup
    from tests.train.nets import tiny

    setup = build_setup(tiny(), devices=1)
    for name in ('a', 'b'):
        loop.run_setup(setup, 0, tmp_path / name, Options(quiet=True))
    assert soak.losses(tmp_path / 'a', tmp_path / 'b') == []
    log = tmp_path / 'b/metrics.jsonl'
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(''.join([*lines, lines[-1]]))
    assert 'the log has a record twice' in soak.losses(tmp_path / 'a', tmp_path / 'b')
    first = json.loads(lines[0])
    first['loss'] += 1e-9
    log.write_text(json.dumps(first) + '\n' + ''.join(lines[1:]))
    assert any(
        'record 0 of the log' in line for line in soak.losses(tmp_path / 'a', tmp_path / 'b')
    )
    loop.run_setup(setup, 1, tmp_path / 'c', Options(quiet=True))
    assert any('the array params/' in line for line in soak.losses(tmp_path / 'a', tmp_path / 'c'))
