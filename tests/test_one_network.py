"""Whatever uses a trained network computes what the evaluation of its training computed, though it
was trained with batch-norm settings that no other network has.
"""

import csv
import json

import jax
import numpy as np
import pytest
from PIL import Image

import cnnlab
from cnnlab.attacks import target as attacks
from cnnlab.data.sources import pictures
from cnnlab.recipes.sections import Average
from cnnlab.train import loop, predictions, runs, scores
from cnnlab.train.evaluate import evaluate
from cnnlab.train.options import Options
from cnnlab.train.sanity import forward
from cnnlab.train.setup import build_setup
from cnnlab.visual.request import Request
from tests import own_network
from tests.experiments import commands
from tests.train.nets import tiny

own = pytest.fixture(scope='module', autouse=True)(own_network.registered)
NORM = {'batch_norm.eps': 0.4, 'batch_norm.momentum': 0.2}
BATCH = 16
PACKAGE = """
import cnnlab
from tests.own_network import FACTS, NAME, OwnTiny

cnnlab.register(NAME, OwnTiny, **FACTS)
"""


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """(directory, setup, state) of a run whose average is evaluated."""
    directory = tmp_path_factory.mktemp('runs') / 'odd'
    recipe = tiny(
        model=own_network.NAME,
        dataset='fake:20x18x3:5:64',
        normalize='channel',
        average=Average('ema', decay=0.8),
        batch_size=BATCH,
        **{'augment.common': ('resize((16, 16))',)},
        **NORM,
    )
    setup = build_setup(recipe, devices=1)
    loop.run_setup(setup, 0, str(directory), Options(quiet=True))
    _, step = runs.find(directory)
    return directory, setup, runs.restored(directory, step, None)[1]


@pytest.fixture(scope='module')
def reference(trained):
    """(pictures, their views, logits of training's evaluation) of the first test images."""
    _, setup, state = trained
    found = pictures.from_source(setup.data['test'], BATCH)
    views = np.stack([setup.transform(p, np.random.default_rng(0)) for p in found])

    @jax.jit
    def logits(state, views):
        return setup.model.apply(state.evaluation_variables, setup.inputs(views), train=False)

    return found, views, np.asarray(logits(state, views))


def test_the_settings_make_a_difference(trained, reference):
    """Else the tests below could not fail."""
    _, setup, state = trained
    usual = own_network.OwnTiny(num_classes=5)
    found = usual.apply(state.evaluation_variables, setup.inputs(reference[1]))
    assert np.abs(found - reference[2]).max() > 0.01 * reference[2].std()


def test_the_reference_is_what_evaluation_counts(trained, reference):
    _, setup, state = trained
    source = setup.data['test']
    found = evaluate(
        setup.eval_step, state, source, setup.transform, batch=len(source), mesh=setup.mesh
    )
    views = np.stack(
        [setup.transform(source[i]['image'], np.random.default_rng(0)) for i in range(len(source))]
    )
    logits = setup.model.apply(state.evaluation_variables, setup.inputs(views))
    assert found['top1'] == np.mean(np.asarray(logits).argmax(1) == source.labels())


USES = {
    'load': lambda net, given, views: net.logits(net.preprocess.normalize(views)),
    'explain': lambda net, given, views: net.logits(
        Request.of(net, given, count=len(given), spatial=False).images
    ),
    'attack and corruption': lambda net, given, views: attacks.logits(
        net, attacks.seen(net, given)
    ),
    'features': lambda net, given, views: net.features(net.preprocess.normalize(views), 'head'),
}


@pytest.mark.parametrize('use', USES)
def test_every_use_gives_the_logits_of_evaluation_bit_for_bit(use, trained, reference):
    net = cnnlab.load(trained[0])
    given, views, logits = reference
    assert np.array_equal(np.stack([net.preprocess.pixels(p) for p in given]), views)
    assert np.array_equal(USES[use](net, given, views), logits)


