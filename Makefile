# `make help` lists the targets. Everything runs in .venv, which the first target that needs it creates.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
HTML := _build/html
PORT ?= 8000
PYTEST := $(BIN)/python -m pytest
RECORDS := $(sort $(wildcard tests/test_recorded*.py)) tests/test_benchmarks_run.py

.DEFAULT_GOAL := help
.PHONY: help setup book serve test test-unit test-records test-notebooks test-book test-seeds test-device lint lock clean distclean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Create .venv with the pinned packages and gan_utils

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
		"Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is %d.%d. Name another: make PYTHON=python3.13 ..." % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --requirement requirements.txt
	@touch $@

# A clean $(HTML) and .doctrees: an incremental build would forget the warnings of the build before. Notebooks whose code
# and tools are unchanged come from the cache in _build/.jupyter_cache, those just tested from _build/executed, so this
# still takes seconds.
book: $(READY) ## Execute the chapters and build the HTML book (in _build/html)
	@rm -rf $(HTML) _build/.doctrees _build/failed.txt
	$(BIN)/jupyter-book build . -W -n --keep-going --builder html || { cat _build/failed.txt 2>/dev/null; exit 1; }

serve: ## Show the built book on http://127.0.0.1:8000 (PORT=... for another port)
	@test -f $(HTML)/index.html || { echo "Build the book first: make book"; exit 1; }
	@echo "Open http://127.0.0.1:$(PORT)/ (Ctrl+C stops)"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory $(HTML) $(PORT)

test: lint test-unit test-records test-notebooks test-book ## All that follows, but for test-seeds and test-device

test-unit: $(READY) ## Tests of the package, of its examples and of the notebooks' form
	$(PYTEST) -n 2 $(addprefix --ignore=,$(RECORDS) tests/test_colab.py tests/test_book.py)

test-records: $(READY) ## Make the beginning of recorded runs again, some of each record; run every benchmark for a moment
	$(PYTEST) -n 2 $(RECORDS)

test-notebooks: $(READY) ## Execute every notebook cell by cell (nbval), and one as Colab does
	$(PYTEST) --nbval-lax -n 2 --dist loadfile book tests/test_colab.py

test-seeds: $(READY) ## Execute every notebook with all seeds shifted (SHIFT=7000). Do its claims hold?
	GAN_BOOK_SHIFT=$(or $(SHIFT),7000) $(PYTEST) --nbval-lax -n 2 --dist loadfile book

test-book: book ## Build the book, then look at every page in a headless browser (needs Chromium)
	$(PYTEST) -n 2 tests/test_book.py

test-device: $(READY) ## Execute every notebook on a pretend GPU (needs a C++ compiler): does anything mix devices?
	GAN_BOOK_PRETEND_GPU=1 GAN_BOOK_MODE=fast $(PYTEST) --nbval-lax -n 2 --dist loadfile tests/test_on_device.py book

lint: $(READY) ## Style and types of the code; notebooks without outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nbstripout --keep-id --verify book/*/*.ipynb

lock: $(READY) ## Write requirements.txt anew from pyproject.toml (UPGRADE=--upgrade takes newer versions)
	@command -v $${UV:-$(BIN)/uv} >/dev/null || $(BIN)/python -m pip install --quiet uv
	UV=$${UV:-$(BIN)/uv} scripts/lock.sh $(UPGRADE)

clean: ## Remove the built book and the cache of executed notebooks
	rm -rf _build .pytest_cache .ruff_cache .mypy_cache

distclean: clean ## Remove .venv too
	rm -rf $(VENV)
