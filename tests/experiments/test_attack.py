"""experiments.attack and experiments.corruption: two small runs, unlabeled pictures, mistakes."""

import csv
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.experiments.commands import ROOT
from tests.experiments.test_experiments import TINY, refused, run

_BROWSER = (
    shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Two softmax classifiers of digits after a few steps, the second trained adversarially."""
    root = tmp_path_factory.mktemp('runs')
    for name, more in (
        ('plain', ()),
        (
            'madry',
            ('--set=adversarial=0.1', '--set=adversarial_steps=2', '--set=adversarial_step=0.1'),
        ),
    ):
        run(
            'train',
            '--recipe=digits',
            f'--workdir={root / name}',
            *TINY,
            '--set=model=softmax_linear',
            '--set=duration=40 steps',
            '--set=evaluate_every=40 steps',
            *more,
        )
    return root


@pytest.fixture(scope='module')
def attacked(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp('out')
    done = run(
        'attack',
        f'--run={runs / "plain"}',
        f'--run={runs / "madry"}',
        '--count=60',
        '--epsilons=0.05,16/255',
        '--epsilons_l2=0.5',
        '--attacks=fgsm,pgd_l2,deepfool,patch,fooling,evolution',
        '--steps=3',
        '--generations=2',
        '--goal=3,7',
        '--pictures=2',
        f'--out={out}',
    )
    return out, done.stdout


def test_two_runs_are_attacked_and_compared(attacked):
    out, said = attacked
    table = list(csv.DictReader((out / 'attack.csv').read_text().split('\n\n')[0].splitlines()))
    assert (
        said.count('FGSM') == 4
        and 'DeepFool' in said
        and 'Least changes' in said
        and 'Trained on 30 images, tested on 30.' in said
    )
    rows = {
        (r['network'], r['attack'], r['epsilon']): float(r['accuracy'])
        for r in table
        if r['epsilon'] or r['attack'] == 'none'
    }
    assert rows['plain', 'none', ''] > 0.5
    assert (
        rows['plain', 'FGSM', '16/255']
        <= rows['plain', 'FGSM', '0.05']
        <= rows['plain', 'none', '']
    )
    assert {
        'accuracy.png',
        'transfer_0.png',
        'transfer_1.png',
        'reliability_plain.png',
        'fgsm_madry.png',
        'deepfool_plain.png',
        'evolution_plain.png',
        'patch_plain.png',
        'fooling_madry.png',
        'attack.md',
        'index.html',
    } <= {p.name for p in out.iterdir()}
    page = (out / 'index.html').read_text()
    assert page.count('data:image/png;base64,') == len(list(out.glob('*.png')))
    assert (
        re.search(r'The temperature is \d', page)
        and 'src="http' not in page
        and 'href="http' not in page
    )


@pytest.mark.skipif(_BROWSER is None, reason='no chromium on this machine')
def test_a_browser_shows_every_picture_and_complains_of_nothing(attacked):
    out, _ = attacked
    script = """addEventListener('load', () => {
      const images = [...document.images];
      const shown = images.filter(i => i.complete && i.naturalWidth > 50);
      document.body.dataset.shown = shown.length + ' of ' + images.length;
    });"""
    tried = out / 'tried.html'
    tried.write_text(
        (out / 'index.html').read_text().replace('</body>', f'<script>{script}</script></body>')
    )
    done = subprocess.run(
        [
            _BROWSER,
            '--headless=new',
            '--no-sandbox',
            '--disable-gpu',
            '--enable-logging=stderr',
            '--dump-dom',
            tried.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert 'CONSOLE' not in done.stderr, done.stderr
    count = len(list(out.glob('*.png')))
    assert f'data-shown="{count} of {count}"' in done.stdout


def test_corruptions_of_a_run(runs, tmp_path):
    said = run(
        'corruption',
        f'--run={runs / "plain"}',
        '--count=50',
        '--corruptions=gaussian_noise,contrast',
        f'--out={tmp_path}',
    ).stdout
    table = list(csv.DictReader((tmp_path / 'corruption.csv').read_text().splitlines()))
    assert [r['corruption'] for r in table] == ['gaussian_noise', 'contrast', 'mean']
    severities = [f'severity {s}' for s in range(1, 6)]
    for r in table[:2]:
        assert float(r['mean']) == pytest.approx(np.mean([float(r[s]) for s in severities]))
    assert float(table[2]['mean']) == pytest.approx(np.mean([float(r['mean']) for r in table[:2]]))
    assert 'of AlexNet' not in said and '50 images' in said
    assert (tmp_path / 'corruptions_plain.png').exists() and 'gaussian_noise' in (
        tmp_path / 'index.html'
    ).read_text()


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (('--attacks=fgms',), "no attack named 'fgms'; did you mean fgsm"),
        (('--epsilons=-8/255',), 'a budget is a number of at least 0'),
        (('--epsilons=8/zero',), "budgets are numbers such as 0.03 or 8/255, not '8/zero'"),
        (('--goal=12',), '--goal=12: the network has the classes 0 to 9'),
        (('--images=none.png',), 'there is no picture none.png'),
        (('--images=large.png',), 'do not fit this|has weights for'),
    ],
)
def test_mistakes_are_told_in_a_sentence(runs, tmp_path, arguments, said, monkeypatch):
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / 'large.png')
    arguments = [a.replace('large.png', str(tmp_path / 'large.png')) for a in arguments]
    assert re.search(
        said, refused('attack', f'--run={runs / "plain"}', *arguments, f'--out={tmp_path / "out"}')
    )


def test_no_network_is_a_mistake_too(tmp_path):
    assert 'give a network' in refused('attack', f'--out={tmp_path}')
    assert 'did you mean gaussian_noise' in refused(
        'corruption', '--corruptions=gaussiannoise', f'--out={tmp_path}'
    )


def test_budgets_and_classes_are_read_as_they_are_written():
    program = """
from experiments import attack
assert attack.number('8/255') == 8 / 255 and attack.number('0.03') == 0.03
assert attack.goal_of('toaster', ('cat', 'toaster')) == 1
assert attack.goal_of('0', ('cat', 'toaster')) == 0
"""
    subprocess.run([sys.executable, '-c', program], cwd=ROOT, check=True, timeout=120)