def test_an_exported_file_gives_them_too(trained, reference, tmp_path):
    path = cnnlab.load(trained[0]).save(tmp_path / 'net.safetensors')
    net = cnnlab.load(path)
    given, views, logits = reference
    for use in USES.values():
        assert np.array_equal(use(net, given, views), logits)


def test_classification_and_protocols_give_their_softmax(trained, reference):
    net = cnnlab.load(trained[0])
    given, views, logits = reference
    assert np.array_equal(net.probabilities(list(given)), jax.nn.softmax(logits).astype(np.float32))

    @jax.jit
    def softmax(variables, views):
        inputs = trained[1].inputs(views)
        return jax.nn.softmax(net.model.apply(variables, inputs, train=False))

    source = trained[1].data['test']
    found = scores.probabilities(net, source, batch=BATCH, devices=1)
    assert np.array_equal(found[:BATCH], softmax(net.variables, views))


def test_the_checks_before_training_see_the_network_of_the_recipe(trained, reference):
    _, setup, state = trained
    inputs = setup.inputs(reference[1])
    found = forward.logits(setup.model, state.evaluation_variables, inputs)
    wanted, _ = setup.model.apply(
        state.evaluation_variables, inputs, train=True, mutable=['batch_stats']
    )
    usual = forward.logits(own_network.OwnTiny(num_classes=5), state.evaluation_variables, inputs)
    assert np.array_equal(found, wanted) and not np.allclose(found, usual, rtol=0.01)


@pytest.mark.slow
def test_every_command_scores_what_the_run_scored(trained, reference, tmp_path):
    directory, setup, _ = trained
    (tmp_path / 'mine.py').write_text(PACKAGE)
    Image.fromarray(reference[0][0]).save(tmp_path / 'a.png')
    result = json.loads((directory / 'result.json').read_text())['final']['test']

    def command(experiment, *arguments):
        return commands.run(experiment, '--import=mine', *arguments, folder=tmp_path).stdout

    command('evaluate', f'--run={directory}', '--split=test', '--workdir=out')
    found = json.loads((tmp_path / 'out/evaluation_test.json').read_text())
    assert (found['top1'], found['n']) == (result['top1'], result['n'])
    assert found['loss'] == pytest.approx(result['loss'], rel=1e-6)

    command('export', f'--run={directory}', '--output=odd.safetensors')
    given = (f'--run={directory}', '--weights=odd.safetensors')
    command('evaluate_imagenet', *given, '--split=test', '--workdir=both', '--probabilities')
    kept = sorted((tmp_path / 'both').glob('predictions_o*.npz'))
    assert len(kept) == 2
    for path in kept:
        found = predictions.load(path)
        assert found.right().mean() == pytest.approx(result['top1'])
        assert found.loss.mean() == pytest.approx(result['loss'], rel=1e-5)

    [(name, share)] = cnnlab.load(directory).predict(tmp_path / 'a.png', top=1)
    for flag in given:
        said = command('classify', flag, '--best=1', 'a.png')
        assert name in said and f'{share:.2%}' in said
        command('explain', flag, '--images=a.png', '--methods=saliency', '--out=explained')
        page = (tmp_path / 'explained/index.html').read_text()
        assert f'a.png: {name} ({share:.1%})' in page

    n, right = result['n'], round(result['top1'] * result['n'])
    command('attack', given[0], f'--count={n}', '--attacks=fgsm', '--out=attack', '--epsilons=0')
    table = list(csv.DictReader((tmp_path / 'attack/attack.csv').read_text().splitlines()))
    assert [float(row['accuracy']) for row in table] == [pytest.approx(right / n)] * 2
    said = command(
        'corruption', given[0], f'--count={n}', '--corruptions=contrast', '--out=corruption'
    )
    assert f'{n} images, {1 - right / n:.1%} of them wrong without corruption' in said
