# What a person types. The work is in hack/; each script tells what it does and how long it has taken.
SHELL := /bin/bash
export CARGO_TARGET_DIR ?= $(HOME)/.cache/ecs-operator/target
.DEFAULT_GOAL := help
.PHONY: help demo env down test lint crds image plugin bench bench-placement

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## a three-node Kubernetes on this machine with ecs-operator and a running service; leaves it up (Linux, root)
	@hack/demo

env: ## print what a shell needs to talk to that cluster, for eval
	@hack/cluster/cluster env

down: ## stop that cluster and remove all of it
	@hack/cluster/cluster down

test: ## everything that must pass: lint, tests, and the tests on a real cluster (Linux, root)
	@hack/test

lint: ## formatting, clippy, scripts, chart, licences of dependencies
	@hack/lint

crds: ## write the CRDs of src/api into crds/, and the chart's copy
	@cargo run --quiet -- crds crds/
	@cp crds/*.yaml charts/ecs-operator/files/crds/

image: ## compile, build the images on node-1 of the running cluster, load them everywhere
	@hack/images

plugin: ## compile kubectl-ecs, the plugin of kubectl, and put it into PREFIX/bin (/usr/local)
	@install -D "$$(hack/images compile)/kubectl-ecs" "$(or $(PREFIX),/usr/local)/bin/kubectl-ecs"

bench: bench-placement ## measurements, side by side with Docker, Swarm and the kubelet
	@hack/bench

bench-placement: ## tasks placed a second in a full cluster of 5,000 instances; needs no cluster
	@cargo bench --quiet --locked --bench placement
