# Two commands for a fresh machine: `make demo` and `make test`. Needs Python >= 3.10 and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := demo
TEST_PROCESSES ?= 2
PYTEST_OPTIONS ?=
SEEDS ?= 10000
FIRST_SEED ?= 0
# What depends most on the versions of libraries and of Python, and takes no more than minutes.
# Optuna's old TPE, ten thousand proposals and the requests of all sites take minutes, and say nothing about versions.
UNIT_TESTS := tests/problem tests/queue tests/sites tests/reporting \
	tests/search/test_contract.py tests/search/test_forest.py tests/search/test_optuna_adapter.py
UNIT := -m pytest -n $(TEST_PROCESSES) --dist loadfile -m 'not slow and not balsam' -k 'not TPE and not ten_thousand and not known_sites'
# What an editable installation copies: the version, and the plugin that Hydra looks for.
COPIED := ambs_hpc/__init__.py ambs_hpc/integrations/hydra/plugin.py
UV := $(BIN)/uv
# Without it uv would download a Python that is missing here.
export UV_PYTHON_DOWNLOADS := never

.PHONY: demo docs test test-balsam test-faults test-lowest test-python lint install install-test clean

demo: install
	mkdir -p $(DEMO)
	$(BIN)/ambs run examples/digits_mlp/problem.py --max-evaluations 60 --db $(DEMO)/ambs.db --runs $(DEMO)/runs
	$(BIN)/ambs why failed --db $(DEMO)/ambs.db
	$(BIN)/ambs report --db $(DEMO)/ambs.db -o $(DEMO)/digits.html

test: install-test
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(PYTEST_OPTIONS)

test-balsam: install-test
	$(BIN)/python -m pytest -m balsam tests/balsam

# Campaigns under faults, each by a seed of its own: make test-faults SEEDS=10000 FIRST_SEED=0
test-faults: install-test
	$(BIN)/python -m ambs_hpc.simulate.faults.main --seeds $(SEEDS) --first $(FIRST_SEED) --processes $(TEST_PROCESSES)

# With the lowest versions that pyproject.toml declares, on the lowest Python: make test-lowest PYTHON=python3.10
test-lowest: .venv-lowest/installed-test
	.venv-lowest/bin/python $(UNIT) $(PYTEST_OPTIONS) $(UNIT_TESTS)

# With the newest versions on another Python: make test-python PYTHON=python3.13
test-python: .venv-$(notdir $(PYTHON))/installed-test
	.venv-$(notdir $(PYTHON))/bin/python $(UNIT) $(PYTEST_OPTIONS) $(UNIT_TESTS)

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# site/index.html, which opens without a server. A page that is missing in mkdocs.yml or a dead link is an error.
docs: install-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "Open file://$(CURDIR)/site/index.html"

install: $(VENV)/installed
install-test: $(VENV)/installed-test

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 10), "ambs_hpc needs Python 3.10 or newer: make PYTHON=python3.11"'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml $(COPIED) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/installed-test: pyproject.toml $(COPIED) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,docs]'
	touch $@ $(VENV)/installed

$(UV): | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

.venv-lowest/installed-test: pyproject.toml | $(UV)
	rm -rf .venv-lowest
	$(UV) venv --quiet --python $(PYTHON) .venv-lowest
	$(UV) pip install --quiet --python .venv-lowest --resolution lowest-direct --editable '.[test]'
	touch $@

.venv-python%/installed-test: pyproject.toml | $(UV)
	rm -rf .venv-python$*
	$(UV) venv --quiet --python $(PYTHON) .venv-python$*
	$(UV) pip install --quiet --python .venv-python$* --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) .venv-lowest .venv-python* $(DEMO) site build dist .mypy_cache .ruff_cache .pytest_cache
