# make run    the main job, in private network namespaces; SERVERS=real takes unbound, nginx and slapd
# make test   everything that must hold: lint, arrows, unit, kernel and integration tests (as root)
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

export CGO_ENABLED := 0
export GOFLAGS     := -trimpath -buildvcs=false

BIN               := .bin
STATICCHECK       := v0.8.2
GOLANGCI_LINT     := v2.15.0
BLACKBOX_EXPORTER := v0.28.0
PACKAGES          := gcc libc6-dev ca-certificates nftables iproute2 bind9-dnsutils unbound nginx-light slapd ldap-utils \
                     rsyslog rsyslog-gnutls openssl curl strace prometheus iptables openjdk-17-jdk-headless \
                     bind9 bind9-utils knot knot-resolver ldnsutils dns-root-data squid tinyproxy faketime \
                     samba samba-dsdb-modules samba-vfs-modules samba-ad-provision
LDFLAGS           := -s -w -buildid=
SERVERS           ?= embedded
LAB_FLAGS         ?=
FUZZTIME          ?= 20s
SOAK              ?= 100000
BENCHTIME         ?= 1s

.PHONY: help run test build setup packages lint unit bench fuzz soak clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 12

build: ## the two binaries, static, into .bin
	@mkdir -p $(BIN)
	go build -ldflags='$(LDFLAGS)' -o $(BIN)/ ./cmd/...

run: build ## see the main job work, in a private lab
	@if [ "$(SERVERS)" = real ]; then $(MAKE) --no-print-directory packages; fi
	@$(BIN)/sallyport-lab --servers=$(SERVERS) $(LAB_FLAGS)

test: setup lint unit ## everything that must hold

setup: packages $(BIN)/staticcheck-$(STATICCHECK) $(BIN)/golangci-lint-$(GOLANGCI_LINT) ## what the tests need
	@go mod download

# Debian's packages that the tests need: installed quietly, only if missing, without starting their services.
packages:
	@missing=; for p in $(PACKAGES); do \
		dpkg-query -W -f='$${db:Status-Abbrev}' $$p 2>/dev/null | grep -q '^ii' || missing="$$missing $$p"; \
	done; \
	[ -z "$$missing" ] || ./integration/install-packages $$missing

$(BIN)/staticcheck-$(STATICCHECK):
	@mkdir -p $(BIN)
	@GOBIN=$(CURDIR)/$(BIN) go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK)
	@mv $(BIN)/staticcheck $@

$(BIN)/golangci-lint-$(GOLANGCI_LINT):
	@mkdir -p $(BIN)
	@GOBIN=$(CURDIR)/$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	@mv $(BIN)/golangci-lint $@

# Beside which a benchmark measures, as its release builds it: by its own go.sum.
$(BIN)/blackbox_exporter-$(BLACKBOX_EXPORTER):
	@mkdir -p $(BIN)
	@source=$$(cd / && go mod download -json github.com/prometheus/blackbox_exporter@$(BLACKBOX_EXPORTER) | \
		sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p'); \
	go build -C "$$source" -ldflags='$(LDFLAGS)' -o $(CURDIR)/$@ .

lint: $(BIN)/staticcheck-$(STATICCHECK) $(BIN)/golangci-lint-$(GOLANGCI_LINT) ## vet, staticcheck, golangci-lint
	@test -z "$$(gofmt -l .)" || { echo "not gofmt'ed:" >&2; gofmt -l . >&2; exit 1; }
	go vet ./...
	$(BIN)/staticcheck-$(STATICCHECK) ./...
	$(BIN)/golangci-lint-$(GOLANGCI_LINT) run ./...

# The race detector needs cgo in the test binary; what is shipped has none. FULL: a missing program or right is a
# failure, not a skip.
unit: ## every test, with the race detector
	SALLYPORT_TEST_FULL=1 CGO_ENABLED=1 go test -race -timeout 10m ./...

bench: build $(BIN)/blackbox_exporter-$(BLACKBOX_EXPORTER) ## the README's figures, ratios within one run
	SALLYPORT_BENCH_BLACKBOX=$(CURDIR)/$(BIN)/blackbox_exporter-$(BLACKBOX_EXPORTER) \
		go test -run '^$$' -bench . -benchtime $(BENCHTIME) ./...

fuzz: ## each fuzz target for FUZZTIME
	@go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r pkg dir; do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go 2>/dev/null | cut -c6-); do \
			echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; done

soak: ## so many probes of all kinds, after which nothing is held that was not before
	SALLYPORT_TEST_SOAK=$(SOAK) go test -run '^TestSoak$$' -count 1 -v -timeout 30m ./netcheck

clean: ## what was built
	rm -rf $(BIN)
