# A short front to Meson and Ninja. `make help` lists the targets.
PREFIX  ?= /usr/local
DESTDIR ?=
BENCH   ?=
RESULTS ?=
SLICE   ?=
SECONDS ?= 60
PORT    ?= 6380
SERVE   ?=
TORTURE ?=
PROGRAMS ?=
DEPS     = scripts/install-deps

.DEFAULT_GOAL := all
.PHONY: all demo serve check check-all check-browser check-programs bench bench-full fuzz torture mutants models install clean format docs sources help

all: ## build everything into build/
	@$(DEPS) build tools
	@scripts/setup build
	@ninja -C build

demo: ## run real programs inside memory groups, one of them over its limit
	@$(DEPS) build tools demo
	@scripts/setup build
	@ninja -C build --quiet
	@scripts/demo

serve: ## a cache for many tenants that redis-cli can talk to (PORT=6380 SERVE='--threads 1')
	@$(DEPS) build serve
	@scripts/setup build
	@ninja -C build --quiet examples/tenantd
	@echo "in another terminal:"
	@echo "    redis-cli -p $(PORT) tenant create alice secret"
	@echo "    redis-cli -p $(PORT) tenant limit alice max 64M"
	@echo "    redis-cli -p $(PORT) --user alice --pass secret --no-auth-warning set greeting hello"
	@echo "    redis-cli -p $(PORT) tenant list"
	@echo "    redis-cli -p $(PORT) tenant drop alice"
	@echo "    redis-benchmark -p $(PORT) -q -t set,get -d 4096 -P 16"
	@echo "Ctrl-C ends it, with a recount of what everybody had."
	@exec build/examples/tenantd --port $(PORT) $(SERVE)

check: ## every test that a change must pass
	@$(DEPS) build tools check demo
	@scripts/check

check-all: ## make check, then every slow slice (SLICE=name: that one only)
	@$(DEPS) build tools check demo bench
	@scripts/check-all $(SLICE)

check-browser: ## look at reports in headless Chromium, which it installs (300 MB)
	@$(DEPS) build check browser
	@scripts/check-browser

check-programs: ## whole programs under limits, with what that costs (PROGRAMS='names or options'); installs them
	@scripts/check-programs $(PROGRAMS)

bench: ## measure, under fifteen minutes (RESULTS=1 writes bench/RESULTS.md; BENCH='names or options' of memcg-bench)
	@$(DEPS) build bench
	@scripts/setup build
	@ninja -C build --quiet
	@if [ -n "$(BENCH)" ]; then build/memcg-bench $(BENCH); else bench/suite.sh $(if $(RESULTS),--results); fi

bench-full: ## measure everything, an hour (RESULTS=1 writes bench/RESULTS.md)
	@$(DEPS) build bench
	@scripts/setup build
	@ninja -C build --quiet
	@bench/suite.sh --full $(if $(RESULTS),--results)

fuzz: ## feed garbage to the parsers for SECONDS (default 60)
	@$(DEPS) build check
	@scripts/fuzz $(SECONDS)

torture: ## everything at once for SECONDS (default 60), and a recount whenever it stands still
	@$(DEPS) build
	@scripts/setup build
	@ninja -C build --quiet memcg-torture
	@build/memcg-torture --seconds $(SECONDS) $(TORTURE)

mutants: ## break each rule on purpose; every break must make its test fail
	@$(DEPS) build tools check demo
	@tools/mutants

models: ## check the models of the protocols, every interleaving (spin)
	@$(DEPS) build models
	@scripts/models

install: ## install below PREFIX (default /usr/local), staged under DESTDIR
	@$(DEPS) build tools
	@scripts/setup build-install --buildtype=debugoptimized --prefix=$(PREFIX) -Dtests=disabled
	@DESTDIR=$(DESTDIR) meson install -C build-install

format: ## clang-format over every source file
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

docs: ## write man/memcg-files.5, docs/files.md, and the pages build/man/man3/*.3
	@$(DEPS) build
	@scripts/setup build
	@ninja -C build --quiet memcg-files-doc
	@scripts/docs

sources: ## bring the list in src/meson.build up to date with the tree
	@scripts/update-sources

clean: ## remove every build directory
	rm -rf build build-*

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
