# All tasks of this project. run, test, bench and fuzz need only Go and make. Every other target installs its tools into
# .tools/ (versions are pinned in tools/), or tells how to install them.

.DEFAULT_GOAL := help
.PHONY: help run check-sources test bench fuzz simulate mutants lint validate build build-UnbindFunction check-arch check-endpoint image local local-api deploy e2e clean

# template.yaml has the architecture, and the binary is built for it. `make build ARCH=x86_64` builds template and binary
# for the other one; make passes ARCH on to build-UnbindFunction in MAKEFLAGS. The environment's ARCH is ignored.
ARCH  := $(shell sed -n 's/^ *Architectures: *\[\(.*\)\].*/\1/p' template.yaml)
EVENT := events/sns-employee-left.json
PORT  := 3000

# What the stand-ins do; the environment's variables of these names are ignored.
FAULT   :=
SECRET  :=
SOURCES :=

STANDINS = $(foreach fault,$(FAULT),-fault $(fault)) $(if $(SECRET),-secret $(SECRET)) $(if $(SOURCES),-sources $(SOURCES))

FUZZTIME  := 15s
CONFIG    := default
BOOTSTRAP := .build/bootstrap
BUILT     := .aws-sam/build

export SAM_CLI_TELEMETRY := 0

help: ## Show all targets, and in brackets what they need besides Go and make
	@awk -F ':.*## ' '/^[a-zA-Z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##### With Go and make alone

run: ## Send EVENT=events/… to the real function among stand-ins; FAULT=48001 SECRET=index SOURCES=sources.json
	@go build -o $(BOOTSTRAP) ./functions/unbind
	@go run ./internal/lambdatest/desk -bootstrap $(BOOTSTRAP) -event $(EVENT) $(STANDINS)

check-sources: ## Check a file of sources: FILE=sources.json; with SOURCE=name BODY=body.json [PEOPLE=people.json] also map a body
	@go run ./internal/source/checksources -file "$(FILE)" -source "$(SOURCE)" -body "$(BODY)" -people "$(PEOPLE)"

# The race detector needs cgo and a C compiler.
RACE = $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC)" >/dev/null 2>&1 && echo -race)

test: ## Run all tests, with the race detector if there is a C compiler
	@go test $(RACE) ./...

bench: ## Run all benchmarks
	@go test -run '^$$' -bench . -benchmem ./...

fuzz: ## Run every fuzz target for FUZZTIME=15s
	@go list ./... | while read -r package; do \
		go test -list '^Fuzz' "$$package" | grep '^Fuzz' | while read -r target; do \
			echo "== $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || exit 1; \
		done || exit 1; \
	done

N    := 10000
SEED := 1

simulate: ## Simulate N=10000 departures among failing services, from SEED=1 on, and print what came of them
	@mkdir -p .build
	@go test -c -o .build/simulation.test ./internal/simulation
	@cd internal/simulation && SIMULATE_N=$(N) SIMULATE_SEED=$(SEED) ../../.build/simulation.test -test.run '^TestSimulate$$' -test.timeout 0

mutants: ## Remove each guard of the code and the template in turn, and show which test fails; GUARDS=regexp for some (git)
	@go run ./internal/simulation/mutants -run "$(GUARDS)"

##### Tools. Each has its own folder in .tools/, and is installed again when its version or the Go version changes.

GOTOOLS   := .tools/$(shell go env GOVERSION)
SAM       := .tools/sam/bin/sam
CFNLINT   := .tools/sam/bin/cfn-lint
MINISTACK := .tools/ministack/bin/ministack
CHECKOV   := .tools/checkov/bin/checkov

$(GOTOOLS)/golangci-lint: tools/go.mod tools/go.sum
	@echo "Building gofumpt, golangci-lint and govulncheck into $(GOTOOLS), once; it takes a few minutes"
	@mkdir -p .build
	@cd tools && GOBIN=$(abspath $(GOTOOLS)) go install tool 2>../.build/tools.log || { cat ../.build/tools.log >&2; exit 1; }
	@touch $@

$(SAM): tools/sam.txt
$(MINISTACK): tools/ministack.txt
$(CHECKOV): tools/checkov.txt
$(SAM) $(MINISTACK) $(CHECKOV):
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { echo >&2 \
		"$(@F) needs Python 3.10 or newer with venv: apt-get install python3 python3-venv, or brew install python"; exit 1; }
	@echo "Installing $(@F) into .tools/$(@F), once"
	@rm -rf .tools/$(@F)
	@python3 -m venv .tools/$(@F)
	@.tools/$(@F)/bin/pip install --quiet --disable-pip-version-check -r tools/$(@F).txt
	@touch $@

lint: $(GOTOOLS)/golangci-lint ## Check format, vet, golangci-lint and known vulnerabilities (the network)
	@unformatted=$$($(GOTOOLS)/gofumpt -l .); [ -z "$$unformatted" ] || \
		{ echo "not formatted; run $(GOTOOLS)/gofumpt -w ."; echo "$$unformatted"; exit 1; } >&2
	@for module in . e2e; do \
		(cd $$module && go vet ./... && $(abspath $(GOTOOLS))/golangci-lint run --allow-parallel-runners --config $(CURDIR)/.golangci.yml ./...) || exit 1; \
	done
	@tools/vulncheck $(GOTOOLS)/govulncheck

