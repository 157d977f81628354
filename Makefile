# Two commands matter: `make demo` (sets up, runs the main job) and `make test` (sets up, passes the tests).
# Everything lives in .venv; the second run of each downloads nothing. Tests have a page: docs/testing.md.

SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
ROOMS := broker cli clients consumers databases gateway operations producers schemas
READY := $(VENV)/.ready
# Plotting and peers are for the benchmarks alone. BENCHMARKS="effects --rounds 5" takes one measurement.
BENCH := $(VENV)/bench
BENCHMARKS ?= all
# Of the tests: most of their time they wait for brokers and processes, so two cores are enough for three.
WORKERS ?= 3
# Nothing would ever be compiled where PYTHONDONTWRITEBYTECODE is set, and the tests start hundreds of processes.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(WORKERS) --durations=20
# Byte code makes a command start in half the time; it is written here wherever PYTHONDONTWRITEBYTECODE is set.
# Files that did not change are skipped.
COMPILEALL := $(BIN)/python -m compileall -q -j 0
COMPILE := $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11

.PHONY: help setup demo test test-all test-full check fmt bench lock clean

.DEFAULT_GOAL := help

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): requirements/uv.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "command-event needs Python 3.11 or newer as '$(PYTHON)'; name another with: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "this Python has no venv module; on Debian: apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt requirements/uv.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(COMPILEALL) $(VENV)/lib
	@touch $@

setup: $(READY) ## the environment in .venv, from hashed requirements
	@$(COMPILEALL) $(ROOMS)

demo: setup ## the whole story on a real broker
	@$(BIN)/cev demo

test: $(READY) ## every behaviour once
	@$(PYTEST) -m "not full"

test-all: $(READY) ## the whole matrix: also second databases, second kills, long runs, containers
	@$(PYTEST)

test-full: $(READY) ## what test-all has beyond test
	@$(PYTEST) -m full

check: $(READY) ## lint, format, types, architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/unit/test_architecture.py

fmt: $(READY) ## let ruff put the code in order
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

$(BENCH)/.ready: $(READY) requirements/bench.txt
	@test -x $(BENCH)/bin/python || $(BIN)/python -m venv --without-pip $(BENCH)
	@$(UV) pip sync --quiet --python $(BENCH)/bin/python --require-hashes requirements/bench.txt
	@$(UV) pip install --quiet --python $(BENCH)/bin/python --no-deps --no-build-isolation --editable .
	@$(COMPILEALL) $(BENCH)/lib
	@touch $@

bench: setup $(BENCH)/.ready ## the benchmarks: writes docs/performance.md
	@$(BENCH)/bin/python -m benchmarks $(BENCHMARKS) --write docs

lock: $(READY) ## renew the hashed requirements
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) pyproject.toml -o requirements/main.txt
	$(COMPILE) pyproject.toml --group dev -c requirements/main.txt -o requirements/dev.txt
	$(COMPILE) pyproject.toml --group bench -c requirements/dev.txt -o requirements/bench.txt

clean: ## remove the environment and the caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
