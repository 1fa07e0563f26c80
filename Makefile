# "make help" lists the targets. What they need is installed first, and said.

GO      ?= go
VERSION := $(shell sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
DEB      = build/chatmaild_$(VERSION)_amd64.deb
SOURCE   = build/deb/chatmaild-$(VERSION)
SUDO    := $(shell [ $$(id -u) = 0 ] || echo sudo)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

# need installs those of the named Debian packages that are missing.
define need
@missing=$$(for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
if [ -n "$$missing" ]; then echo "installing:" $$missing; $(SUDO) apt-get update -qq && \
DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -qq --no-install-recommends $$missing; fi
endef

.PHONY: help build test race fuzz lint deb demo check bench-store clean
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: ## build/bin/chatmaild, for this machine
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X chatmaild/applets.version=$(VERSION)" -o build/bin/chatmaild .

deb: ## the Debian package, in build/
	$(call need,build-essential debhelper)
	$(GO) mod download
	rm -rf $(SOURCE) && mkdir -p $(SOURCE)
	tar -c --exclude=./build --exclude=./vendor --exclude=./.git . | tar -x -C $(SOURCE)
	cd $(SOURCE) && $(GO) mod vendor
	cd $(SOURCE) && GOCACHE=$$($(GO) env GOCACHE) dpkg-buildpackage -b -us -uc -P$(PROFILE)
	mv build/deb/chatmaild_$(VERSION)_amd64.deb $(DEB)

# debian/control asks for a Go that Debian 12 does not have; the one on PATH does.
PROFILE = pkg.chatmaild.upstream-go

bench-store: build ## expire and report on 1,000,000 messages: some minutes, 5 GB in TMPDIR
	$(GO) run ./testdata/bench/store -chatmaild build/bin/chatmaild

clean: ## removes what the other targets made
	rm -rf build
