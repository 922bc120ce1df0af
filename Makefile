# All tasks of this project. run, test, bench and fuzz need only Go and make. Every other target installs its tools into
# .tools/ (versions are pinned in tools/), or tells how to install them.

.DEFAULT_GOAL := help
# No target is a file, but those of the tools.
.PHONY: $(shell sed -n 's/^\([a-z][A-Za-z0-9-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

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
EVENTS    := 100000
CONFIG    := default
BOOTSTRAP := .build/bootstrap
BUILT     := .aws-sam/build

export SAM_CLI_TELEMETRY := 0

help: ## Show all targets, and in brackets what they need besides Go and make
	@awk -F ':.*## ' '/^##### / { title = substr($$0, 7) } \
		/^[a-zA-Z0-9-]+:.*## / { if (title) print "\n" title; title = ""; printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##### Try and test, with Go and make alone

run: ## Send EVENT=events/… (or several) to the real function among stand-ins; FAULT=48001 SECRET=index SOURCES=sources.json
	@go build -o $(BOOTSTRAP) ./functions/unbind
	@go run ./internal/lambdatest/desk -bootstrap $(BOOTSTRAP) $(EVENT:%=-event %) $(STANDINS)

check-sources: ## Check a file of sources: FILE=sources.json; with SOURCE=name BODY=body.json [PEOPLE=people.json] also map a body
	@go run ./internal/source/checksources -file "$(FILE)" -source "$(SOURCE)" -body "$(BODY)" -people "$(PEOPLE)"

# The race detector needs cgo and a C compiler.
RACE = $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC)" >/dev/null 2>&1 && echo -race)

test: ## Run all tests, with the race detector if there is a C compiler
	@go test $(RACE) ./...

bench: ## Compare the built function with an echo and an obvious one; BIN="name=path …" ONLY="freeze" QUANTILE=0.5 (12 minutes)
	@go build -o .build/bench ./bench
	@.build/bench -bin "$(BIN)" -only "$(ONLY)" -quantile "$(or $(QUANTILE),0.5)"

bench-check: ## Check that make bench measures every scenario, with few events
	@BENCH_CHECK=1 go test -count=1 ./bench

bench-go: ## Run all benchmarks of the packages
	@go test -run '^$$' -bench . -benchmem ./...

chaos: ## Disturb the built function: connections, freezes, kills, and EVENTS=100000 in one process
	@CHAOS_EVENTS=$(EVENTS) go test -count=1 -run '^Test(NothingSecret|ValuesOf)' ./internal/events ./functions/unbind
	@CHAOS_EVENTS=$(EVENTS) go test -count=1 -parallel 16 -timeout 90m -v -run '^TestChaos' ./functions/unbind

fuzz: ## Run every fuzz target for FUZZTIME=15s; 10m for a long run
	@tools/fuzz $(FUZZTIME)

N    := 10000
SEED := 1

simulate: ## Simulate N=10000 departures among failing services, from SEED=1 on, and print what came of them
	@mkdir -p .build
	@go test -c -o .build/simulation.test ./internal/simulation
	@cd internal/simulation && SIMULATE_N=$(N) SIMULATE_SEED=$(SEED) ../../.build/simulation.test -test.run '^TestSimulate$$' -test.timeout 0

mutants: ## Remove each guard of the code and the template in turn, and show which test fails; GUARDS=regexp for some (git)
	@go run ./internal/simulation/mutants -run "$(GUARDS)"

##### Check code and templates

# Each tool has its own folder in .tools/, and is installed again when its version or the Go version changes.

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
	@echo "Installing $(@F) into .tools/$(@F), once; it takes a minute or more"
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

##### Build, and try in a container

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

# lambda.norpc leaves out the runtime of go1.x, nethttpomithttp2 the HTTP/2 of net/http: the function uses HTTP/1.1 only.
# The second makes the binary 4 % smaller.
TAGS := lambda.norpc,nethttpomithttp2

