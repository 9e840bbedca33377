"""The packages of the distribution; everything else stands in pyproject.toml.

The commands of `experiments/` are installed as `cnnlab.experiments`: a top-level package of that
name would hide the `experiments` of whoever installs cnnlab.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=['cnnlab', 'cnnlab.*']),
        *(f'cnnlab.{name}' for name in find_packages(include=['experiments', 'experiments.*'])),
    ],
    package_dir={'cnnlab.experiments': 'experiments'},
)
