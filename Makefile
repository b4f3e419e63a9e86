# make demo: a real search on real images.  make test: everything that CI runs.
# "make demo" installs what users get, "make test" also the developers' tools, both into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The seed of the order of tests and of their random numbers: fixed, so that a failure belongs to the latest change.
# "make test SEED=7" takes another one.
SEED ?= 1
# The number of processes that run tests; "make test JOBS=0" runs them in one, for a debugger.
JOBS ?= logical
INSTALLED := $(VENV)/.installed
DEMO_INSTALLED := $(VENV)/.demo-installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-slow browser check format stubs names bench docs screenshots install clean
.DEFAULT_GOAL := install

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch first and pinned: resolved together with the rest, a range would take a much larger build.
$(DEMO_INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo]'
	touch $@

$(INSTALLED): $(DEMO_INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

install: $(INSTALLED)

demo: $(DEMO_INSTALLED)
	$(BIN)/retiarii demo

check: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Chromium, which opens the pages of the dashboard in tests; tests/dashboard/chromium_path.py looks for the same names.
browser:
	@for name in "$$RETIARII_TEST_BROWSER" chromium chromium-browser google-chrome google-chrome-stable; do \
	  if [ -n "$$name" ] && command -v "$$name" >/dev/null; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get install --yes --quiet chromium || { apt-get update --quiet && apt-get install --yes --quiet chromium; }; } \
	    >/dev/null; \
	else \
	  echo "The tests of the dashboard need Chromium: run 'sudo apt-get install chromium' (or install Google Chrome)," \
	    "or set RETIARII_TEST_BROWSER to its path." >&2; exit 1; \
	fi

test: check browser
	$(BIN)/python -m pytest --randomly-seed=$(SEED) --hypothesis-seed=$(SEED) --numprocesses=$(JOBS) --dist=worksteal

# Generated files: the stub of the layers for type checkers and editors, and the tables of NNI's names in the docs.
stubs: install names
	$(BIN)/python scripts/layer_stubs.py

names: install
	$(BIN)/python scripts/nni_names.py

# Tests that take minutes: a thousand random modules, thousands of damaged files, dozens of kills.
test-slow: install browser
	$(BIN)/python -m pytest --randomly-seed=$(SEED) --numprocesses=$(JOBS) --dist=worksteal -m slow

format: install
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: install
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

docs: install
	$(BIN)/mkdocs build --strict

# The pictures of the dashboard in the docs, from real searches: two minutes.
screenshots: install browser
	$(BIN)/python scripts/screenshots.py

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
