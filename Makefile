# The commands to know; `make` alone lists them.
# No package index is named here: pip and uv use the ones that this machine is set up with.

# Which Python makes .venv. After a change: `make clean`.
PYTHON ?= python3
# More arguments, say `make demo ARGS=--check`.
ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed
UNFINISHED := $(VENV)/.unfinished
CACHES := .coverage* htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
# A lock names every package. Resolving it anew, older versions of pip stop at a release
# that is newer than the lock's, where a package wants another one with an extra.
LOCKED := --require-hashes --no-deps
# Tests mostly wait for processes. Those of a file share what they start, so they stay
# together.
AT_ONCE := --numprocesses=2 --dist=loadfile --no-loadscope-reorder
# `check` must neither read a developer's own configuration nor write files.
NOWHERE := ENV_FILE=/dev/null SECRET_KEY=check DATABASE_URL=sqlite://:memory:

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: setup demo run test check bench soak screenshots lock clean help

setup: $(DEVELOPMENT) ## Install everything into .venv (the other commands do it, too)

demo: $(RUNTIME) ## Try it without a Telegram token: nothing is kept, Ctrl-C ends it
	@exec $(RUN) -m bot demo $(ARGS)

run: $(RUNTIME) ## Run the bot, the worker and the admin, configured in .env
	@exec $(RUN) -m bot $(ARGS)

test: $(DEVELOPMENT) ## Run all tests: on SQLite, then those of the database on PostgreSQL
	$(RUN) -m pytest $(AT_ONCE)
	$(RUN) -m tests.support.databases pytest $(AT_ONCE) -m django_db

check: $(DEVELOPMENT) ## Check format, style, types, imports and migrations
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	$(NOWHERE) $(RUN) manage.py check
	$(NOWHERE) $(RUN) manage.py makemigrations --check --dry-run

bench: $(DEVELOPMENT) ## Measure how fast the worker delivers
	@exec $(RUN) -m benchmarks $(ARGS)

soak: $(DEVELOPMENT) ## Kill, freeze and cut off workers for a while, and count what was lost
	@exec $(RUN) -m tests.soak $(ARGS)

screenshots: $(DEVELOPMENT) ## Take the pictures in docs/ anew; it needs Chromium
	$(RUN) docs/take_screenshots.py
	$(RUN) -m docs.take_pages

LOCK = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links

lock: $(DEVELOPMENT) ## Write requirements*.txt anew; ARGS=--upgrade takes newer versions
	$(LOCK) $(ARGS) requirements.in --output-file requirements.txt
	$(LOCK) $(ARGS) requirements-dev.in --constraint requirements.txt \
		--output-file requirements-dev.txt

clean: ## Delete .venv and caches; .env and the database stay
	rm -rf $(VENV) $(CACHES)
	find . -name __pycache__ -prune -exec rm -rf {} +

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 13

# An interrupted installation, or a Python that is gone, is put right whatever the stamps say.
ifneq ($(shell test -x $(RUN) && test ! -e $(UNFINISHED) && echo sound),sound)
.PHONY: $(RUNTIME) $(DEVELOPMENT)
endif

$(RUNTIME): requirements.txt
	@sh -c "$$INSTALL" install $<
	@touch $@

$(DEVELOPMENT): requirements-dev.txt
	@sh -c "$$INSTALL" install $<
	@touch $(RUNTIME) $@

define INSTALL
set -eu
fail() { printf '%s\n' "$$@" >&2; exit 1; }

command -v "$(PYTHON)" >/dev/null || fail "$(PYTHON) is not installed." \
    "On Debian and Ubuntu: apt install python3 python3-venv"
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail \
    "Python 3.11 or newer is needed, and $(PYTHON) is $$("$(PYTHON)" -V 2>&1)." \
    "Name another one, for example: make setup PYTHON=python3.12"

# Two commands started at once take turns.
if command -v flock >/dev/null; then exec 9<Makefile; flock 9; fi

echo "Installing $$1 into $(VENV)"
if [ -e $(UNFINISHED) ] || [ ! -x $(RUN) ]; then rm -rf $(VENV); fi
[ -x $(RUN) ] || "$(PYTHON)" -m venv --without-pip $(VENV)
touch $(UNFINISHED)

with_uv() {
    command -v uv >/dev/null || return 1
    uv pip install --quiet --python $(RUN) $(LOCKED) --requirement "$$1" && return
    # It may know no package index on a machine where pip does.
    echo "uv cannot install here: trying pip"
    return 1
}

if ! with_uv "$$1"; then
    version=$$($(RUN) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    $(RUN) -c 'import ensurepip' 2>/dev/null || fail "Python's ensurepip is missing." \
        "On Debian and Ubuntu: apt install python$$version-venv"
    $(RUN) -c 'import pip' 2>/dev/null || $(RUN) -m ensurepip --default-pip >/dev/null
    $(RUN) -m pip install -qq --disable-pip-version-check $(LOCKED) --requirement "$$1" \
        || fail "The packages could not be installed: see above."
fi
rm $(UNFINISHED)
endef
export INSTALL
