# Set-up and the common commands. On a fresh Debian 12 machine, as root or with sudo: `make demo`, `make test`.
PYTHON ?= python3
# The CPU build where the index offers one; plain `torch` brings gigabytes of CUDA.
TORCH := torch==2.13.0
# The public form that backends are measured against; it needs torch, so it is installed with it.
PUBLIC := torchdiffeq==0.2.5
# What else the benchmarks measure against; nothing but `make figures` needs it.
RIVALS := jax==0.10.2 diffrax==0.7.2 numba==0.68.1

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= $(shell nproc)

.PHONY: demo photograph picture report weights test lint figures golden torch rivals pdk ngspice compiler adms chromium clean

demo: $(READY) ngspice            ## compile a trained network, and compare its netlist in ngspice with the own simulator
	$(BIN)/kcompile examples/two_moons.kc --weights examples/two_moons.safetensors --input 0.5,-0.3 --target spice -o out --check
	@echo "The netlist is out/TwoMoons.spice, its test bench for ngspice out/TwoMoons_tb.cir."
	@echo "$(BIN)/python examples/two_moons.py draws what it computes, out/two_moons.png."

photograph: $(READY) ngspice      ## compile a network that finds edges, run it in both simulators, write the picture
	$(BIN)/python examples/photograph.py --out out

picture: photograph               ## the pictures of the README
	$(BIN)/python examples/two_moons.py --out out
	mkdir -p docs/figures
	cp out/two_moons.png out/edges.png docs/figures/

report: $(READY) torch ngspice chromium pdk   ## the pictures of a report in docs/silicon.md; takes some minutes
	$(BIN)/python -m benchmarks.report_pictures --out docs/figures

weights: $(READY) torch compiler  ## train all examples again
	$(BIN)/python -m benchmarks.trained

test: $(READY) torch ngspice compiler adms chromium pdk lint   ## everything that continuous integration checks
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/basedpyright --level error

figures: $(READY) torch rivals ngspice compiler adms pdk   ## the long measurements, written to docs/figures.md
	$(BIN)/python -m benchmarks.figures --write docs/figures.md

golden: $(READY)                  ## rewrite the expected texts; read the difference before committing it
	KCOMPILE_GOLDEN=write $(BIN)/python -m pytest -n $(JOBS) -k golden

torch: $(READY)
	$(BIN)/pip install --quiet $(TORCH) $(PUBLIC)

rivals: $(READY)
	$(BIN)/pip install --quiet $(RIVALS)

pdk: $(READY)                     ## the transistor models of the processes, into the user's cache
	$(BIN)/kcompile pdk install sky130 gf180mcu ihp_sg13g2

ngspice:
	@sh .ci/install-ngspice

compiler:
	@sh .ci/install-compiler

adms:
	@sh .ci/install-adms

chromium:
	@sh .ci/install-chromium

$(READY): pyproject.toml
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV) || { sh .ci/install-python && $(PYTHON) -m venv $(VENV); }
	$(BIN)/pip install --quiet --editable '.[data,dev,image,layout,plot,pyspice,verilog,yaml]'
	@touch $(READY)

clean:
	rm -rf $(VENV) out dist build
