# Python 3.11 or later and make are all that this needs: the rest comes from requirements.lock.
#   make verify             check every claim of the theory    (ARGS="..." is passed on)
#   make test               lint, types, import layers, tests  (ARGS="..." goes to pytest)
#   make prove              run the proofs, Coq's where it is  (ARGS="..." is passed on)
#   make bench             ratios to the obvious way, side by side (PEER=SCRIPT PEER_PYTHON=PYTHON for PyTorch's,
#                           MNIST=mnist.npz for the digit classifiers, with MNIST_PEER=SCRIPT beside PyTorch's)
#   make fuzz               call all that is public with arguments that do not fit     (ARGS="--seed 1")
#   make lock               renew the pins                     (ARGS=--upgrade takes newer releases)
#   make newest             the quick tests on the newest releases that are allowed, in build/newest
#   make sbom               what the lock holds, as CycloneDX: build/sbom.json
#   make audit-dependencies known vulnerabilities of what is pinned
#   make release            build, compare and check wheel and sdist, and try the wheel without a checkout
#   make lint docs clean
# PYTHON=/path/to/python chooses the interpreter that .venv is made from.

VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
READY := $(VENV)/.ready

CANDIDATES := python3 python3.13 python3.12 python3.11 python3.14 python
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'

# Tests that ask most of JAX, NumPy, SciPy and Flax for the time that they take.
QUICK := tests/theory tests/statistics tests/kernels/test_stack.py tests/instruments/test_first_order.py \
  tests/networks/test_adapters.py tests/test_numerics.py tests/test_known_answers.py
NEWEST := build/newest

.PHONY: verify test prove bench fuzz lint lock newest sbom audit-dependencies docs release clean
.DELETE_ON_ERROR:

verify: $(READY)
	$(BIN)/subtheory verify --out results/verify $(ARGS)

# A file stays with one worker: what it compiled is used again.
test: lint
	$(BIN)/pytest -n 2 --dist loadfile -q $(ARGS)

prove: $(READY)
	$(BIN)/subtheory prove $(ARGS)

# One thread on both sides, on one core.
BENCH = taskset -c 0 env NPROC=1 OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 \
  XLA_FLAGS=--xla_cpu_multi_thread_eigen=false $(BIN)/python benchmarks
bench: $(READY)
	$(BENCH)/alignment.py
	$(BENCH)/ggn.py
	$(BENCH)/seeds.py $(if $(PEER),--script $(PEER) --python $(PEER_PYTHON))
	$(if $(PEER),$(BENCH)/peer.py $(PEER) --python $(PEER_PYTHON))
	$(BENCH)/startup.py
	$(BENCH)/scaling.py --repeats 3 --only eps parameters outputs tokens many-seeds
	$(BIN)/python benchmarks/gpu.py
	$(if $(MNIST),$(BIN)/python benchmarks/aux_logits.py --data $(MNIST) $(if $(MNIST_PEER),--peer $(MNIST_PEER) --peer-python $(PEER_PYTHON)))

fuzz: $(READY)
	$(BIN)/python scripts/fuzz.py $(ARGS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The lock is renewed with the uv that the lock itself pins.
lock: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/lock.py $(ARGS)

newest: $(READY)
	$(BIN)/uv venv --quiet --clear --python $(or $(PYTHON),$(BIN)/python) $(NEWEST)
	$(BIN)/uv pip install --quiet --python $(NEWEST)/bin/python -e '.[dev]'
	$(BIN)/uv pip freeze --python $(NEWEST)/bin/python
	$(NEWEST)/bin/python -m pytest -q $(QUICK) $(ARGS)

# No index is named: what is pinned is told from its hashes, wherever it comes from.
sbom: $(READY)
	@mkdir -p build
	$(BIN)/uvx --quiet --from 'cyclonedx-bom>=7' cyclonedx-py requirements --pyproject pyproject.toml --index-url '' \
	  --short-PURLs --output-reproducible --output-file build/sbom.json requirements.lock

audit-dependencies: $(READY)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/audit_dependencies.py

# Warnings are errors: a link that leads nowhere, a page in no table of contents.
docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs $(ARGS)
	$(BIN)/python scripts/handbook/check.py build/docs

release: $(READY)
	$(BIN)/python scripts/release.py --smoke $(ARGS)

clean:
	rm -rf $(VENV) build dist results .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Two stamps, each touched last: an interrupted install starts over, and an edit of pyproject.toml
# repeats only the quick step. The lock is complete, so pip's resolver, which asks the index for newer releases
# even then, stays out; `pip check` says whether the pins fit together. A candidate is run before it is taken, because a version manager's
# shim can be on PATH and still fail.
$(LOCKED): requirements.lock
	@set -e; python=; \
	for each in $(if $(PYTHON),"$(PYTHON)",$(CANDIDATES)); do \
	  if "$$each" $(NEW_ENOUGH) >/dev/null 2>&1; then python=$$each; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "error: no working Python 3.11 or later among: $(or $(PYTHON),$(CANDIDATES))" >&2; exit 1; fi; \
	if ! "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	  echo "error: $$python has no venv module (on Debian or Ubuntu: apt install python3-venv)" >&2; exit 1; fi; \
	echo "[1/3] making $(VENV) with $$("$$python" -V) ($$python)"; \
	"$$python" -m venv --clear $(VENV)
	@echo "[2/3] installing $$(grep -c '==' requirements.lock) pinned packages, hashes checked: a few minutes"
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
	  --no-deps --only-binary :all: --require-hashes -r requirements.lock
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	@echo "[3/3] installing subtheory itself, editable"
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m pip --disable-pip-version-check check
	@touch $@
