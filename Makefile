# Thin on purpose: every target is one or two commands that also work by hand.
PYTHON ?= python3
VENV   ?= .venv
TORCH  ?= torch==2.13.0
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test test-cluster soak lint extras bench lock docs wheel release-check clean

demo: $(READY)  ## run the main job and print its comparison
	$(BIN)/python -m experiments.run -m experiment=demo
	$(BIN)/python -m experiments.compare results/demo --baseline static --hints

test: $(READY) lint  ## lint, types, tests, doctests, examples; on all cores, four at most
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal

test-cluster: $(READY)  ## what needs Ray: forty jobs, and a cluster of two nodes on this machine (make extras first)
	$(BIN)/python -m pytest -q -m cluster

soak: $(READY)  ## kill runs at every write and 200 times by the clock, and read 12,500 mutated files
	$(BIN)/python -m pytest -q -m slow tests/test_kills.py tests/test_fuzz.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

extras: $(READY)  ## add every optional neighbour (Ray, ONNX, trackers, PyTorch, ...) to .venv, so that their tests run too
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-extras.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)

bench: $(READY)  ## measure beside other programs: results/bench/bench.csv (peers: see docs/bench.md)
	$(BIN)/python -m experiments.bench $(BENCH)

docs: $(READY)  ## build the searchable site with its API reference into site/ (needs make extras)
	@$(BIN)/python -c 'import importlib.util as u, sys; sys.exit(None if u.find_spec("mkdocstrings") else "this needs mkdocs, which is not installed: make extras, or pip install \"plastic[docs]\"")'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "site/index.html is ready: open it in a browser"

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"plastic needs Python 3.11 to 3.13, but {sys.executable} is {v.major}.{v.minor}: try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

LOCK = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header \
  --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-package plastic -q

lock:  ## resolve the pinned requirements again (needs uv)
	$(LOCK) --extra dev --extra extras -o requirements-extras.lock
	$(LOCK) --extra dev -c requirements-extras.lock -o requirements.lock

wheel: $(READY)  ## build the wheel and the source distribution into dist/
	$(BIN)/python -m hatchling build

release-check: $(READY)  ## validate wheel and source distribution, and run the tests of the one on the other
	$(BIN)/python tests/release.py

clean:
	rm -rf $(VENV) build dist site .pytest_cache .ruff_cache .mypy_cache .hypothesis
