# Bare `make` prints the targets. Two commands set up everything they need: `make run`, `make test`.
# Asked to run, not only looked for: a version manager's stand-in exists without its Python.
PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
PROMPT ?= a red mushroom with white dots
IMAGE  ?=
OUT    ?= out
SEED   ?= 1
MINUTES ?= 10
TARGETS ?=
BIN    := .venv/bin
READY  := .venv/.ready

.PHONY: help setup run test test-unity test-unreal check format protos release-contract serve train-starter bench bench-geometry bench-textures crash-loop fuzz gallery clean-kernels clean

help: ## Print the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | column -t -s '|'

setup: $(READY) ## Set up .venv

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Lodsmith needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	.ci/system-packages $(PYTHON)
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

run: $(READY) ## Make one asset: PROMPT="..." or IMAGE=file, OUT=dir, SEED=n
	$(BIN)/lodsmith generate $(if $(IMAGE),--image "$(IMAGE)","$(PROMPT)") --out "$(OUT)" --seed $(SEED)

test: $(READY) ## Run the tests
	$(BIN)/python -m pytest -q

test-unity: $(READY) ## Run the Unity client's tests, without Unity (installs mono)
	.ci/install-mono
	TESTS_REQUIRE_MONO=1 $(BIN)/python -m pytest -q tests/unity_client tests/wire

test-unreal: $(READY) ## Run the Unreal client's tests, without Unreal (installs a stub of its API)
	.ci/install-unreal-stub
	TESTS_REQUIRE_UNREAL_STUB=1 TESTS_RESTARTS=100 $(BIN)/python -m pytest -q tests/unreal_client

check: $(READY) ## Lint, types, generated code, layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy server pipeline protos/client_code
	MYPYPATH=unreal_client/Lodsmith/Content/Python $(BIN)/mypy -m lodsmith.jobs -m lodsmith.manifest -m lodsmith.settings
	.ci/contract-is-sound
	.ci/protos-are-current
	.ci/clients-are-current
	.ci/unity-metas --check
	$(BIN)/python -m pytest -q tests/test_layout.py

format: $(READY) ## Format and sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos: $(READY) ## Generate server/pb and the clients' code from the contract
	.ci/generate-protos server/pb
	.ci/generate-clients csharp unity_client/Core/Generated
	.ci/generate-clients python unreal_client/Lodsmith/Content/Python/lodsmith
	.ci/unity-metas

release-contract: $(READY) ## Remember the contract as clients have it from now on (at a release)
	cd protos && ../$(BIN)/buf build --exclude-source-info -o released.binpb

serve: $(READY) ## Run the server
	$(BIN)/lodsmith serve

train-starter: $(READY) ## Train the starter model again (hours; see docs/experiments.md)
	$(BIN)/python -m pipeline.training data

bench: $(READY) ## Measure the main job and the starter's generator (minutes)
	$(BIN)/python -m benchmarks.job
	$(BIN)/python -m benchmarks.generator --starter

bench-geometry: $(READY) ## Measure repair, remeshing, LODs and collision beside their peers (an hour)
	cd benchmarks/peers && npm ci --silent
	$(BIN)/python -m benchmarks.repair
	$(BIN)/python -m benchmarks.simplify
	$(BIN)/python -m benchmarks.authored
	$(BIN)/python -m benchmarks.switching
	$(BIN)/python -m benchmarks.collision
	$(BIN)/python -m benchmarks.remesh

bench-textures: $(READY) ## Measure charts, bakes, tangents and whole assets beside their peers (an hour)
	cd benchmarks/peers && npm ci --silent
	$(BIN)/python -m benchmarks.unwrap
	$(BIN)/python -m benchmarks.tangents
	$(BIN)/python -m benchmarks.baking
	$(BIN)/python -m benchmarks.asset gen_igea gen_helmet --threads 1,2,4

crash-loop: $(READY) ## Kill servers and workers 200 times and hold them to docs/reliability.md (half an hour)
	$(BIN)/python -m tests.server.crash.crash_loop --rounds 200

fuzz: $(READY) ## Fuzz what reads strangers' bytes: MINUTES=10 for each target, TARGETS="glb calls"
	$(BIN)/python -m tests.fuzz.run --minutes $(MINUTES) $(TARGETS)

gallery: $(READY) ## Draw the LODs of all test meshes, shaded and as wireframe, into build/gallery
	$(BIN)/python -m benchmarks.gallery --out build/gallery

clean-kernels: ## Compile kernels anew: their caches do not notice when another file that they call changes
	find pipeline \( -name '*.nbi' -o -name '*.nbc' \) -delete

clean: clean-kernels ## Remove what the other targets made
	rm -rf .venv out build
