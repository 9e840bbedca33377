"""experiments.classify and experiments.import_weights as a user starts them."""

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from cnnlab import tree, weights
from cnnlab.models import registry
from cnnlab.weights import api
from cnnlab.weights.readers import read
from tests.experiments import commands

ID = 'torchvision/squeezenet1_1'


def run(experiment, *arguments, folder, status=0):
    """Runs a command in a folder, where it finds only the weights of that folder."""
    done = commands.run(
        experiment,
        *arguments,
        status=status,
        folder=folder,
        CNNLAB_CACHE=str(folder / 'cache'),
        # no server listens at this address
        CNNLAB_MIRROR='http://127.0.0.1:9',
    )
    return done.stdout if status == 0 else done.stderr


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with the weights of a SqueezeNet that always predicts class 7, and two pictures."""
    path = tmp_path_factory.mktemp('classify')
    shapes = tree.named_leaves(api.wanted_shapes(registry.create('squeezenet1_1'), (224, 224, 3)))
    leaves = {p: np.zeros(s.shape, np.float32) for p, s in shapes.items()}
    [bias] = [p for p, leaf in leaves.items() if leaf.shape == (1000,)]
    leaves[bias][7] = 3
    save_file(weights.to_arrays(ID, tree.nested(leaves)), path / 'net.safetensors')
    for name in ('cat.png', 'dog.jpg'):
        Image.new('RGB', (40, 30), (200, 100, 50)).save(path / name)
    return path


@pytest.mark.slow
def test_classify_prints_the_five_best_and_writes_a_page(folder):
    out = run(
        'classify',
        f'--weights={ID}',
        '--file=net.safetensors',
        '--html=page.html',
        'cat.png',
        'dog.jpg',
        folder=folder,
    )
    blocks = out.split('dog.jpg')
    assert len(blocks) == 2
    for block in blocks:
        lines = [line for line in block.splitlines() if '%' in line]
        assert len(lines) == 5
        assert 'cock (n01514668)' in lines[0]
        assert f'{np.exp(3) / (np.exp(3) + 999):.2%}' in lines[0]
    page = (folder / 'page.html').read_text()
    assert page.count('data:image/png;base64,') == 2
    assert 'cock (n01514668)' in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ((f'--weights={ID}', '--file=net.safetensors'), 'give the pictures to be classified'),
        ((f'--weights={ID}', '--file=net.safetensors', 'bird.png'), 'there is no picture bird.png'),
        (
            ('--weights=torchvision/squeezenet1_2', 'cat.png'),
            'did you mean torchvision/squeezenet1_1',
        ),
        ((f'--weights={ID}.IMAGENET1K_V9', 'cat.png'), 'did you mean IMAGENET1K_V1'),
        (
            (f'--weights={ID}', '--file=net.safetensors', '--preprocess=mean=1,2', 'cat.png'),
            'mean takes three numbers',
        ),
        (
            (f'--weights={ID}', '--file=net.safetensors', '--preprocess=rezise=1', 'cat.png'),
            'did you mean resize',
        ),
        (
            ('--weights=torchvision/squeezenet1_0', '--file=net.safetensors', 'cat.png'),
            'mismatches between these arrays and torchvision',
        ),
        ((f'--weights={ID}', 'cat.png'), 'squeezenet1_1-b8a52dc0.pth cannot be downloaded'),
    ],
)
def test_classify_tells_mistakes_in_a_sentence(folder, arguments, said):
    error = run('classify', *arguments, folder=folder, status=2)
    assert said in error
    assert 'Traceback' not in error


@pytest.mark.slow
def test_import_weights_writes_what_loads_again(folder):
    out = run(
        'import_weights',
        f'--weights={ID}',
        '--file=net.safetensors',
        '--out=again.safetensors',
        folder=folder,
    )
    assert '1,235,496 parameters' in out
    first, second = (
        dict(read.arrays(folder / name)) for name in ('net.safetensors', 'again.safetensors')
    )
    assert set(first) == set(second)
    assert all(np.array_equal(first[n], second[n]) for n in first)
    run(
        'import_weights',
        f'--weights={ID}',
        '--file=net.safetensors',
        '--out=ours.npz',
        folder=folder,
    )
    with np.load(folder / 'ours.npz') as ours:
        assert 'params/conv1/kernel' in ours
    assert 'must end in .safetensors' in run(
        'import_weights', f'--weights={ID}', '--out=x.bin', folder=folder, status=2
    )


@pytest.mark.slow
def test_import_weights_lists_every_id(folder):
    out = run('import_weights', '--list', folder=folder)
    assert all(id in out for id in weights.supported())
