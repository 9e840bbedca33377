"""`experiments.analyze` and `experiments.zoo` as a user starts them."""

import csv
import io

import pytest

from cnnlab.models import registry
from tests.experiments.commands import run

pytestmark = pytest.mark.slow


def rows(text):
    return {row[next(iter(row))]: row for row in csv.DictReader(io.StringIO(text))}


def test_analyze_prints_the_cnn_lectures_table_of_vgg16():
    text = run('analyze', '--model=vgg16', '--depth=1').stdout
    for figure in (
        '3,211,264',
        '1,728',
        '102,760,448',
        '16,777,216',
        '4,096,000',
        '138,357,544',
        '15,470,264,320',
        '15,237,608',
    ):
        assert figure in text
    assert 'vgg16, inference:' in text and 'vgg16, training step: about' in text


def test_analyze_takes_the_id_of_published_weights():
    text = run('analyze', '--model=torchvision/squeezenet1_1', '--depth=1').stdout
    assert '1,235,496' in text
    told = run('analyze', '--model=torchvision/squeezenet1_2', status=2).stderr
    assert 'did you mean torchvision/squeezenet1_' in told


def test_analyze_takes_size_classes_and_batch():
    found = rows(
        run(
            'analyze',
            '--model=cifar_resnet20',
            '--input_size=16x24',
            '--num_classes=7',
            '--batch=2',
            '--format=csv',
        ).stdout
    )
    assert found['input']['output'] == '2 x 16 x 24 x 3' and found['head']['output'] == '2 x 7'
    assert int(found['head']['parameters']) == 65 * 7


def test_analyze_puts_two_networks_side_by_side():
    found = rows(
        run(
            'analyze',
            '--model=cifar_resnet20',
            '--against=cifar_resnet32',
            '--depth=2',
            '--format=csv',
        ).stdout
    )
    assert int(found['total']['parameters more']) == 464_154 - 269_722
    assert found['stage1/block4']['parameters cifar_resnet20'] == ''


def test_analyze_writes_a_page(tmp_path):
    path = tmp_path / 'lenet5.html'
    run('analyze', '--model=lenet5', '--format=html', f'--out={path}')
    page = path.read_text()
    assert '<table' in page and 'lenet5, training step' in page


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        ((), '--model is needed'),
        (('--model=vg16',), 'did you mean vgg16'),
        (('--model=vgg16', '--format=html'), '--out=page.html'),
        (('--model=vgg16', '--input_size=huge'), '--input_size is 224 or 160x224'),
        (('--model=vgg16', '--input_size=16'), 'too small'),
    ],
)
def test_mistakes_end_in_one_sentence(arguments, sentence):
    error = run('analyze', *arguments, status=2).stderr.splitlines()
    assert [line for line in error if line.startswith('error: ')] == [
        error[-1]
    ] and sentence in error[-1]


def test_zoo_lists_filters_and_sorts():
    text = run(
        'zoo', '--match=^(lenet|mlp)', '--sort=parameters', '--descending', '--format=csv'
    ).stdout
    found = list(csv.DictReader(io.StringIO(text)))
    assert [row['network'] for row in found] == ['mlp3', 'mlp2', 'lenet5_dense', 'lenet5']
    assert found[-1] == {
        'network': 'lenet5',
        'year': '1998',
        'parameters': '60000',
        'MACs': found[-1]['MACs'],
        'input': '32 x 32 x 1',
        'paper': registry.entry('lenet5').paper,
    }


def test_zoo_says_what_is_wrong_with_a_filter():
    assert 'no network has a name that matches' in run('zoo', '--match=nosuchnet', status=2).stderr
    assert 'is no regular expression' in run('zoo', '--match=(', status=2).stderr


@pytest.mark.full
def test_zoo_lists_every_registered_network_with_its_registered_parameters():
    found = rows(run('zoo', '--format=csv').stdout)
    assert {name: int(row['parameters']) for name, row in found.items()} == {
        n: registry.entry(n).params for n in registry.names()
    }
