"""A test is found by the name of what it tests: tests/<package>/test_<module>.py."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# What runs through several modules of a package has a name of its own.
ACROSS = {
    'analysis': set(),
    'attacks': {'least_changes', 'squeezenet'},
    'data': {'own_data', 'training_transforms', 'normalize'},
    'experiments': {
        'experiments',
        'import',
        'main',
        'scale',
        'science',
        'training_science',
        'weights_commands',
    },
    'launch': {'launch'},
    'models': {'behavior', 'counts', 'inception', 'mobilenet', 'small'},
    'nn': {'gradients'},
    'recipes': {'recipes'},
    'train': {
        'chosen_data',
        'disk',
        'kills',
        'progressive',
        'remote_checkpoints',
        'step_options',
    },
    'visual': {
        'attributions',
        'captum',
        'docs',
        'families',
        'feature_space',
        'pretrained',
    },
    'weights': {'memory', 'parity', 'pretrained', 'rules'},
}
FILES = sorted(path for path in (ROOT / 'tests').glob('*/test_*.py'))


def names_of(package):
    """The modules and packages below cnnlab/<package>, or the commands of experiments/."""
    folder = ROOT / package if package == 'experiments' else ROOT / 'cnnlab' / package
    return {path.stem for path in folder.rglob('*.py')} | {
        path.name for path in folder.rglob('*') if path.is_dir()
    }


@pytest.mark.parametrize('path', FILES, ids=lambda path: f'{path.parent.name}/{path.stem}')
def test_a_test_file_is_called_as_the_module_that_it_tests(path):
    package, name = path.parent.name, path.stem.removeprefix('test_')
    assert name in names_of(package) | ACROSS.get(package, set()), (
        f'call {path.relative_to(ROOT)} as the module of cnnlab/{package} that it tests, or add '
        'it to ACROSS in this test'
    )


@pytest.mark.parametrize('package', sorted(ACROSS))
def test_no_name_of_its_own_is_left_over(package):
    assert [
        name
        for name in sorted(ACROSS[package])
        if not (ROOT / 'tests' / package / f'test_{name}.py').exists()
    ] == []
