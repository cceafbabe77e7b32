# `make study` runs the main job on a fresh machine, `make test` passes the tests.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/setup.stamp
STUDY_DB := sqlite:///runs/studies.db
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: help setup study test lint check browser docs clean

help:
	@echo "make setup    create .venv with the pinned versions of constraints.txt"
	@echo "make study    tune an MLP on the breast cancer data: 100 trials, results under runs/"
	@echo "make test     run the fast tests"
	@echo "make lint     check format, lint and types"
	@echo "make check    lint, then the fast tests"
	@echo "make browser  install Chromium for the tests of the report"
	@echo "make docs     write docs/cli.md from the commands, build the site into site/"
	@echo "make clean    remove what the tools left behind; .venv and runs/ stay"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools --editable '.[dev]'
	touch $(STAMP)

study: setup
	mkdir -p runs
	$(BIN)/tuner launch --trainer mlp --data breast_cancer --trials 100 \
		--storage $(STUDY_DB) --artifacts runs/artifacts --out runs/report.html

test: setup
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

browser:
ifeq ($(CHROMIUM),)
	apt-get update
	apt-get install --yes --no-install-recommends chromium
else
	@echo "$(CHROMIUM) is there"
endif

docs: setup
	$(BIN)/python -m tuner.cli.page docs/cli.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "open site/index.html"

clean:
	rm -rf build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
