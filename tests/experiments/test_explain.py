"""experiments.explain as a user starts it, and its page in a browser."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from cnnlab import tree, weights
from cnnlab.models import registry
from cnnlab.weights import api
from tests.experiments.commands import ROOT, run

ID = 'torchvision/squeezenet1_1'
SMALL = [
    f'--weights={ID}',
    '--file=net.safetensors',
    '--preprocess=resize=64',
    '--preprocess=crop=64',
]
METHODS = ['filters', 'activations', 'deconvnet', 'saliency', 'grad_cam', 'occlusion', 'features']
_BROWSER = (
    shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with random weights of a SqueezeNet and five pictures, and what the command made of
    them.
    """
    path = tmp_path_factory.mktemp('explain')
    rng = np.random.default_rng(0)
    shapes = tree.named_leaves(api.wanted_shapes(registry.create('squeezenet1_1'), (224, 224, 3)))
    leaves = {
        p: rng.standard_normal(s.shape).astype(np.float32)
        * np.float32(np.sqrt(2 / np.prod(s.shape[:-1])))
        if len(s.shape) > 1
        else np.zeros(s.shape, np.float32)
        for p, s in shapes.items()
    }
    save_file(weights.to_arrays(ID, tree.nested(leaves)), path / 'net.safetensors')
    (path / 'pictures').mkdir()
    for i in range(5):
        # no picture has the input size of the network
        size = (90 + 20 * i, 70)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        ).save(path / f'pictures/{i}.png')
    out = run(
        'explain',
        *SMALL,
        '--images=pictures',
        '--count=2',
        '--window=32',
        '--stride=32',
        f'--methods={",".join(METHODS)}',
        '--layers=conv1,fire3,fire9',
        '--out=out',
        '--gallery=gallery',
        folder=path,
    ).stdout
    assert re.search(rf'wrote out/index.html with \d+ pictures in {len(METHODS)} sections', out)
    return path


def test_the_page_has_every_picture_that_was_written_and_says_what_it_is(folder):
    text = (folder / 'out/index.html').read_text()
    files = list((folder / 'out').glob('*.png'))
    assert text.count('<img ') == text.count('data:image/png;base64,') == len(files) > 30
    plain = re.sub(r'base64,[^"]*', '', text)
    assert not re.search(r'https?:|url\(', plain)
    assert len(re.findall(r'<section', text)) == len(METHODS) + 1
    for said in (
        'layer fire3, map',
        'layer conv1',
        r'0.png: \w[^(<]* \(\d+\.\d%\)',
        'probability of',
        'cosine distance',
    ):
        assert re.search(said, plain), said
    with np.load(folder / 'out/features.npz') as kept:
        assert kept['fire9'].shape == (5, 512) and kept['names'].tolist() == [
            f'{i}.png' for i in range(5)
        ]


def test_a_gallery_has_small_pictures_with_a_list(folder):
    listed = re.findall(r'\]\((\w+\.png)\)', (folder / 'gallery/README.md').read_text())
    assert sorted(listed) == sorted(p.name for p in (folder / 'gallery').glob('*.png'))
    assert {name.rsplit('_', 1)[0] for name in listed} == set(METHODS)
    for name in listed:
        with Image.open(folder / 'gallery' / name) as image:
            assert image.width <= 500


