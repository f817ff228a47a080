# `make demo` and `make test` set up everything they need in .venv. See docs/how-to/develop.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOWEST := .venv-lowest
# Processes that run tests; each takes up to 2 GB.
WORKERS ?= 2
SHARED_OUT := --numprocesses $(WORKERS) --dist loadfile
# Of numba too: its pool, which umap starts, has torch take as many threads again, and all of them wait by spinning.
ONE_THREAD := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup demo test unit test-lowest lint format lock clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 20

setup: $(READY)  ## Install the pinned requirements and this project into .venv

# torch comes first and by its exact version: a bare name would fetch several GB of GPU libraries.
$(READY): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[dev]'
	touch $@

demo: $(READY)  ## Run a live session with a simulated beamline
	$(BIN)/ainerd demo

test: $(READY)  ## Run all checks and tests
	$(MAKE) lint
	$(MAKE) unit
	$(ONE_THREAD) $(BIN)/python -m pytest tests/integration $(SHARED_OUT)

# Without it each process of the tests compiles all of them anew: a third of the time that collecting them takes.
unexport PYTHONDONTWRITEBYTECODE

# Files of tests are shared out to processes (tests/work_sharing.py), each with one thread for its mathematics.
unit: $(READY)  ## Run the tests that need no server
	$(ONE_THREAD) $(BIN)/python -m pytest --ignore tests/integration $(SHARED_OUT)

# An environment of its own: the ranges in pyproject.toml begin where this passes.
test-lowest:  ## Run the tests that need no server with the lowest versions in the ranges
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet "$$(grep '^torch==' requirements-lowest.txt)"
	$(LOWEST)/bin/python -m pip install --quiet --constraint requirements-lowest.txt --editable '.[dev]'
	$(ONE_THREAD) $(LOWEST)/bin/python -m pytest --ignore tests/integration $(SHARED_OUT)

lint: $(READY)  ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## Bring the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(READY)  ## Write down what is installed, after it was tested
	$(BIN)/python -m pip freeze --exclude-editable | sed -E 's/\+cpu$$//' | grep -v ' @ ' > requirements.lock

clean:  ## Remove the environment and caches
	rm -rf $(VENV) $(LOWEST) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
