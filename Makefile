# Two commands do all the set-up on a fresh machine: `make up` and `make test`.
# Needs Python 3.11 or newer; everything else is installed into .venv, or named with the command that installs it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RECONCILE := $(BIN)/mlflow-reconcile
SPEC ?= specs/quickstart.yaml

.DEFAULT_GOAL := help
.PHONY: help up down setup test check unit bench clean

help: ## Show what can be made.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

up: $(VENV)/.ready ## Bring a real, verified MLflow up from specs/quickstart.yaml, in the sandbox.
	@$(RECONCILE) apply --sandbox --yes $(SPEC)
	@$(RECONCILE) verify --sandbox $(SPEC)
	@$(RECONCILE) status --sandbox $(SPEC)
	@echo
	@echo "Log in:  $(RECONCILE) login --sandbox $(SPEC)     (shows address, user and password)"

down: ## Stop what `make up` started; what is in it is kept.
	@if [ -x $(RECONCILE) ]; then $(RECONCILE) sandbox stop; fi

setup: $(VENV)/.ready ## Install mlflow-reconcile and the sandbox's parts into .venv.

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing. On Debian: sudo apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/pip install --quiet --editable '.[sandbox]'
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	@$(BIN)/pip install --quiet --group dev
	@touch $@

test: check unit ## Check style, types and layers, then run every test.

check: $(VENV)/.ready-dev ## Style, types, layers.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports

unit: $(VENV)/.ready-dev ## Every test.
	$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/.ready-dev ## Measure speed and memory, as ratios in one run.
	$(BIN)/python -m bench.plan
	$(BIN)/python -m bench.server

clean: down ## Forget the virtual environment and the sandbox's state.
	@if [ -x $(RECONCILE) ]; then $(RECONCILE) sandbox reset --yes; fi
	rm -rf $(VENV)