@pytest.mark.skipif(_BROWSER is None, reason='no chromium on this machine')
def test_a_browser_shows_every_image_without_errors_and_keys_move(folder):
    tried = folder / 'out/tried.html'
    script = """<script>addEventListener('load', () => {
      const loaded = i => i.complete && i.naturalWidth > 0 && i.getBoundingClientRect().width > 0;
      document.body.dataset.shown = [...document.images].filter(loaded).length;
      const press = key => document.dispatchEvent(
        new KeyboardEvent('keydown', {key, bubbles: true}));
      const figures = [...document.querySelectorAll('figure')], seen = [];
      for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowLeft']) {
        press(key);
        seen.push(figures.indexOf(document.activeElement));
      }
      for (const key of ['n', 'n', 'p']) { press(key); seen.push(document.activeElement.id); }
      press('ArrowRight');
      seen.push(document.activeElement.closest('section')?.querySelector('h2').id);
      document.body.dataset.seen = seen.join(' ');
    });</script></body>"""
    tried.write_text((folder / 'out/index.html').read_text().replace('</body>', script))
    done = subprocess.run(
        [
            _BROWSER,
            '--headless=new',
            '--no-sandbox',
            '--disable-gpu',
            '--enable-logging=stderr',
            '--window-size=1200,900',
            '--dump-dom',
            tried.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert 'CONSOLE' not in done.stderr, done.stderr
    count = (folder / 'out/index.html').read_text().count('<img ')
    assert f'data-shown="{count}"' in done.stdout
    seen = re.search(r'data-seen="([^"]*)"', done.stdout)[1].split()
    assert seen[:4] == ['0', '1', '2', '1']
    first, second, back, figure = (int(s.removeprefix('section-')) for s in seen[4:])
    assert second == first + 1 and back == first and figure == first


MISTAKES = [
    (
        ['--images=pictures', '--methods=grad_kam'],
        "no explanation named 'grad_kam'; did you mean grad_cam",
    ),
    (
        ['--images=pictures', '--layers=fire22'],
        "no layer of SqueezeNet named 'fire22'; did you mean fire2",
    ),
    (['--images=pictures', '--layers=mean'], "'mean' of SqueezeNet gives an array of shape"),
    (
        ['--images=pictures', '--cam_layer=mean'],
        "no rows and columns; the last layer that has them is 'conv10'",
    ),
    (['--images=pictures', '--class=1000'], 'SqueezeNet has the classes 0 to 999; got 1000'),
    (['--images=birds'], 'there is no picture, folder or tar birds'),
    ([], 'give the pictures to explain'),
    (['--images=pictures', '--run=x'], 'this takes one network: give one --weights or one --run'),
]
PROGRAM = """
import sys
from experiments import common, explain
from absl import flags
for line in sys.stdin.read().splitlines():
    flags.FLAGS.unparse_flags()
    for name in ('methods', 'layers', 'cam_layer', 'class', 'images'):
        flags.FLAGS[name].value = flags.FLAGS[name].default
    # a flag that may be repeated appends to what it was given before
    for name in ('weights', 'file', 'run', 'preprocess'):
        flags.FLAGS[name].value, flags.FLAGS[name].present = [], 0
    flags.FLAGS(['explain', *line.split()])
    try:
        explain.main([])
    except common._USER_ERRORS as error:
        print(common.sentence(error).replace(chr(10), ' '))
"""


def test_mistakes_are_told_in_a_sentence(folder):
    lines = [' '.join([*SMALL, *arguments]) for arguments, _ in MISTAKES]
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM],
        cwd=folder,
        input='\n'.join(lines),
        capture_output=True,
        text=True,
        timeout=600,
        env={
            'PATH': '/usr/bin:/bin',
            'JAX_PLATFORMS': 'cpu',
            'PYTHONPATH': str(ROOT),
            'HOME': str(folder),
        },
    )
    said = done.stdout.splitlines()
    assert len(said) == len(MISTAKES), done.stdout + done.stderr
    for line, (arguments, wanted) in zip(said, MISTAKES, strict=True):
        assert wanted in line, arguments


def test_a_network_trained_here_is_explained_on_its_own_images(folder):
    run(
        'train',
        '--recipe=digits',
        '--workdir=run',
        '--set=model=mlp2',
        '--set=duration=2 steps',
        '--set=log_every=1 steps',
        '--set=evaluate_every=2 steps',
        '--set=warmup=0 steps',
        folder=folder,
    )
    out = run(
        'explain',
        '--run=run',
        '--methods=filters,saliency',
        '--limit=6',
        '--out=digits',
        folder=folder,
    ).stdout
    assert 'in 2 sections' in out
    plain = re.sub(r'base64,[^"]*', '', (folder / 'digits/index.html').read_text())
    assert 'test image 0: ' in plain and 'at step 2' in plain and 'of 8 x 8' in plain
    refused = run('explain', '--run=run', '--methods=grad_cam', folder=folder, status=2)
    assert 'no layer of Perceptron has rows and columns' in refused.stderr
