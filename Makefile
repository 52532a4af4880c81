# `make demo` and `make test` need python3 (3.11 or newer) and make, nothing else: the rest is installed into .venv.
#
#   make test PYTHON=python3.12     another Python, in an environment of its own (.venv-3.12)
#   make test ARGS="-k noise"       arguments for pytest

ifdef PYTHON
VENV ?= .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
else
VENV ?= .venv
endif
BIN := $(VENV)/bin
HAS := $(VENV)/.has
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PINNED := --constraint constraints.txt --build-constraint constraints.txt
COVERED := 95
# Two workers for each core: many tests wait, for a process or a clock.
PYTEST = pytest -n $$((2 * $$(getconf _NPROCESSORS_ONLN))) --dist worksteal $(ARGS)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: demo test cover lint interop bench bench-apps protos page pins clean help

demo: $(HAS)/p2pstack ## Hosts on this machine move files and publish in a mesh, in a live table, while one is killed
	@$(BIN)/p2pstack demo

# Tests start many processes: what these import is compiled once, even where the environment says otherwise.
test cover: export PYTHONDONTWRITEBYTECODE =
test: $(HAS)/p2pstack $(HAS)/test $(HAS)/protos ## All tests, on asyncio, uvloop and trio
	$(BIN)/python -m $(PYTEST)

cover: $(HAS)/p2pstack $(HAS)/test $(HAS)/protos ## All tests, and the lines they cover: quick from Python 3.12 on
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m $(PYTEST)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --skip-covered --fail-under=$(COVERED)

lint: $(HAS)/p2pstack $(HAS)/test $(HAS)/lint ## Formatting, lint rules, types, and which layer may import which
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-cache

interop: $(HAS)/p2pstack $(HAS)/test $(HAS)/interop ## Meet go-libp2p, rust-libp2p, js-libp2p and py-libp2p
	$(BIN)/python -m pytest interop/tests -n auto --dist worksteal $(ARGS)

bench: $(HAS)/p2pstack $(HAS)/bench ## Measure this stack and the others in one run
	$(BIN)/python -m bench $(ARGS)

bench-apps: $(HAS)/p2pstack $(HAS)/bench $(HAS)/test ## Measure the applications
	$(BIN)/python -m bench.apps $(ARGS)

protos: $(HAS)/p2pstack $(HAS)/protos ## Generate src/p2pstack/wire/pb from protos/
	$(BIN)/python scripts/protos.py

page: ## Build the editor of `p2pstack doc` from web/doc, with node and npm
	cd web/doc && npm install --no-package-lock --no-audit --no-fund && npm run build

pins: ## Write constraints.txt anew, with the newest versions that pyproject.toml allows
	sh scripts/pin.sh $(PYTHON)

clean: ## Remove all that make has made
	rm -rf .venv .venv-* .coverage .coverage.* htmlcov build dist .ruff_cache .import_linter_cache .hypothesis
	find src tests scripts interop bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

help: ## This list
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# What is installed leaves a stamp, so that it is done once: $(HAS)/NAME for the dependency group NAME.
$(HAS)/pip: scripts/venv.sh
	@sh scripts/venv.sh "$(VENV)" "$(PYTHON)"
	@mkdir -p $(HAS) && touch $@

$(HAS)/p2pstack: $(HAS)/pip pyproject.toml constraints.txt
	@echo "installing p2pstack into $(VENV)"
	@$(PIP) install $(PINNED) --editable '.[apps,cli,trio,uvloop]'
	@touch $@

$(HAS)/%: $(HAS)/p2pstack
	@echo "installing what \`$*\` needs into $(VENV)"
	@$(PIP) install $(PINNED) --group $*
	@touch $@
