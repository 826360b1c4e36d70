PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN = $(VENV)/bin
CONSTRAINTS ?= constraints.txt
SPHINX = $(BIN)/python -m sphinx -W --keep-going -d docs/_build/doctrees
INSTALL = $(BIN)/python -m pip install --quiet $(CONSTRAINTS:%=--constraint %)

.PHONY: demo test test-slow test-lowest test-newest lint docs docs-quick docs-links clean

demo: $(VENV)/.installed
	$(BIN)/sessionprompt demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto -m "not slow" $(ARGS)

test-slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m slow $(ARGS)

# the fast tests with the lower bounds of pyproject.toml, and with the newest releases that pip finds
test-lowest:
	$(MAKE) test VENV=.venv-lowest CONSTRAINTS=constraints-lowest.txt

test-newest:
	$(MAKE) test VENV=.venv-newest CONSTRAINTS=

lint: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

# the site, in docs/_build/html: with the gallery's examples run, without, and with links to other sites tried
docs: $(VENV)/.installed-docs
	$(SPHINX) -b html docs docs/_build/html

docs-quick: $(VENV)/.installed-docs
	$(SPHINX) -b html -D plot_gallery=0 docs docs/_build/html

docs-links: $(VENV)/.installed-docs
	$(SPHINX) -b linkcheck -D plot_gallery=0 docs docs/_build/links

clean:
	rm -rf docs/_build docs/auto_examples docs/generated .venv .venv-lowest .venv-newest build dist sessionprompt/kernels/*.so .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find sessionprompt tests -name __pycache__ -prune -exec rm -rf {} +

# torch goes first and alone: see constraints.txt
$(VENV)/.installed: pyproject.toml $(CONSTRAINTS) $(wildcard sessionprompt/kernels/*.[ch])
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) --editable ".[test]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(INSTALL) --editable ".[docs]"
	touch $@
