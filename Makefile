# Everything runs in an environment of its own, .venv, made from a Python that the machine has.
# Choose another with `make PYTHON=/path/to/python3.12 …`.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := embedded,cli,demo,fast,dev,bench
CHECKED := gate reconciler loadtests tests

.DEFAULT_GOAL := help
.PHONY: run dev test torture check bench build clean help

run: $(STAMP) ## start servers, demo and processes, until Ctrl-C (ARGS="--once" ends by itself)
	$(BIN)/gate up $(ARGS)

dev: $(STAMP) ## like run, on the checkout's code as it is: edit, then start again
	$(BIN)/python -X dev -m gate up $(ARGS)

test: $(STAMP) ## run the tests on real servers (ARGS="-k torn" chooses)
	$(BIN)/python -m pytest -n 2 $(ARGS)

torture: $(STAMP) ## kill, cut, edit and lose at random (ARGS="--seeds 20 --seconds 60"; GATE_TORTURE_SEED repeats)
	$(BIN)/python -m tests.torture $(ARGS)

check: $(STAMP) ## format, lint, types, direction of imports
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) ## measure beside the alternatives on this machine
	$(BIN)/python -m loadtests.bench $(ARGS)

build: $(STAMP) ## build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## remove the environment, builds and caches; server data in .gate/ stays
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

# The shell finds the Python, because a version cannot be asked for in make itself.
$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'; \
	python=; \
	for candidate in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
	  if "$$candidate" -c "$$fits" 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "No Python 3.11, 3.12 or 3.13 found$(if $(PYTHON), as $(PYTHON)). Install one," \
	    "or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$python cannot make environments: its venv module is missing." \
	    "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version) ..." >&2; \
	rm -rf $(VENV); \
	"$$python" -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[$(EXTRAS)]'; \
	touch $@
