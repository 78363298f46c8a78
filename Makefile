# `make demo` and `make test` are all a newcomer needs; everything they use is installed into .venv.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
NATIVE := CMakeLists.txt pyproject.toml constraints.txt $(wildcard csrc/*.h csrc/*.c csrc/*.cpp csrc/*.hpp csrc/kernels/* csrc/arch/*/* csrc/reference/*)
export PATH := $(BIN):$(PATH)

.PHONY: demo test test-all ctest coverage fuzz lint format bench speed load soak instructions sizes m4 proof pace accuracy tune oracle clean preflight setup-qemu

demo: .venv/.demo ## data, training, C, proof: the whole chain on the bundled pump, and a table at its end
	@test -d .git || git init -q
	@dvc repro
	@tsad report

test: .venv/.test lint ctest ## what every change must pass; tests are spread over the cores
	@pytest -q -n auto

test-all: test ## and what takes longer
	@pytest -q -m slow
	@$(MAKE) --no-print-directory fuzz FUZZ=30

lint: .venv/.test ## style, types, and what analysers find in the C
	@ruff check . && ruff format --check . && mypy
	@clang-format --dry-run --Werror $$(git ls-files 'csrc/*.c' 'csrc/*.h' 'csrc/*.[ch]pp' 'tests/*.c' 'benchmarks/*.c' ':!csrc/reference')
	@.ci/analysed

format: .venv/.test
	@ruff check --fix . ; ruff format .
	@clang-format -i $$(git ls-files 'csrc/*.c' 'csrc/*.h' 'csrc/*.[ch]pp' 'tests/*.c' 'benchmarks/*.c' ':!csrc/reference')

ctest: .venv/.test ## the C tests, with address and undefined-behaviour sanitizers
	@cmake -S . -B build/ctest -G Ninja -DTSAD_TESTS=ON -DTSAD_SANITIZE=ON >/dev/null
	@cmake --build build/ctest >/dev/null || cmake --build build/ctest
	@ctest --test-dir build/ctest --output-on-failure

coverage: .venv/.test ## the gate of the C: every line and 95 % of the branches of detector and kernels run in the C tests
	@.ci/coverage build/coverage

FUZZ ?= 600
fuzz: .venv/.test ## each fuzz target of tests/fuzz for FUZZ seconds, by default ten minutes; wants clang and its sanitizers
	@.ci/fuzz build/fuzz $(FUZZ)

bench: .venv/.test ## native against PyTorch, side by side, one thread, against benchmarks/baseline.json
	@OMP_NUM_THREADS=1 python benchmarks/ratios.py

speed: .venv/.bench build/litert/.ready ## every model and the reference's networks against PyTorch and inference engines, one thread; a quarter of an hour
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/speed.py --out benchmarks/speed.md

load: .venv/.test ## throughput and latency of `tsad serve` on loopback, with the demo's detectors
	@python benchmarks/serve.py

SOAK ?= 3600
soak: .venv/.test ## the same for SOAK seconds, by default an hour; memory and p99 must stay
	@python benchmarks/serve.py --soak $(SOAK)

m4: .venv/.test ## what integers take on a Cortex-M4F, beside TFLite Micro; a missed limit is an error
	@python benchmarks/integers_m4.py

proof: .venv/.demo ## the reference's five models through all stages on NASA-MSL and two SMD machines; TSAD_MIRROR is the folder or address of the archives
	@python benchmarks/proof.py

pace: .venv/.demo ## the pipeline on NASA-MSL beside what the reference does: training, threshold search, `dvc repro`; TSAD_MIRROR as above
	@python benchmarks/pace.py

tune: .venv/.demo ## chooses hyperparameters on the `tune` entities, writes them to params.yaml; TSAD_MIRROR as above
	@python benchmarks/tune.py --freeze --out benchmarks/tune.md

accuracy: .venv/.demo ## every model on every data set, 2 seeds, entities that no choice was made on; TSAD_MIRROR as above
	@python benchmarks/accuracy.py --out benchmarks/accuracy.md

instructions: .venv/.test ## instructions of every kernel and of a score of every model against benchmarks/baseline.json; wants valgrind
	@python benchmarks/instructions.py

sizes: .venv/.test ## flash, RAM, stack and instructions of every model's firmware against benchmarks/baseline.json
	@python benchmarks/sizes.py

setup-qemu: ## what firmware, its tests and the big-endian test need, by Debian's packages (as root)
	@apt-get install -y -qq --no-install-recommends gcc-arm-none-eabi gcc-riscv64-unknown-elf gcc-s390x-linux-gnu libc6-dev-s390x-cross \
		qemu-system-arm qemu-system-misc qemu-user gdb-multiarch >/dev/null

oracle: build/oracle/.ready ## our VUS and point-adjusted F1 against aeon and plain loops; rewrites golden_vus.json
	@PYTHONPATH=python build/oracle/bin/python benchmarks/oracle.py

clean:
	rm -rf .venv build artifacts scores data/values data/labels data/cache csrc/generated dist

preflight: ## names what is missing, before anything is installed
	@PYTHON=$(PYTHON) sh .ci/preflight

.venv/.demo: $(NATIVE) | preflight
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "installing tsad-edge and what it needs into .venv (minutes the first time)"
	@pip install -q --disable-pip-version-check -c constraints.txt torch
	@pip install -q --disable-pip-version-check -c constraints.txt -e '.[train,pipeline]'
	@touch $@

.venv/.test: .venv/.demo
	@pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

.venv/.bench: .venv/.test
	@pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

# An environment of its own: Google's packages are as many as all others together.
build/gcs/.ready:
	@test -x build/gcs/bin/python || $(PYTHON) -m venv build/gcs
	@build/gcs/bin/pip install -q --disable-pip-version-check -c constraints.txt dvc dvc-gs gcp-storage-emulator
	@touch $@

# An environment of its own: MLEM wants an older pydantic and click than the pipeline.
build/mlem/.ready: $(NATIVE) | preflight
	@test -x build/mlem/bin/python || $(PYTHON) -m venv build/mlem
	@build/mlem/bin/pip install -q --disable-pip-version-check -c constraints.txt -e '.[deploy]' dvc
	@touch $@

# An environment of its own: LiteRT's converter wants an older typing_extensions. What fits it is named, or pip seeks long.
build/litert/.ready:
	@test -x build/litert/bin/python || $(PYTHON) -m venv build/litert
	@build/litert/bin/pip install -q --disable-pip-version-check -c constraints.txt torch
	@build/litert/bin/pip install -q --disable-pip-version-check -c constraints.txt litert-torch \
		'anyio==4.14.2' 'pydantic==2.11.10' 'typing-inspection==0.4.2' 'typing_extensions==4.12.2' 'xdsl==0.28.0'
	@touch $@

# An environment of its own: aeon wants an older pandas than constraints.txt pins.
build/oracle/.ready:
	@test -x build/oracle/bin/python || $(PYTHON) -m venv build/oracle
	@build/oracle/bin/pip install -q --disable-pip-version-check 'aeon==1.6.*' 'pandas<3.1' pytest hypothesis
	@touch $@
