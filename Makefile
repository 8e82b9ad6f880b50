.PHONY: help setup demo test check words bench clean

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

setup:  ## build or refresh .venv from the lock
	@PYTHON="$(PYTHON)" .ci/setup

demo: setup  ## the server with sandbox traffic on http://localhost:8000
	@.venv/bin/orderboard demo $(ARGS)

test: setup check  ## every check and every test, the browser's included
	@CHROMIUM="$$(.venv/bin/python tests/chromium.py)" .venv/bin/pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup  ## style and types
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --check --quiet
	@.venv/bin/mypy --no-error-summary

words: setup  ## new texts into the catalogues of translations (docs/languages.md)
	@.ci/words $(ARGS)

bench: setup  ## the figures, one JSON line each
	@.venv/bin/python -m bench $(ARGS)

clean:  ## remove what the others built (not data/)
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis bench/build
