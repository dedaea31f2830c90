# SPDX-License-Identifier: MIT
# The only entry. Meson and ninja do the building, scripts/check the testing.

# The one configured last, if there is one.
PREFIX ?= $(or $(shell sed -n 's/^-Dprefix=\([^ ]*\) .*/\1/p' build/options 2>/dev/null),/usr/local)
DESTDIR ?=

all: setup-demo
	@scripts/build "$(PREFIX)"

demo: all
	@build/uiommu demo

check: setup-check
	@scripts/check check $(SUITES)

check-all: setup-check-all
	@scripts/check check-all $(SUITES)

nightly: setup-check-all
	@scripts/check nightly $(SUITES)

bench: setup-bench all
	@build/uiommu bench --plot=docs

coverage: setup-coverage
	@scripts/coverage

install: all
	@DESTDIR="$(DESTDIR)" meson install -C build --no-rebuild

# What is needed and not there is asked for, never taken; silent when nothing is missing.
# scripts/setup exits 77 then, which make turns into its own 2.
setup-%:
	@scripts/setup $*

clean:
	@rm -rf build build-*

help:
	@echo 'make            build build/uiommu and build/uiommu-steered'
	@echo 'make demo       replace domains under DMA and show what happened; under a minute'
	@echo 'make check      tests: gcc, AddressSanitizer, public headers, floors; at most 6 minutes'
	@echo 'make check-all  what CI runs: check, clang, -Werror, ThreadSanitizer, clang-tidy,'
	@echo '                cppcheck, aarch64 under qemu-user; at most 25 minutes'
	@echo 'make nightly    check-all, then long storms'
	@echo 'make bench      measure replacements and translations; redraws the charts in docs/'
	@echo 'make coverage   which lines of core, update, hw and driver the tests reach, and why not others'
	@echo 'make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make clean      remove all build directories'
	@echo ''
	@echo 'SUITES="gcc asan" runs only those (scripts/check --list names them). V=1 shows the build.'
	@echo 'UIOMMU_SETUP=yes installs missing packages without asking, as root or with sudo -n.'

.PHONY: all demo check check-all nightly bench coverage install clean help
