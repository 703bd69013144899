# Everything a developer runs. `make` alone prints this list.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

export CGO_ENABLED ?= 0

# The version is the first heading of the changelog: one place to change it.
VERSION := $(shell sed -n 's/^\#\# \[\([^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)
TOOL := go tool -modfile=tools/go.mod
GO_MINOR := 26
NODE_MAJOR := 20

ARGS ?=
TESTFLAGS ?=
FILES ?=
FUZZTIME ?= 2m
ROUNDS ?= 100
CHECKS ?= 20000

.PHONY: help assets demo test e2e soak build package generate lint fuzz bench clean need-go need-node

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' Makefile | expand -t 10

need-go:
	@command -v go >/dev/null || { echo "Go 1.$(GO_MINOR) or newer is missing: install it and put it on PATH" >&2; exit 1; }
	@v=$$(go env GOVERSION); m=$${v#go1.}; m=$${m%%[!0-9]*}; \
	  [ "$${m:-0}" -ge $(GO_MINOR) ] || { echo "Go 1.$(GO_MINOR) or newer is missing: found $$v" >&2; exit 1; }

need-node:
	@v=$$(node --version 2>/dev/null || true); m=$${v#v}; m=$${m%%.*}; \
	  [ "$${m:-0}" -ge $(NODE_MAJOR) ] || { echo "Node $(NODE_MAJOR) or newer is missing (found: $${v:-none}): install it and put it on PATH" >&2; exit 1; }

assets: need-node web/dist/fonts.css ## web/dist: fonts and map for the pages (Node)

web/dist/fonts.css: web/package.json web/package-lock.json web/build.mjs
	cd web && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --fetch-retries=1 --loglevel=error
	cd web && node build.mjs

demo: need-go ## three federated nodes and a played exchange (ARGS="--once", "--data DIR")
	@$(MAKE) -s assets || echo "the pages start without their own fonts and without the map" >&2
	@go build -o bin/trojmezi ./cmd/trojmezi
	@exec bin/trojmezi demo $(ARGS)

test: need-go ## every test that needs neither browser nor PostgreSQL (TESTFLAGS=-short …)
	go test $(TESTFLAGS) ./...

e2e: need-go need-node assets ## people in browsers over three live nodes (FILES="pages", E2E_GUIDES=1)
	@bash test/e2e/run $(FILES)

soak: need-go ## crash loops, properties, fuzzing in full; hours (ROUNDS=100 CHECKS=20000 FUZZTIME=2m)
	ROUNDS=$(ROUNDS) CHECKS=$(CHECKS) FUZZTIME=$(FUZZTIME) bash .ci/soak

build: need-go ## bin/trojmezi, static
	go build -trimpath -ldflags "-s -w -X trojmezi/internal/app.Version=$(VERSION)" -o bin/trojmezi ./cmd/trojmezi

package: need-go assets ## dist/: binaries, Debian packages, SBOM, checksums
	VERSION='$(VERSION)' bash packaging/build

generate: need-go ## Go code from *.templ
	$(TOOL) templ generate

lint: need-go ## gofmt, vet, staticcheck, house rules
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); [ -z "$$out" ] || { echo "not formatted:"; echo "$$out"; exit 1; }
	go vet ./...
	$(TOOL) staticcheck ./...
	go test ./test

fuzz: need-go ## every fuzz target for FUZZTIME each
	FUZZTIME=$(FUZZTIME) bash .ci/fuzz

bench: need-go ## the benchmarks of the packages (the node's figures: trojmezi bench exchange)
	go test -run '^$$' -bench . -benchmem ./...

clean: ## what the other targets built
	rm -rf bin dist web/node_modules test/oidc/node_modules test/e2e/node_modules test/e2e/out
	find web/dist -mindepth 1 ! -name README -delete
