"""Bars do not nest, and logs get lines instead."""

from cnnlab.report import progress


def test_bars_may_stand_inside_one_another(monkeypatch):
    # a terminal, as rich sees it
    monkeypatch.setenv('FORCE_COLOR', '1')
    assert [[*progress.track(range(2), 'inner')] for _ in progress.track(range(3), 'outer')] == [
        [0, 1]
    ] * 3
    assert not progress._SHOWN.get()


def test_without_a_terminal_long_work_says_now_and_then_how_far_it_is(monkeypatch, capsys):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, 'monotonic', lambda: next(clock))
    # two of three ticks of 20 s are 30 s apart; the inner work says nothing
    for _ in progress.track(range(6), 'outer'):
        assert [*progress.track(range(2), 'inner')] == [0, 1]
    lines = capsys.readouterr().err.splitlines()
    assert lines and all(line.startswith('outer  step ') for line in lines)
    assert all('of 6' in line and line.endswith('left') for line in lines)
