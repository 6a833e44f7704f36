# Two commands do all the set-up on a fresh machine: `make up` and `make test`.
# Needs Python 3.11 or newer; everything else is installed into .venv, or named with the command that installs it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RECONCILE := $(BIN)/mlflow-reconcile
# Stopping needs nothing but Python: the environment that started the sandbox may be gone.
WITHOUT_VENV := $(PYTHON) -c 'from reconciler.sandbox import control as c
SPEC ?= specs/quickstart.yaml

.DEFAULT_GOAL := help
.PHONY: help up down setup test check unit conformance laws fuzz bench clean

help: ## Show what can be made.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

up: $(VENV)/.ready ## Bring a real, verified MLflow up from specs/quickstart.yaml, in the sandbox.
	@$(RECONCILE) apply --sandbox --yes $(SPEC)
	@$(RECONCILE) verify --sandbox $(SPEC)
	@$(RECONCILE) status --sandbox $(SPEC)
	@echo
	@echo "Log in:  $(RECONCILE) login --sandbox $(SPEC)     (shows address, user and password)"

down: ## Stop what `make up` started; what is in it is kept.
	@$(if $(wildcard $(RECONCILE)),$(RECONCILE) sandbox stop,$(WITHOUT_VENV); c.stop()')

setup: $(VENV)/.ready ## Install mlflow-reconcile and the sandbox's parts into .venv.

# Where the environment was made and by which Python: one that was moved, copied or broken off half-way is made anew.
MADE_OF := $(CURDIR) $(shell $(PYTHON) -c 'import sys; print(sys.version_info[:3] >= (3, 11) and sys.base_prefix)' 2>/dev/null)
ifneq ($(MADE_OF),$(shell cat '$(VENV)/.ready' 2>/dev/null))
.PHONY: $(VENV)/.ready
CLEAR := --clear
endif

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed, and '$(PYTHON)' is none. Say, for example: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is missing. On Debian: sudo apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) …"
	@$(PYTHON) -m venv $(CLEAR) '$(VENV)'
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[sandbox]'
	@rm -f $(VENV)/.ready-dev
	@echo '$(MADE_OF)' > $@

$(VENV)/.ready-dev: $(VENV)/.ready
	@echo "Installing the tools of development into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --group dev
	@touch $@

test: check unit ## Check style, types and layers, then run every test.

check: $(VENV)/.ready-dev ## Style, types, layers.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports

unit: $(VENV)/.ready-dev ## Every test.
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

conformance: $(VENV)/.ready-dev ## Replay what the real APIs answered (RECORDINGS=FOLDER), and look at Google's schemas.
	@$(BIN)/python -m tests.conformance $(if $(RECORDINGS),--recordings '$(RECORDINGS)') $(ARGS)

laws: $(VENV)/.ready-dev ## Search for counter-examples to what is promised: every request, any two specs, every guard.
	@$(BIN)/python -m tests.laws $(ARGS)
	@$(BIN)/python -m tests.laws.pairs
	@$(BIN)/python -m tests.laws.hands --each
	@$(BIN)/python -m tests.mutations

fuzz: $(VENV)/.ready-dev ## Feed what reads specs, plans and requests with mutated input, for a minute each.
	@$(BIN)/python -m pip install --quiet 'atheris>=3.0'
	@for reader in spec plan http; do $(BIN)/python -m tests.fuzz $$reader 60 || exit 1; done

bench: $(VENV)/.ready-dev ## Measure speed and memory, as ratios in one run.
	$(BIN)/python -m bench.plan
	$(BIN)/python -m bench.server

clean: ## Forget the virtual environment and the sandbox, with everything that was logged in it.
	@$(if $(wildcard $(RECONCILE)),$(RECONCILE) sandbox reset --yes,$(WITHOUT_VENV); c.reset()')
	rm -rf $(VENV)
