# One command each; `make` alone lists them.  The virtual environment is made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := .venv-audit
FREQTRADE := .venv-freqtrade
RUN := $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help demo train test test-python check fix house pins vendor docs audit mutants bench fallacies soak-fetch soak-kill soak-train soak-noise soak-verdict soak-attacks soak-live soak-replay soak-hostile soak-freqtrade clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

demo: $(VENV)/.run ## train five invented symbols with the real code and settings: minutes, no key, no network
	$(RUN) train_live_lightgbm.py --demo

train: $(VENV)/.run ## train every active symbol from the exchange; ARGS="--top 20" narrows
	$(RUN) train_live_lightgbm.py $(ARGS)

test: $(VENV)/.dev ## the whole test suite
	$(BIN)/pytest $(ARGS)

test-python: ## the whole test suite on another Python, in an environment of its own: PYTHON=python3.13
	$(MAKE) test PYTHON=$(PYTHON) VENV=.venv-$(notdir $(PYTHON))

check: $(VENV)/.dev ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(VENV)/.dev ## let the linter and the formatter repair what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

house: $(VENV)/.dev ## counts of the source: rooms, arrows, names, docstrings, references, longest files
	$(RUN) -m tests.house $(ARGS)

pins: $(VENV)/.dev ## write the hashes of what requirements*.txt and constraints.txt pin, after one of them changed
	$(RUN) -m tests.pins

vendor: $(VENV)/.dev ## fetch the libraries of others that are kept here again, in the versions that their records name; needs npm
	$(RUN) -m tests.vendor

docs: $(VENV)/.dev ## write docs/config.md, after a setting, its value or its meaning changed
	$(RUN) -m tests.config_doc

audit: $(AUDIT)/.made ## ask for known holes in what is installed; says so where the data cannot be reached
	@$(AUDIT)/bin/pip-audit --progress-spinner off --disable-pip --require-hashes \
	  -r requirements-hashes.txt -r requirements-dask-hashes.txt -r requirements-dev-hashes.txt >$(AUDIT)/found 2>&1; status=$$?; \
	unknown=$$(grep -c 'could not be audited' $(AUDIT)/found); \
	grep -v 'could not be audited\|Skip Reason\|^---\|^No known' $(AUDIT)/found; \
	if [ $$status -eq 0 ] && [ $$unknown -eq 0 ]; then echo "No known holes"; fi; \
	if [ $$unknown -gt 0 ]; then echo "NOT AUDITED: the data on $$unknown packages cannot be reached from here"; exit 2; fi; \
	exit $$status

mutants: $(VENV)/.dev ## plant faults in the modules that decide, and list those that no test notices; an hour
	$(BIN)/mutmut run --max-children 1 $(ARGS)
	$(BIN)/mutmut results

bench: $(VENV)/.dev ## what is fast, and against what; each prints a ratio of one run
	$(RUN) -m benchmarks.features
	$(RUN) -m benchmarks.training
	$(RUN) -m benchmarks.workers
	$(RUN) -m benchmarks.decisions
	$(RUN) -m benchmarks.fetch
	$(RUN) -m benchmarks.report
	$(RUN) -m benchmarks.startup

fallacies: $(VENV)/.dev ## recipes that print win rates of 60 to 97 % on noise, and what is true; minutes
	$(RUN) -m benchmarks.fallacies

soak-fetch: $(VENV)/.dev ## kill the fetcher at 20 moments under faults, then compare every cache with the truth
	$(RUN) -m soaks.fetch

soak-kill: $(VENV)/.dev ## kill -9 a trading session at 30 moments under faults, on either kind of account, then compare its journal with the exchange
	$(RUN) -m soaks.kill
	$(RUN) -m soaks.kill --account unified

soak-train: $(VENV)/.dev ## kill -9 a retraining at 10 moments, kill and stop its workers, then compare; ten minutes
	$(RUN) -m soaks.train $(ARGS)

soak-live: $(VENV)/.dev ## a day of live trading of 300 symbols under faults, half of it on either kind of account, on a clock that jumps; a quarter of an hour
	$(RUN) -m soaks.live

soak-replay: $(VENV)/.dev ## train on real series, replay their test parts: the session must be the evaluation; ten minutes
	$(RUN) -m soaks.replay

soak-attacks: $(VENV)/.dev ## train markets that fool verdicts, and edges that must be found, by the command; a quarter of an hour and more
	$(RUN) -m soaks.attacks $(ARGS)

soak-hostile: $(VENV)/.dev ## feed every parser of what comes from outside with what nobody would send; minutes
	$(RUN) -m soaks.hostile $(ARGS)

soak-freqtrade: $(VENV)/.dev $(FREQTRADE)/.made ## freqtrade, in an environment of its own, downloads from the embedded exchange: its files must equal the source
	$(RUN) -m soaks.freqtrade_download $(FREQTRADE)/bin $(ARGS)

soak-noise: $(VENV)/.dev ## 20 random walks through the real path: none may be called an edge; minutes
	$(RUN) -m soaks.noise

soak-verdict: $(VENV)/.dev ## how often the verdict finds a true edge and calls a false one, by simulation; five minutes
	$(RUN) -m soaks.verdict

clean: ## remove the virtual environment and all caches of tools, no model and no candle
	rm -rf $(VENV) .venv-* mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "CPython 3.11 or newer is needed; name one with make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(AUDIT)/.made:
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet --disable-pip-version-check -r requirements-audit.txt
	@touch $@

$(FREQTRADE)/.made: requirements-freqtrade.txt
	$(PYTHON) -m venv $(FREQTRADE)
	$(FREQTRADE)/bin/pip install --quiet --disable-pip-version-check -r requirements-freqtrade.txt
	@touch $@

$(VENV)/.run: $(VENV)/.made requirements.txt requirements-hashes.txt constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(RUN) -c 'import lightgbm' 2>/dev/null || { $(RUN) -c 'import lightgbm' || true; \
	  echo "LightGBM does not load. If libgomp is missing: apt-get install libgomp1 (Debian, Ubuntu), dnf install libgomp (Fedora), brew install libomp (macOS)"; exit 2; }
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt requirements-dev-hashes.txt requirements-dask.txt requirements-dask-hashes.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
