# make demo: train and compare eight networks on real images. make test: the test suite. make data: real data sets and weights,
# for experiments and for the tests that need them. All set everything up first.
PYTHON ?= python3
VENV ?= .venv
# further extras of pyproject.toml: make setup EXTRAS=cuda
EXTRAS ?=
RUN = $(VENV)/bin/python
# those that need neither data nor another framework; the others tell in their first lines how they are run
BENCHMARKS ?= startup train_step stream conv_forms pool_forms inference
PYTEST = $(RUN) -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal --junitxml=build/junit.xml

# where real data is (docs/data.md); what `make data` has filled, unless the environment names another folder
CNNLAB_DATA ?= $(abspath $(wildcard data))
export CNNLAB_DATA

.PHONY: demo data test test-fast test-full lint golden docs bench setup clean
demo: setup
	$(RUN) -m experiments.compare --dataset=digits --workdir=demo

data: setup
	$(RUN) -m experiments.prepare_data

test: setup
	$(PYTEST) -m "not full"

test-fast: setup
	$(PYTEST) -m "not slow and not full"

test-full: setup
	$(PYTEST)

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	if command -v shellcheck >/dev/null; then shellcheck .ci/run $(wildcard launch/*.sh); else echo 'no shellcheck here: shell scripts not checked'; fi

# what tests compare with, after a network or a recipe is added: look at what changed, and commit it;
# NETWORKS=tinynet looks at no other network
golden: setup
	$(RUN) -m tests.golden $(NETWORKS)
	$(RUN) -m tests.recipes.assumed

# the tables of README and docs that commands write
docs: setup
	$(RUN) -m experiments.zoo --table=families --format=markdown --out=README.md
	$(RUN) -m experiments.zoo --table=sources --format=markdown --out=docs/networks.md
	$(RUN) -m experiments.recipes --format=markdown --out=docs/recipes.md

bench: setup
	for b in $(BENCHMARKS); do echo "== $$b"; $(RUN) -m benchmarks.$$b || exit 1; done

INSTALLED = $(VENV)/.installed$(EXTRAS:%=-%)
setup: $(INSTALLED)

$(INSTALLED): pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or later is needed; say which with make PYTHON=...'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test$(EXTRAS:%=,%)]'
	touch $@

clean:
	rm -rf $(VENV) build demo *.egg-info
