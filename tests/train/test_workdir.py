"""The directory of a run names the packages that it needs."""

import json

import pytest

from cnnlab.train import workdir


@pytest.fixture
def run(tmp_path):
    """A run that was started with two packages, of which one is imported here."""
    stated = {'imports': ['json.decoder', 'mylab.networks']}
    (tmp_path / 'manifest.json').write_text(json.dumps(stated))
    return tmp_path


@pytest.mark.parametrize('kind', [KeyError, ValueError])
def test_a_miss_names_the_packages_that_are_not_imported(run, kind):
    with pytest.raises(kind) as raised, workdir.naming_imports(run):
        raise kind("no model named 'small'")
    assert raised.value.args[0] == (
        f"no model named 'small'; the run in {run} has names that mylab.networks registered: give "
        f'--import=mylab.networks'
    )


def test_an_error_that_names_the_package_already_stays_as_it_is(run):
    with pytest.raises(KeyError) as raised, workdir.naming_imports(run):
        raise KeyError('the package mylab.networks registers it')
    assert raised.value.args == ('the package mylab.networks registers it',)


def test_a_miss_stays_as_it_is_where_nothing_more_can_be_imported(tmp_path):
    with pytest.raises(ValueError, match='^no transform$'), workdir.naming_imports(tmp_path):
        raise ValueError('no transform')
    (tmp_path / 'manifest.json').write_text('{"imports": ["json"]}')
    with pytest.raises(ValueError, match='^no transform$'), workdir.naming_imports(tmp_path):
        raise ValueError('no transform')


def test_nothing_is_imported_because_a_file_says_so(run):
    (run / 'manifest.json').write_text('{"imports": ["this"]}')
    with pytest.raises(KeyError, match='--import=this'), workdir.naming_imports(run):
        raise KeyError('no model')
    assert 'this' not in workdir.sys.modules


def test_other_errors_pass(run):
    with pytest.raises(FileNotFoundError, match='^no file$'), workdir.naming_imports(run):
        raise FileNotFoundError('no file')
