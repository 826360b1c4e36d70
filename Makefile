PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test test-slow lint clean

demo: $(VENV)/.installed
	$(BIN)/sessionprompt demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto -m "not slow" $(ARGS)

test-slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

clean:
	rm -rf .venv build dist sessionprompt/scoring/*.so .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find sessionprompt tests -name __pycache__ -prune -exec rm -rf {} +

# torch goes first and alone: see constraints.txt
$(VENV)/.installed: pyproject.toml constraints.txt $(wildcard sessionprompt/scoring/*.[ch])
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) --editable ".[test]"
	touch $@
