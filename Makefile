# Canopy's verbs. `make serve` and `make test` need nothing but Python 3.11 and make; gcc, for the forest kernel, makes
# serving many times as fast.

VENV := .venv
PY := $(VENV)/bin/python

# What `make train` trains on: sample (bundled), full (downloaded by scikit-learn) or the path of a CSV file.
DATA ?= sample
# The forest of `make bench-forest`; a depth that no tree reaches grows it to purity.
TREES ?= 100
DEPTH ?= 20
# More options for the command behind a target, as in `make serve ARGS="--port 9000"`.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup serve train bench-ray ray-test test test-fast test-tools test-clients test-catboost airflow-test test-slow soak lint format chart loadtest loadtest-budget budget-search bench \
	bench-forest bench-generator bench-http bench-kinds bench-metrics bench-overload bench-replicas bench-start churn figures image publish \
	size stack stack-test stack-down kube-test proto lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

group-TREES := trees
group-CATBOOST := catboost
setup: $(VENV)/.train $(foreach library,TREES CATBOOST,$(if $(filter 1,$($(library))),$(VENV)/.$(group-$(library)))) ## install what serving and training need into .venv; TREES=1: also XGBoost and LightGBM; CATBOOST=1: CatBoost

# What is compiled at installation: the kernels, and modules whose types stand in a .pxd beside them.
TYPED := $(wildcard batcher/*.pxd serving/*.pxd serving/*/*.pxd)
COMPILED := $(wildcard */native/*.px[yd] forest/native/walks/*) $(TYPED) $(TYPED:.pxd=.py)

$(VENV)/.%: requirements/%.txt pyproject.toml scripts/setup.sh $(COMPILED)
	@sh scripts/setup.sh $* $(COMPILED)

# An option of a command, if the variable was set on make's command line: shells export a HOST of their own.
option = $(if $(filter command,$(origin $(1))),--$(2) "$($(1))")

# The value of a variable that was set on make's command line.
given = $(if $(filter command,$(origin $(1))),$($(1)))

# Trains a first model on the bundled sample, unless another one, or another server, is asked for.
define MODEL
@case "$$CANOPY_MODEL_URI$(ARGS)$(call option,HOST,host)" in \
	models:*|*--model-uri*|*--tracking-uri*|*://*) ;; \
	*) $(PY) -m training --if-missing ;; \
esac
endef

serve: setup ## serve the registered model, training one on the bundled sample first if there is none
	$(MODEL)
	@exec $(PY) server.py $(ARGS)

train: setup ## train, evaluate, register and promote a forest: DATA=sample|full|PATH
	@exec $(PY) -m training --data "$(DATA)" $(ARGS)

PYTEST := $(PY) -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder
test: $(VENV)/.dev ## run the tests that need nothing else, but for the slow ones
	@exec $(PYTEST) $(ARGS)

# Neither servers nor MLflow: what a change of a policy, a kernel or a format is held against while it is made.
FAST := tests/batcher tests/dataset tests/preprocessing tests/project/test_architecture.py tests/test_settings.py \
	tests/test_service_links.py tests/test_startup.py tests/workers/test_threads.py tests/forest/test_compile.py tests/forest/test_compiled.py \
	tests/forest/test_kernel.py tests/forest/test_layout.py tests/forest/checks/test_parity.py tests/forest/test_artifact.py
test-fast: $(VENV)/.dev ## run the tests that need no server and no MLflow, in less than a minute
	@exec $(PYTEST) $(FAST) $(ARGS)

test-tools: $(VENV)/.dev ## run the tests that need h2load, wrk, nginx, Chromium, Prometheus or SIMDe, which are installed if root runs this
	@sh scripts/tools.sh
	@exec $(PY) -m pytest -m tool $(ARGS)

CLIENTS := .venv-clients
$(CLIENTS)/.done: requirements/clients.txt scripts/apart.sh
	@sh scripts/apart.sh clients

test-clients: $(VENV)/.dev $(CLIENTS)/.done ## run the tests that need other people's clients, which this installs
	@exec $(PY) -m pytest -m clients $(ARGS)

AIRFLOW := .venv-airflow
$(AIRFLOW)/.done: requirements/airflow.txt scripts/apart.sh
	@sh scripts/apart.sh airflow

airflow-test: $(VENV)/.dev $(AIRFLOW)/.done ## run the training pipeline in a real Airflow, which this installs, against real servers
	@exec $(PY) -m pytest -m airflow -o faulthandler_timeout=3600 tests/airflow $(ARGS)

test-catboost: $(VENV)/.dev $(VENV)/.catboost ## run the tests that ask CatBoost, which this installs
	@exec $(PY) -m pytest -m catboost $(ARGS)

RAY := .venv-ray
$(RAY)/.done: requirements/ray.txt scripts/apart.sh | $(VENV)/.dev
	@sh scripts/apart.sh ray

ray-test: $(VENV)/.dev $(RAY)/.done ## scale a cluster of Ray Serve and kill a node of it, under load, as root; installs Ray
	@exec $(PY) -m pytest -s -m ray tests/ray $(ARGS)

ALONE = unshare --net sh -c 'ip link set lo up && exec "$$@"' sh
bench-ray: $(VENV)/.dev $(RAY)/.done ## compare a replica in Ray Serve with the bare server, as root; installs Ray
	$(MODEL)
	@exec $(ALONE) $(RAY)/bin/python tests/ray/price.py

test-slow: $(VENV)/.dev ## run the slow tests, and those of random inputs with five times as many
	@exec $(PYTEST) -m "slow or hypothesis" --hypothesis-profile thorough $(ARGS)

# How long a soak takes at least, and the seed of what happens in it.
SOAK = --time $(or $(call given,TIME),10m) $(call option,SEED,seed) $(call option,WORKERS,workers)
soak: $(VENV)/.dev ## run the whole product under every fault in random order, as root: TIME=10m SEED= WORKERS=2
	@exec $(PY) -m tests.soak $(SOAK) $(ARGS)

lint: $(VENV)/.dev ## check style and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(VENV)/.dev ## rewrite the code in the house's style
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

chart: $(VENV)/.dev ## write the schema of the chart's values anew, and hold the chart against Kubernetes' and our checks
	PYTHONPATH=. $(PY) deploy/values_schema.py
	@exec $(PY) -m pytest tests/deploy/chart $(ARGS)

CROWD = $(call option,USERS,users) $(call option,RATE,rate) $(call option,TIME,time) $(call option,PROFILE,profile)

loadtest: $(VENV)/.loadtest ## open Locust on port 8089 or the next; HOST= USERS= RATE= SHAPE=, and with TIME= at once and without it
	$(MODEL)
	@exec $(PY) -m loadtest $(CROWD) $(call option,HOST,host) $(call option,SHAPE,shape) $(ARGS)

loadtest-budget: $(VENV)/.loadtest ## ask a server in limits: CPU=0.25 MEMORY=256 USERS=10000 RATE=400 TIME=2m
	$(MODEL)
	@exec $(PY) -m loadtest.crowd $(CROWD) $(call option,CPU,cpu) $(call option,MEMORY,memory) $(ARGS)

bench: $(VENV)/.loadtest ## compare batched with unbatched serving, both engines, both ways of HTTP: QUICK=1
	$(MODEL)
	@exec $(PY) -m loadtest.compare $(if $(QUICK),--quick) $(ARGS)

budget-search: $(VENV)/.loadtest ## find the least CPU and memory for a crowd: USERS=10000 RATE=400 TIME=90s P95=2500
	$(MODEL)
	@exec $(PY) -m loadtest.search $(CROWD) $(call option,P95,p95) $(ARGS)

size: $(VENV)/.loadtest ## work out replicas for a load from what make bench measured: RATE=20000 P99_MS=50
	@exec $(PY) -m loadtest.sizing $(call option,RATE,rate) $(call option,P99_MS,p99-ms) $(ARGS)

bench-generator: $(VENV)/.loadtest ## measure the load generators against a server that answers a constant
	@exec $(PY) -m loadtest.ceiling $(call option,USERS,users) $(call option,RATE,rate) $(call option,TIME,time) $(ARGS)

# The forest and its held-out rows are written here.
FOREST := .canopy/bench-forest
bench-forest: setup ## compare the compiled forest with scikit-learn: DATA=sample|full|PATH, TREES= DEPTH=
	$(PY) -m training --data "$(DATA)" --trees $(TREES) --depth $(DEPTH) --export $(FOREST)
	$(PY) -m forest compile $(FOREST)/forest.pkl $(FOREST)/forest.canopy
	$(PY) -m forest bench $(FOREST)/forest.canopy $(FOREST)/forest.pkl --rows $(FOREST)/rows.npy $(ARGS)

bench-kinds: setup $(VENV)/.trees $(VENV)/.catboost ## compare every kind of compiled model with its library; installs XGBoost, LightGBM and CatBoost
	@exec $(PY) -m training.kinds $(ARGS)

bench-http: $(VENV)/.train ## measure the server's CPU a request by connections, hot against asgi, beside nginx's constant; needs wrk
	@exec $(PY) -m loadtest.http_cost $(ARGS)

bench-overload: setup ## offer twice what servers can answer, from an open-loop generator; needs h2load
	@exec $(PY) -m loadtest.overload $(ARGS)

figures: $(VENV)/.loadtest ## measure every table of the documents anew, for hours, on an idle machine: ONLY=NAME DATA=sample|full|PATH FORCE=1
	@exec $(PY) -m loadtest.figures $(call option,DATA,data) $(if $(call given,ONLY),--only $(ONLY)) $(if $(FORCE),--force) $(ARGS)

# How long `make churn` lasts: 90s, 10m, 1h.
TIME ?= 3m
churn: setup ## let clients break off in every way, and see what the server keeps: TIME=10m
	@exec $(PY) -m loadtest.churn --time $(TIME) $(ARGS)

# The store in front of which `make bench-start` puts a tracking server; or a tracking server's address.
STORE ?= $(or $(MLFLOW_TRACKING_URI),sqlite:///$(CURDIR)/.canopy/mlflow.db)
bench-start: setup ## measure starts without and with prepared models, and looks for new versions, in 256 MB
	$(MODEL)
	@exec $(PY) -m loadtest.start --store "$(STORE)" $(ARGS)

bench-metrics: setup ## measure what metrics cost a request, against prometheus_client
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
		PROMETHEUS_MULTIPROC_DIR="$$folder" $(PY) -m serving.metrics.cost

# What images are called, and what they tell of themselves. STAND_IN=1: for a machine that can pull no image.
IMAGE := $(or $(call given,IMAGE),$(shell sed -n 's/^IMAGE=//p' .env))
TAG := $(or $(call given,TAG),$(shell sed -n 's/^TAG=//p' .env))
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BUILD = docker build $(if $(STAND_IN),--network host --build-arg BUILD_PACKAGES="gcc libc6-dev python3-dev") \
	--build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null) \
	--build-arg CREATED=$(shell date -u +%Y-%m-%dT%H:%M:%SZ)
STACK = STAND_IN=$(STAND_IN) IMAGE=$(IMAGE) TAG=$(TAG) scripts/stack.sh
# Compose v2 leaves the services of a profile that is not named.
STACK_DOWN = PROFILES=replicas,observe $(STACK) down --volumes --remove-orphans

image: ## build the images, one that serves, a slim one for compiled models, and one with the tools: IMAGE=canopy TAG=latest
	$(if $(STAND_IN),sh deploy/stand-in/base.sh)
	$(BUILD) --target server --tag $(IMAGE):$(TAG) .
	$(BUILD) --target slim --tag $(IMAGE)-slim:$(TAG) .
	$(BUILD) --target tools --tag $(IMAGE)-tools:$(TAG) .

publish: ## build the images and push them, tagged with the version too: IMAGE=registry.example/name
	$(if $(call given,IMAGE),,$(error say where to: make publish IMAGE=registry.example/name))
	@$(MAKE) image
	for image in $(IMAGE) $(IMAGE)-slim $(IMAGE)-tools; do \
		docker tag $$image:$(TAG) $$image:$(VERSION) && docker push $$image:$(VERSION) && docker push $$image:$(TAG) \
			|| exit 1; \
	done

stack: image ## start the whole stack in Docker and wait for a prediction: PROFILES=replicas,observe
	@PROFILES=$(PROFILES) $(STACK) up

stack-down: ## stop the stack and remove its containers and volumes
	@$(STACK_DOWN)

# A stack for a while, with three replicas: under another name, so that it takes nothing from the one that may be there.
define FOR_A_WHILE
export COMPOSE_PROJECT_NAME=canopy-for-a-while PROFILES=replicas; trap '$(STACK_DOWN)' EXIT; $(STACK) up
endef

# Every claim of docs/docker.md, held against a real Docker Engine.
stack-test: $(VENV)/.dev image ## start the stack with three replicas, test it, and take it down
	@export CANOPY_MODEL_POLL_SECONDS=1; $(FOR_A_WHILE) && \
		STACK_TEST="$(STACK)" $(PY) -m pytest -m stack tests/project/test_stack_running.py $(ARGS)

# A cluster for a while, with the images in it: the servers' under two tags, so that one can be rolled out after the other.
CLUSTER := deploy/stand-in/kubernetes
define CLUSTER_FOR_A_WHILE
sh $(CLUSTER)/build.sh && trap 'sh $(CLUSTER)/cluster.sh down' EXIT && export KUBECTL=$(CURDIR)/.canopy/kubernetes/bin/kubectl && \
	export KUBECONFIG=$$(sh $(CLUSTER)/cluster.sh up) && docker tag $(IMAGE)-slim:$(TAG) $(IMAGE)-slim:$(TAG)-again && \
	sh $(CLUSTER)/cluster.sh load $(IMAGE)-slim:$(TAG) $(IMAGE)-slim:$(TAG)-again $(IMAGE)-tools:$(TAG) && \
	export NEXT_TAG=$(TAG)-again &&
endef

# The nodes have the images $(IMAGE)-slim and $(IMAGE)-tools, or can pull them. With STAND_IN=1, as root, all is made here.
kube-test: $(VENV)/.dev $(if $(STAND_IN),image) ## test the chart in the cluster of KUBECONFIG, by kubectl: IMAGE= TAG= NEXT_TAG=
	@$(if $(STAND_IN),$(CLUSTER_FOR_A_WHILE)) IMAGE=$(IMAGE) TAG=$(TAG) $(PY) -m pytest -m kube tests/kube $(ARGS)

bench-replicas: $(VENV)/.loadtest image ## measure replicas against one server of their CPU, and with 10,000 users
	@$(FOR_A_WHILE) && STAND_IN=$(STAND_IN) IMAGE=$(IMAGE) TAG=$(TAG) $(PY) -m loadtest.replicas $(ARGS)

# The group dev contains all others, so that it is resolved first and constrains them: they agree on every version.
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
proto: $(VENV)/.dev ## make Python of the messages of the gRPC service
	$(PY) -m grpc_tools.protoc -I. --python_out=. serving/grpc/open_inference.proto

lock: $(VENV)/.dev ## resolve the dependency groups anew into requirements/
	$(LOCK) pyproject.toml --group dev $(ARGS) -o requirements/dev.txt
	$(LOCK) pyproject.toml --group build -c requirements/dev.txt -o requirements/runtime.txt
	$(LOCK) --group serve -c requirements/dev.txt -o requirements/serve.txt
	$(LOCK) pyproject.toml --group trees -c requirements/dev.txt -o requirements/trees.txt
	$(LOCK) pyproject.toml --group catboost -c requirements/dev.txt -o requirements/catboost.txt
	$(LOCK) pyproject.toml --group train -c requirements/dev.txt -o requirements/train.txt
	$(LOCK) pyproject.toml --group loadtest -c requirements/dev.txt -o requirements/loadtest.txt
	$(LOCK) --group clients -o requirements/clients.txt
	$(LOCK) --group airflow -o requirements/airflow.txt
	$(LOCK) pyproject.toml --group ray -o requirements/ray.txt

clean: ## remove the environment, what was built and every cache (the embedded store in .canopy stays)
	rm -rf $(VENV) $(CLIENTS) $(RAY) $(AIRFLOW) build *.egg-info $(TYPED:.pxd=.c) $$(find batcher forest preprocessing serving -name "*.so" -o -path "*/native/_*.c") .pytest_cache .mypy_cache .ruff_cache .hypothesis
