# Two commands are enough: `make demo` shows the whole thing working, `make test` proves it.
PYTHON := .venv/bin/python
SEEDS ?= 100
# A worker keeps a file, because tests of some files share a campus.
WORKERS := -n 4 --dist loadfile --no-loadscope-reorder
# Programs are started hundreds of times: each is compiled once.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo test test-long check simulate bench mutants models clean

help:            ## list the targets
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup:           ## system packages, .venv and the project in it
	@scripts/setup

demo: setup      ## a campus in a box
	$(PYTHON) -m tests.demo

test: setup      ## every test of a change
	$(PYTHON) -m pytest $(WORKERS) -m "not slow"

test-long: setup ## everything, as before a release
	$(PYTHON) -m pytest $(WORKERS)

check: setup     ## format, lint, types, import rules and the fast tests
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/pyright
	.venv/bin/lint-imports
	$(PYTHON) -m pytest $(WORKERS) -m "not slow and not integration and not seeds"

simulate: setup  ## seeded simulation: make simulate SEEDS=10000
	$(PYTHON) -m tests.simulation --seeds=$(SEEDS)

bench: setup     ## measure; prints JSON
	$(PYTHON) -m tests.bench

mutants: setup   ## planted bugs that the simulation must catch
	$(PYTHON) -m tests.simulation.mutants

models: setup    ## every state of the models of sync and torn cards
	$(PYTHON) -m tests.models

clean:           ## remove what can be made again
	rm -rf .venv demo-data .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
