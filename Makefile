# `make demo` and `make test` make their own environment in .venv on a machine that has Python 3.11.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= /tmp/bertprep-demo
DEMO_RUN ?= $(DEMO)-run

.PHONY: demo test test-spark test-wheel campaign lint check bench bench-spark golden interop reference docs install clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("bertprep needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# A vocabulary of the sample corpus. Records of it, a look at one, a check of all, and a page about
# them; then a short training run with its curves.
demo: install
	$(BIN)/bertprep vocab sample_corpus --size 5000 --min-frequency 1 --output $(DEMO)-vocab.txt --overwrite
	$(BIN)/bertprep create sample_corpus --vocab sample_corpus/vocab.txt --output $(DEMO) --eval-fraction 0.1 --overwrite
	ls -l $(DEMO)
	$(BIN)/bertprep inspect $(DEMO) --num 1
	$(BIN)/bertprep inspect $(DEMO) --verify
	$(BIN)/bertprep inspect $(DEMO) --report $(DEMO).html
	$(BIN)/bertprep pretrain $(DEMO) --model tiny --steps 300 --learning-rate 1e-3 --warmup 0.1 \
		--eval-every 50 --plot --output $(DEMO_RUN) --overwrite
	tail -n 1 $(DEMO_RUN)/metrics.jsonl

test: install
	$(BIN)/python -m pytest -n auto --maxprocesses=4

# `create` on a cluster that the tests start and stop themselves, on 127.0.0.1: needs Java 17. What
# `make test` skips where there is none fails here.
test-spark: install
	$(BIN)/python -m pip install --quiet --editable '.[dev,spark]'
	BERTPREP_TEST_SPARK=1 $(BIN)/python -m pytest tests/engines/test_spark.py tests/engines/test_spark_tasks.py

# The wheel in empty environments, with and without extras: downloads them.
test-wheel: install
	BERTPREP_TEST_WHEEL=1 $(BIN)/python -m pytest tests/test_wheel.py

# Seeded tries against the commands: mutated inputs, kills, limits, equality (tests/campaign/).
SECONDS ?= 120
SEED ?= 1
campaign: install
	PYTHONPATH=tests/support $(BIN)/python tests/campaign --seconds $(SECONDS) --seed $(SEED)

# Format, lint rules and types.
lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# All that a contributor must remember before a commit.
check: lint test

# Ratios against the peers. REFERENCE= a checkout of google-research/bert, BENCH_CORPUS= an
# English text, BENCH_VOCAB= its vocabulary; what is not given is left out, and said so.
bench: install
	$(BIN)/python -m pip install --quiet --editable '.[bench,interop]'
	$(BIN)/python benchmarks/bench.py

# `create` on a cluster of two one-core workers beside the local engine with two.
bench-spark: install
	$(BIN)/python -m pip install --quiet --editable '.[bench,spark]'
	$(BIN)/python benchmarks/bench.py spark

# Makes the goldens anew with the reference's own scripts, and prints the difference.
golden: install
	@test -n "$(REFERENCE)" || (echo 'make golden REFERENCE=path of a checkout of google-research/bert' && exit 2)
	$(BIN)/python tests/support/make_goldens.py --reference $(REFERENCE)
	$(BIN)/python tests/support/make_release_goldens.py --reference $(REFERENCE)

# Writes anew what is generated in README.md and docs/: tables of options, output of commands.
reference: install
	$(BIN)/python tests/support/documentation.py

# The documentation as a site, in docs/_build; a warning is an error.
docs: install
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build

# Compares the model with transformers' on PyTorch: what the goldens of the trainer hold, made anew;
# an export loaded there; folders from there loaded here.
interop: install
	$(BIN)/python -m pip install --quiet --editable '.[interop]'
	$(BIN)/python tests/support/make_trainer_goldens.py --check
	$(BIN)/python tests/support/interop.py

clean:
	rm -rf $(VENV) $(DEMO) $(DEMO_RUN) $(DEMO).html $(DEMO)-vocab.txt .mypy_cache .pytest_cache .ruff_cache docs/_build
