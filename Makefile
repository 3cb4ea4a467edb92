# `make demo` and `make test` set up everything they need in .venv; nothing else is touched.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help peers setup demo test test-all lint icarus wheel clean

help:
	@echo "make demo      train two nets on real digits, export, simulate on every rung, estimate, report"
	@echo "make test      all tests but the long campaigns"
	@echo "make test-all  the long campaigns too"
	@echo "make lint      ruff and mypy"
	@echo "make icarus    Icarus Verilog reads every cell and whole designs (Debian: apt-get install iverilog)"
	@echo "make peers     the frameworks that benchmarks compare with, into .venv-peers"
	@echo "make wheel     build the wheel into dist/"
	@echo "make clean     remove .venv, build and dist"

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "flow needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/flow run digits_mlp
	$(BIN)/flow run digits_resnet

test: setup lint
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow"

test-all: setup lint
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

icarus: setup
	$(BIN)/python -m tests.rtl.icarus

peers: .venv-peers/.ready

.venv-peers/.ready: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --requirement $<
	@touch $@

wheel: setup
	$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf .venv .venv-peers build dist
