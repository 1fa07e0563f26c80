# "make" lists the targets. Each installs the Debian packages that it needs, and
# says so first. Go is there already.

SHELL   := /bin/bash -o pipefail
GO      ?= go
SUDO    := $(shell [ $$(id -u) = 0 ] || echo sudo)
VERSION := $(shell sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
ARCH     = amd64
CROSS    = $(filter-out $(shell dpkg --print-architecture),$(ARCH))
SOURCE   = build/deb/chatmaild-$(VERSION)
DEB      = build/chatmaild_$(VERSION)_$(ARCH).deb
SCRIPTS  = .ci/run debian/chatmaild.postinst debian/chatmaild.prerm debian/chatmaild.postrm debian/tests/relay debian/tests/smoke testdata/web/check packaging/container/build packaging/container/users packaging/container/furnish
FUZZTIME = 30s

# The package does for Debian 12 by a template, a unit or a command of its own what these
# scenarios are about: "make test" runs them there, too. All else is the same program, and
# the minutes of a scenario's steps in ALIKE. (TestImport is on Debian 12 in any case.)
DIFFER   = TestContainer|TestConversation|TestPackage|TestParts|TestReload
ALIKE    = ^TestConversation$$/^(services_restart|reboot)$$

# What signs (a key that gpg has), the packages in the archive, where it grows, and where
# it will be on the web. The project has no address yet: it is an example.
KEY      =
DEBS     = $(wildcard build/chatmaild_*.deb)
ARCHIVE  = build/archive
URL      = https://apt.example.org
VALID    = 0

# How often "make plug" has a relay's power fail; "make test" does it 20 times.
MOMENTS  = 200

# How many scenarios "make test" runs at once: they mostly wait, and each takes 1 GB.
LABS     = 2

# These scenarios take minutes each: "make lab-long" runs them, "make test" does not.
LONG     = TestAddresses|TestClock|TestCluster|TestClusterCertificate|TestClusterClock|TestClusterFaults|TestClusterImport|TestClusterJoin|TestClusterLost|TestClusterMove|TestClusterRestore|TestClusterUpgrade|TestClusterVersions|TestClusterWireGuard|TestConference|TestFork|TestFullUpgrade|TestGuestCertificate|TestHidden|TestImage|TestImportImage|TestImportTrixie|TestMoveImage|TestNetworks|TestPodman|TestRehouse|TestRouter|TestShared|TestSubmissionUpgrade|TestTransport|TestTransports|TestTunnel

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

# ARGS are flags of the program that a target runs, such as -long.
ARGS     =

# need installs what is missing of the named packages, and starts none of their services.
define need
@missing=$$(for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
[ -z "$$missing" ] || { echo "installing:" $$missing; policy=/usr/sbin/policy-rc.d; [ ! -e $$policy ] || policy=; \
[ -z "$$policy" ] || printf '#!/bin/sh\nexit 101\n' | $(SUDO) install -m 755 /dev/stdin $$policy; \
$(SUDO) apt-get update -qq && $(SUDO) DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $$missing >/dev/null; \
status=$$?; [ -z "$$policy" ] || $(SUDO) rm $$policy; exit $$status; }
endef

.PHONY: bench-relay small soak help build deb image rights reproducible reproducible-image arm64 piuparts autopkgtest archive release demo test lab lab-long plug race lint check fuzz clean
help: ## this list
	@sed -n 's/^\([a-z%-]*\):.*## /\1\t/p' Makefile | expand -t 12

build: ## build/bin/chatmaild, for this machine
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X chatmaild/applets.version=$(VERSION)" -o build/bin/chatmaild .

# A copy of the tree, with the modules in vendor/, is built: the tree stays as it is.
# Debian 12 has no Go as new as debian/control asks for; the profile takes ours.
deb: ## the Debian package, in build/; with ARCH=arm64 that for arm64
	$(call need,build-essential debhelper $(CROSS:%=crossbuild-essential-%))
	rm -rf build/deb && mkdir -p $(SOURCE)
	tar -c --exclude=./build --exclude=./vendor --exclude=./.git . | tar -x -C $(SOURCE)
	cd $(SOURCE) && $(GO) mod vendor
	cd $(SOURCE) && GOCACHE=$$($(GO) env GOCACHE) dpkg-buildpackage -b -us -uc $(CROSS:%=-a%) -Ppkg.chatmaild.upstream-go$(CROSS:%=,cross) >../log 2>&1 || { cat ../log; exit 1; }
	mv build/deb/*.deb $(DEB)

# Another directory, umask, time zone, locale and cache: the same bytes.
reproducible: deb ## builds the package again, elsewhere, and compares
	@sum() { sha256sum <"$$1"; }; dir=$$(mktemp -d) && trap 'chmod -R u+w '"$$dir"'; rm -rf '"$$dir" EXIT; \
	mkdir -p "$$dir/a much longer name" && cd "$$dir/a much longer name" && umask 002 && \
	tar -c -C $(CURDIR) --exclude=./build --exclude=./vendor --exclude=./.git . | tar -x --touch && \
	TZ=Pacific/Chatham LC_ALL=C.UTF-8 GOCACHE=$$dir/cache $(MAKE) --no-print-directory -s deb ARCH=$(ARCH) >/dev/null && \
	first=$$(sum $(CURDIR)/$(DEB)) second=$$(sum $(DEB)) && echo "$$first$$second" && [ "$$first" = "$$second" ]

arm64: ## the package for arm64: lintian, and its program runs
	$(MAKE) deb ARCH=arm64
	$(call need,lintian qemu-user-static)
	lintian --allow-root --fail-on error,warning build/chatmaild_$(VERSION)_arm64.deb
	rm -rf build/arm64 && dpkg-deb -x build/chatmaild_$(VERSION)_arm64.deb build/arm64
	[ "$$(qemu-aarch64-static build/arm64/usr/sbin/chatmaild --version)" = "chatmaild $(VERSION)" ]

image: deb ## the OCI image, in build/: Debian 13 with the package
	$(call need,mmdebstrap umoci $(if $(CROSS),arch-test qemu-user-static binfmt-support))
	$(SUDO) packaging/container/build $(DEB) $(ARCH) $${SUITE:-trixie} build

# On another day Debian's packages may be others: that is no fault.
reproducible-image: image ## builds the image again, elsewhere, and compares
	@dir=$$(mktemp -d) && trap "$(SUDO) rm -rf $$dir" EXIT && umask 002 && \
	TZ=Pacific/Chatham LC_ALL=C.UTF-8 $(SUDO) packaging/container/build $(DEB) $(ARCH) $${SUITE:-trixie} "$$dir" >/dev/null 2>&1 && \
	sha256sum build/chatmaild_$(VERSION)_$(ARCH).oci.tar build/chatmaild_$(VERSION)_$(ARCH).image.spdx.json "$$dir"/* && \
	for file in "$$dir"/*; do cmp "$$file" "build/$$(basename "$$file")" || exit 1; done

piuparts: deb ## installs, removes, purges and installs again, and looks at what is left
	$(call need,piuparts debootstrap)
	$(SUDO) piuparts --existing-chroot="$$($(GO) run ./testdata/lab/prepare -root)" --distribution=$${SUITE:-trixie} --no-eatmydata \
	--install-purge-install --warn-on-others --log-file=build/piuparts.log $(DEB) >/dev/null || { tail -n 60 build/piuparts.log; exit 1; }

# Its status is 2 if it leaves one out: that for a whole machine.
autopkgtest: deb ## debian/tests in a chroot; "make test" runs them on a whole machine
	$(call need,autopkgtest)
	dir=$$(mktemp -d) && trap "$(SUDO) rm -rf $$dir" EXIT && $(SUDO) cp -a "$$($(GO) run ./testdata/lab/prepare -root)" $$dir/root && \
	mkdir -p $$dir/source && cp -r debian $$dir/source && $(SUDO) unshare --mount sh -ec "mount -t proc proc $$dir/root/proc; \
	mount -t devpts devpts $$dir/root/dev/pts; autopkgtest --setup-commands='apt-get update' $(DEB) $$dir/source -- chroot $$dir/root" || [ $$? = 2 ]

archive: ## a signed APT repository of the packages in build/: make archive KEY=FINGERPRINT
	$(call need,apt-utils gpg gpg-agent xz-utils)
	$(GO) run ./packaging/archive -dir $(ARCHIVE) -url $(URL) -valid $(VALID) -key "$(KEY)" $(DEBS)

release: ## a release of this commit in build/release, and its tag: make release KEY=FINGERPRINT
	$(call need,build-essential debhelper crossbuild-essential-arm64 git gpg gpg-agent)
	$(GO) run ./packaging/release -key "$(KEY)"

# First of all, since it would be a pity to hear of it after ten minutes.
rights:
	@$(GO) run ./testdata/lab/prepare -check

demo: ## a throw-away relay, and two real clients that talk through it
	@$(GO) run ./testdata/lab/demo -check
	@$(MAKE) --no-print-directory deb
	$(GO) run ./testdata/lab/demo

test: rights check deb reproducible ## everything: check, the package, real clients on the installed relay, on Debian 13 and 12
	$(call need,lintian)
	lintian --allow-root --fail-on error,warning $(DEB)
	$(GO) run ./testdata/lab/prepare $${SUITE:-trixie} bookworm
	$(call gotest,-timeout 10m ./store/directory/simulation/)
	$(call gotest,-timeout 50m -p 1 -parallel $(LABS) -skip '^($(LONG))$$' ./testdata/lab/...)
	$(call gotest,-timeout 20m -parallel $(LABS) -run '^($(DIFFER))$$' -skip '$(ALIKE)' ./testdata/lab/,SUITE=bookworm)
	testdata/web/check

lab: rights deb ## one scenario on real relays: make lab T=TestConversation
	@[ -n "$(T)" ] || { echo "missing scenario, such as: make lab T=TestConversation; all of them:"; grep -ho '^func Test[A-Za-z]*' testdata/lab/*_test.go | cut -c6- | sort | column; exit 2; }
	$(GO) run ./testdata/lab/prepare
	$(call gotest,-timeout 20m -run '^$(T)$$' ./testdata/lab/)

lab-long: rights image ## the scenarios that "make test" leaves out: they take minutes each
	$(call need,crun umoci)
	$(GO) run ./testdata/lab/prepare -all
	$(call gotest,-timeout 60m -p 1 -run '^($(LONG))$$' ./testdata/lab/)

plug: rights deb ## has a relay's power fail at 200 random moments: make plug MOMENTS=20
	$(GO) run ./testdata/lab/prepare
	$(call gotest,-timeout 6h -run '^TestPlug$$' ./testdata/lab/ -plug.moments=$(MOMENTS))

race: ## the tests that need no container, with the race detector
	$(call need,gcc libc6-dev dovecot-imapd dovecot-lmtpd nftables postgresql apt-utils git gpg gpg-agent xz-utils)
	$(call gotest,-race -shuffle=on ./... ./testdata/kit/...)

# gotest shows how each test ends, and last what failed. The whole output is in build/test.log.
# Its arguments are those of go test, and variables for its environment.
define gotest
@mkdir -p build
$(2) $(GO) test -count=1 -v $(1) 2>&1 | tee build/test.log | grep --line-buffered -E '^(ok|FAIL|panic:|--- )|^ +--- (FAIL|SKIP)' || \
{ echo "what failed, of all in build/test.log:"; awk -f testdata/failed.awk build/test.log; exit 1; }
@! grep -E '^ *--- SKIP' build/test.log || { echo "these tests were skipped, and must not be"; exit 1; }
endef

lint: ## format, vet, staticcheck, shell scripts, man pages, units
	$(call need,shellcheck mandoc systemd)
	@mkdir -p build; files=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$files" ] || { echo "gofmt:" $$files; exit 1; }
	for m in webrtc schemas; do $(GO) -C testdata/$$m mod tidy -diff && $(GO) -C testdata/$$m vet . || exit 1; done
	$(GO) mod tidy -diff && $(GO) -C testdata/schemas run .
	$(GO) vet ./... ./testdata/lab/... ./testdata/kit/... ./testdata/bench/... ./testdata/smuggle
	$(GO) run $(STATICCHECK) ./... ./testdata/lab/... ./testdata/kit/... ./testdata/bench/... ./testdata/smuggle
	shellcheck $(SCRIPTS)
	mandoc -T lint -W warning packaging/man/*
	rm -rf build/units && cp -r packaging/systemd build/units
	sed -i 's|^ExecStart=.*|ExecStart=/bin/true|' build/units/*.service
	@out=$$(systemd-analyze verify --man=no build/units/*.{service,socket,path,target,timer} 2>&1); echo "$$out"; [ -z "$$out" ]

check: lint race ## lint and race

fuzz: ## every decoder of foreign input, for FUZZTIME (30s)
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
	echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

bench-%: build ## what a part of the relay takes: bench-filter, bench-store …
	$(GO) run ./testdata/bench/$*

bench-relay small soak: rights deb
	$(GO) run ./testdata/lab/prepare
	$(GO) run ./testdata/bench/relay $(patsubst %,-%,$(filter small soak,$@)) $(ARGS)

bench-relay: ## what a relay takes under load, some ten minutes; the report is in build/: make bench-relay ARGS=-long
small: ## the same of a machine of 1 GiB and one processor, with restart, backup and upgrade
soak: ## a relay with a fault each half minute; with ARGS=-long for six hours; ARGS="-faults= -load 30m": what grows

clean: ## removes what the other targets made
	rm -rf build
