# The MAELSTROM bootcamp. "make help" lists the targets; each sets itself up.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book test test-fast test-whole check notebooks lab student data train bench bench-loader lock clean

VENV := .venv
PY   := $(VENV)/bin/python
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
unexport PYTHONPATH PYTHONHOME
# Warnings of pip (proxies, old versions, unknown locations) are not errors: hide them.
PIP := $(PY) -m pip --disable-pip-version-check -qq

# ---- set-up: the environment is complete, hashed, and remade when its inputs change ---------------
# .locked is a copy of the lock that was installed, .installed names the folder the package was linked from;
# .partial stands there while pip works: a killed pip leaves packages that no later pip can mend.
READY := $(VENV)/.installed

# Environments cannot be moved: in a folder that was moved or copied, begin anew.
ifneq ($(wildcard $(READY)),)
ifneq ($(shell cat $(READY)),$(CURDIR))
MOVED := yes
.PHONY: $(VENV)/.locked
endif
endif

define FIND_PYTHON
found=""; \
for p in $(if $(PYTHON),"$(PYTHON)",python3.12 python3.11 python3); do \
  if "$$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; \
  then found="$$p"; break; fi; \
done; \
if [ -z "$$found" ]; then \
  echo "No usable Python: $(if $(PYTHON),$(PYTHON) is not,neither python3.12 nor python3.11 is) Python 3.11 or 3.12 with venv." >&2; \
  echo "  What to do: sudo apt-get install python3 python3-venv   (or: make PYTHON=/path/to/python3.12 ...)" >&2; \
  exit 1; \
fi
endef

$(VENV)/.locked: requirements.lock
	@if [ -n "$(MOVED)" ]; then echo "This folder was moved or copied."; rm -rf $(VENV); fi; \
	if [ -e $(VENV)/.partial ]; then echo "The last installation was interrupted: beginning anew."; rm -rf $(VENV); fi; \
	if cmp -s requirements.lock $@ && $(PY) -m pip --version >/dev/null 2>&1; then touch $@; exit 0; fi; \
	if ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  $(FIND_PYTHON); \
	  echo "Making $(VENV) with $$("$$found" --version) ..."; \
	  "$$found" -m venv --clear $(VENV); \
	fi; \
	echo "Installing $$(grep -c '^[A-Za-z0-9].*==' requirements.lock) pinned packages (a few minutes the first time) ..."; \
	touch $(VENV)/.partial; \
	$(PIP) install --no-deps --require-hashes -r requirements.lock; \
	cp requirements.lock $@; \
	rm $(VENV)/.partial

$(READY): $(VENV)/.locked pyproject.toml
	@$(PIP) install --no-deps -e .; \
	echo "$(CURDIR)" > $@

# ---- what readers and authors call -----------------------------------------------------------------
help: ## list the targets
	@echo "make TARGET, where TARGET is one of"; \
	awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' Makefile; \
	echo "Settings: MAELSTROM_DATA=sample|remote MAELSTROM_SIZE=ci|default|full MAELSTROM_BUCKET=folder MAELSTROM_SEED=0"

book: $(READY) ## render the book from the stored outputs into _build/html
	@jupyter-book build . --all -W --keep-going -n -q --path-output . >/dev/null; \
	echo "The book is in $(CURDIR)/_build/html/index.html"

# "make test" runs in three phases. Unit tests and notebooks: two at a time. Alone: what compares times, and the
# browser's tests. Every phase runs, whatever failed before it. Whole reruns of trained notebooks: make test-whole.
UNIT      := not (notebook or student or book or hub or alone or whole)
NOTEBOOKS := (notebook or student) and not (book or hub or alone or whole)
ALONE     := (book or hub or alone) and not whole
WORKERS   ?= 2
define PHASES
failed=""; trap 'exit 130' INT; \
phase() { \
  echo "== $$1"; \
  $(PY) -m pytest --cov --cov-append --cov-report= "$${@:2}" || failed="$$failed, $$1"; \
}; \
$(PY) -m coverage erase; \
phase "1 of 3: unit tests" -m "$(UNIT)" -n $(WORKERS) --dist loadfile; \
phase "2 of 3: notebooks and student edition" -m "$(NOTEBOOKS)" -n $(WORKERS) --dist worksteal; \
phase "3 of 3: what runs alone, book, hub" -m "$(ALONE)"; \
$(PY) -m coverage report --skip-covered --fail-under=90 || failed="$$failed, coverage"; \
test -z "$$failed" || { echo "Failed: $${failed#, }" >&2; exit 1; }
endef

test: check ## everything: lint, unit tests, all notebooks, book, student edition, hub; coverage >= 90 %
	@$(if $(strip $(ARGS)),$(PY) -m pytest -m "not whole" --cov --cov-report=term:skip-covered $(ARGS),$(PHASES))

test-fast: check ## unit tests only (under 3 minutes)
	@$(PY) -m pytest -m "not slow and not notebook and not book and not student and not hub" $(ARGS)

test-whole: $(READY) ## rerun the trained notebooks at full length: do all their claims still hold? (half an hour)
	@$(PY) -m pytest -m whole $(ARGS)

check: $(READY)
	@ruff check --quiet . && ruff format --quiet --check .

notebooks: $(READY) ## re-execute notebooks and store their outputs  [N=pattern]
	@$(PY) -m maelstrom_bootcamp.course.notebooks run $(N)

lab: $(READY) ## open the notebooks in JupyterLab
	@jupyter lab --notebook-dir=notebooks $(ARGS)

student: $(READY) ## make the student edition (no solutions, no outputs) in dist/student
	@bootcamp student

data: $(READY) ## make sample data  [SIZE=ci|default|full] [NAME=maelstrom-yr]
	@bootcamp data make $(NAME) $(if $(SIZE),--size $(SIZE))

train: $(READY) ## train a model of an application  [APP=yr ARGS="--size full --option batch_norm=true"]
	@$(PY) -m maelstrom_bootcamp.apps.$(or $(APP),yr).train $(ARGS)

bench: $(READY) ## measure the applications' networks on this machine  [APP=a1 ARGS="--precision bf16 --json mine.jsonl"]
	@bootcamp bench $(or $(APP),all) $(ARGS)

bench-loader: $(READY) ## measure A1's data loader on this machine: speed against the disk and the model, memory
	@$(PY) -m maelstrom_bootcamp.apps.yr.bench_loader $(ARGS)

lock: ## resolve pyproject.toml into requirements.lock and environment.yml  [UPGRADE=1]
	@$(FIND_PYTHON); \
	test -x .make/uv/bin/uv || { "$$found" -m venv --clear .make/uv; \
	  .make/uv/bin/python -m pip --disable-pip-version-check -qq install uv==0.13.9; }; \
	.make/uv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --quiet $(if $(UPGRADE),--upgrade) -o requirements.lock; \
	"$$found" .ci/environment.py; \
	git --no-pager diff --stat -- requirements.lock environment.yml 2>/dev/null || true

clean: ## remove what was built  [ALL=1: also .venv and the tests' sample data]
	@rm -rf _build dist conf.py htmlcov .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis
	@find . -path ./$(VENV) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -exec rm -rf {} +
	@$(if $(ALL),rm -rf $(VENV) .make)
