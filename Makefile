# The house's commands. `make setup` makes .venv with everything in it; the others call it first where that is needed.

# The first Python that is new enough, whatever it is called here.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
# On Linux the package index gives torch with CUDA, some gigabytes. To take a CPU build instead, name an index that has one.
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help setup demo test check docs bench clean

help:
	@echo 'make setup   .venv with everything in it'
	@echo 'make demo    the whole way on the bundled help-desk tickets, offline'
	@echo 'make test    all tests'
	@echo 'make check   lint, format, types, and whether the generated pages are up to date'
	@echo 'make docs    write the generated pages anew'
	@echo 'make bench   all benchmarks, hours (see benchmarks/README.md)'
	@echo 'make clean   remove caches and builds; data, runs and .venv stay'

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@test -n '$(PYTHON)' || { echo 'metier needs Python 3.11 or newer; none was found. Name one: make setup PYTHON=/path/to/python3.11' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),$(PIP) install --quiet --retries 1 --extra-index-url $(TORCH_INDEX) -c constraints.txt torch)
	$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	$(BIN)/metier demo

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check

docs: setup
	$(BIN)/python docs/generate.py

bench: setup
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests benchmarks docs examples -name __pycache__ -type d -not -path '*/.peers/*' -prune -exec rm -rf {} +