build-UnbindFunction:
	@[ -n "$(GOARCH_$(ARCH))" ] || { echo >&2 "ARCH is '$(ARCH)'; it must be arm64 or x86_64"; exit 1; }
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH_$(ARCH)) go build -trimpath -buildvcs=false -tags $(TAGS) -ldflags "-s -w" \
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

##### Deploy

# CONFIG is a section of samconfig.toml. sam ignores a name that it does not find, and would deploy with its own defaults.
CONFIGS := $(shell sed -n 's/^\[\(.*\)\.deploy\.parameters\].*/\1/p' samconfig.toml)

check-config:
	@[ -n "$(filter $(CONFIG),$(CONFIGS))" ] || { echo >&2 \
		"there is no CONFIG=$(CONFIG); samconfig.toml has the sections: $(CONFIGS)"; exit 1; }

ifeq ($(CONFIG),local)
# A local AWS needs no credentials. The developer's own are not passed to it. It runs the function on this machine.
export AWS_ENDPOINT_URL      ?= http://127.0.0.1:4566
export AWS_ACCESS_KEY_ID     := local
export AWS_SECRET_ACCESS_KEY := local
export AWS_REGION            := us-east-1
unexport AWS_SESSION_TOKEN AWS_PROFILE
WECHAT := http://127.0.0.1:8787

deploy: check-config $(SAM)
	@.tools/sam/bin/python tools/local-deploy prepare
	@$(MAKE) --no-print-directory build ARCH=$(HOST)
	@$(SAM) deploy --config-env local --parameter-overrides WedataSecretName=wedata/token \
		SourcesSecretName=wedata/sources WedataBaseUrl=$(WECHAT) AwsEndpointUrl=$(AWS_ENDPOINT_URL:/=) SavedQueries=false
	@.tools/sam/bin/python tools/local-deploy try $(WECHAT)
else
# The guided deployment saves its answers for the next one. It saves them in a file of its own, which git ignores.
ifeq ($(CONFIG),default)
SAMCONFIG := $(CURDIR)/samconfig.mine.toml
$(SAMCONFIG):
	@sed '/^\[prod/,$$d; /^#/d' samconfig.toml >$@
else
SAMCONFIG := $(CURDIR)/samconfig.toml
endif

deploy: check-config build $(SAMCONFIG) ## Deploy to AWS. CONFIG=prod: for production; CONFIG=local: to make local-aws (Python, an AWS account)
	@$(SAM) deploy --config-file $(SAMCONFIG) --config-env $(CONFIG)
ifeq ($(CONFIG),prod)
	@.tools/sam/bin/python tools/protect $(CONFIG)
endif
endif

local-aws: $(MINISTACK) ## Run a local AWS on port 4566 and a stand-in for WeChat, for make deploy CONFIG=local (Python)
	@AWS_LAMBDA_LOG_FORMAT=JSON tools/with-standins $(abspath $(MINISTACK))

##### Operate

STACK := wedata-unbind$(if $(filter local,$(CONFIG)),-local)

dead-letters: $(SAM) ## List the dead letters of STACK=wedata-unbind, without taking them; CONFIG=local (Python, an AWS account)
	@.tools/sam/bin/python tools/dead-letters list $(STACK)

redrive: $(SAM) ## Move the dead letters of STACK=wedata-unbind back to the queue (Python, an AWS account)
	@.tools/sam/bin/python tools/dead-letters redrive $(STACK)

##### Test the deployment, release, clean up

e2e: image $(MINISTACK) ## Test the deployment: sam local, then sam deploy to a local AWS (Docker, Python)
	@cd e2e && SAM=$(abspath $(SAM)) MINISTACK=$(abspath $(MINISTACK)) go test -count=1 -timeout 15m -v ./...

release: ## Build zips, their checksums and templates into .build/release from the tag VERSION=v1.2.3 (git, Python)
	@python3 tools/release build "$(VERSION)"

release-check: ## Check that a second build of a release has the same bytes (git, Python)
	@python3 tools/release check

clean: ## Remove what was built, but not the tools in .tools/
	@rm -rf .build .aws-sam