validate: $(SAM) $(CHECKOV) ## Check both templates with sam validate, cfn-lint and checkov (Python)
	@for template in template.yaml egress.yaml; do \
		$(SAM) validate --lint --region us-east-1 --template $$template || exit 1; \
	done
	@$(CFNLINT) --regions us-east-1 eu-central-1 cn-north-1 us-gov-west-1 -- template.yaml egress.yaml
	@echo "cfn-lint: no finding in us-east-1, eu-central-1, cn-north-1, us-gov-west-1"
	@$(CHECKOV) --framework cloudformation --file template.yaml egress.yaml --skip-download --compact --quiet
	@echo "checkov: no finding that is not explained in the templates"

##### With the SAM CLI

build: $(SAM) ## Build the function for Lambda into .aws-sam/build for ARCH=arm64 or x86_64 (Python)
	@mkdir -p .build
	@sed 's/^\( *Architectures: \[\).*\]/\1$(ARCH)]/' template.yaml >.build/template.yaml
	@$(SAM) build --template .build/template.yaml --base-dir . --config-file $(CURDIR)/samconfig.toml \
		>.build/sam-build.log 2>&1 || { cat .build/sam-build.log >&2; exit 1; }
	@$(MAKE) --no-print-directory check-arch

# A template parameter for the architecture does not work: sam build does not write its value into the built template,
# and its option --parameter-overrides replaces all of samconfig.toml. Template and binary could then differ.

# sam build calls this for the binary. Lambda expects it as bootstrap in ARTIFACTS_DIR.
GOARCH_arm64  := arm64
GOARCH_x86_64 := amd64

build-UnbindFunction:
	@[ -n "$(GOARCH_$(ARCH))" ] || { echo >&2 "ARCH is '$(ARCH)'; it must be arm64 or x86_64"; exit 1; }
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH_$(ARCH)) go build -trimpath -tags lambda.norpc -ldflags "-s -w" \
		-o "$(ARTIFACTS_DIR)/bootstrap" ./functions/unbind

check-arch:
	@go version -m $(BUILT)/UnbindFunction/bootstrap | grep -q 'GOARCH=$(GOARCH_$(ARCH))$$' && \
		grep -q -- '- $(ARCH)$$' $(BUILT)/template.yaml || { \
		echo >&2 "$(BUILT) is not built for $(ARCH): build the binary and the template with make build"; exit 1; }
	@echo "Built $(BUILT)/UnbindFunction/bootstrap and $(BUILT)/template.yaml for $(ARCH)"

# A container runs only binaries for this machine's processor.
HOST_x86_64  := x86_64
HOST_aarch64 := arm64
HOST_arm64   := arm64
HOST          = $(HOST_$(shell uname -m))

local: image ## Send EVENT=events/… to the function in a container with sam local invoke, among stand-ins (Docker, Python)
	@STANDINS='$(STANDINS)' tools/with-standins $(abspath $(SAM)) local invoke UnbindFunction --config-env local --event $(EVENT)

local-api: image ## Serve the HTTP API on PORT=3000, with your SOURCES=sources.json, among stand-ins (Docker, Python)
	@echo "Try it from another terminal, with a key of your SOURCES, or of the desk's own:"
	@echo "  curl -H 'Authorization: Bearer key-of-the-desk' -d '{\"uid\":\"E1001\"}' http://127.0.0.1:$(PORT)/unbind"
	@STANDINS='$(STANDINS)' tools/with-standins $(abspath $(SAM)) local start-api --config-env local --port $(PORT)

image:
	@e2e/lambda-image $(HOST)
	@$(MAKE) --no-print-directory build ARCH=$(HOST)

# A local AWS needs no credentials. The developer's own are not passed to it.
ifeq ($(CONFIG),local)
export AWS_ACCESS_KEY_ID     := local
export AWS_SECRET_ACCESS_KEY := local
unexport AWS_SESSION_TOKEN AWS_PROFILE
endif

check-endpoint:
ifeq ($(CONFIG),local)
	@printenv AWS_ENDPOINT_URL | grep -Eq '^http://(127\.0\.0\.1|localhost)(:[0-9]+)?/?$$' || { echo >&2 \
		"CONFIG=local deploys only to a local AWS: set AWS_ENDPOINT_URL, e.g. http://127.0.0.1:4566"; exit 1; }
endif

deploy: check-endpoint build ## Deploy to AWS; CONFIG=prod for production, see samconfig.toml (Python, an AWS account)
	@$(SAM) deploy --config-env $(CONFIG)
ifeq ($(CONFIG),prod)
	@.tools/sam/bin/python tools/protect $(CONFIG)
endif

e2e: image $(MINISTACK) ## Test the deployment: sam local, then sam deploy to a local AWS (Docker, Python)
	@cd e2e && SAM=$(abspath $(SAM)) MINISTACK=$(abspath $(MINISTACK)) go test -count=1 -timeout 15m -v ./...

clean: ## Remove what was built, but not the tools in .tools/
	@rm -rf .build .aws-sam
