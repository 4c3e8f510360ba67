# pat: one makefile, two kinds of goals.
#
# The goals of a PostgreSQL extension (all, install, installcheck, uninstall, clean) come from
# PGXS and honour PG_CONFIG. The project's own goals (see `make help`) never load PGXS, so that
# they also work on a machine that has nothing but make: what is missing, they install.

OWN_GOALS := help check check-long check-assert check-debian demo serve bench bench-compare deps deps-check format lint fuzz bridge install-bridge clean-bridge

SRC_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
PG_CONFIG ?= pg_config
export PG_CONFIG

goals := $(or $(MAKECMDGOALS),all)
pgxs_goals := $(filter-out $(OWN_GOALS),$(goals))

ifneq ($(filter $(OWN_GOALS),$(goals)),)

# ---- the project's own goals -------------------------------------------------------------

.PHONY: $(OWN_GOALS) $(pgxs_goals)

help: ## this list
	@echo 'all install installcheck uninstall clean: the extension, as with every PGXS makefile'
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/\1: \2/p' $(SRC_DIR)/Makefile

check: ## installs what is missing and runs every test; last line: N passed, N failed
	@bash $(SRC_DIR)/.ci/check

check-long: ## what takes longer than a minute: long tests, valgrind, fuzzing (FUZZ_SECONDS=600), a soak
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' SOAK_REQUESTS='$(SOAK_REQUESTS)' bash $(SRC_DIR)/.ci/check-long

check-assert: ## the extension's tests and a stress on a PostgreSQL with assertions, which it builds once
	@STRESS_SECONDS='$(STRESS_SECONDS)' bash $(SRC_DIR)/.ci/check-assert

check-debian: ## make check in a chroot with another release of Debian (RELEASE=trixie); takes root
	@bash $(SRC_DIR)/dev/debian-check '$(RELEASE)'

demo: ## installs what is missing, starts a throw-away database and bridge, shows the API, cleans up
	@bash $(SRC_DIR)/.ci/demo

serve: ## the same set-up, kept up until Ctrl-C
	@bash $(SRC_DIR)/.ci/serve

bench: ## installs what is missing, measures against what one would use instead (BENCH_QUICK=1: three minutes)
	@BENCH_QUICK='$(BENCH_QUICK)' bash $(SRC_DIR)/bench/run

bench-compare: ## measures this tree against another revision of it, in turns (BASE=REVISION, ROUNDS=5)
	@BASE='$(BASE)' ROUNDS='$(ROUNDS)' CONNECTIONS='$(CONNECTIONS)' bash $(SRC_DIR)/bench/compare

deps: ## installs the packages that are missing for building and running, with a PostgreSQL server
	@bash $(SRC_DIR)/.ci/deps build run

deps-check: ## ... and those that make check needs besides: nginx, haproxy, PgBouncer and others
	@bash $(SRC_DIR)/.ci/deps build run check

format: ## rewrites all C files in the project's layout
	@bash $(SRC_DIR)/.ci/format

lint: ## the checks of make check that need no server: layout, sizes, rooms, documentation
	@bash $(SRC_DIR)/.ci/check lint

fuzz: ## runs each fuzz target for FUZZ_SECONDS (60); needs clang with its runtime
	$(MAKE) -C $(SRC_DIR)/bridge/fuzz fuzz

bridge: ## builds bridge/pat-bridge
	$(MAKE) -C $(SRC_DIR)/bridge

install-bridge: ## installs pat-bridge, its man page and units of systemd (PREFIX, DESTDIR)
	$(MAKE) -C $(SRC_DIR)/bridge install

clean-bridge: ## removes what the bridge's build made
	$(MAKE) -C $(SRC_DIR)/bridge clean

# Goals of both kinds in one call: PGXS has a `check` of its own, so the two are kept apart.
$(pgxs_goals):
	$(MAKE) -f $(firstword $(MAKEFILE_LIST)) $@

else

# ---- the extension, by PGXS --------------------------------------------------------------

EXTENSION = pat
MODULE_big = pat
PGFILEDESC = "pat - personal access tokens"

# extension/ and the folders in it that hold sources.
sources := $(patsubst $(SRC_DIR)/%,%,$(sort $(wildcard $(SRC_DIR)/extension/*.c $(SRC_DIR)/extension/*/*.c)))
OBJS = $(sources:.c=.o)

# The install script of the version being worked on is put together from its parts; published
# scripts lie in extension/ as they were published.
install_script = extension/pat--1.0.sql
install_parts := $(sort $(wildcard $(SRC_DIR)/extension/install/*.sql))
DATA = $(filter-out $(install_script),$(patsubst $(SRC_DIR)/%,%,$(sort $(wildcard $(SRC_DIR)/extension/pat--*.sql))))
DATA_built = $(install_script)

# install comes first: it creates the extension for the tests after it.
tests := $(sort $(notdir $(basename $(wildcard $(SRC_DIR)/sql/*.sql))))
REGRESS = $(filter install,$(tests)) $(filter-out install,$(tests))
# Whatever the cluster's own locale: outputs hold text of all kinds, sorted by code point.
ENCODING = UTF8
NO_LOCALE = 1
ISOLATION = $(sort $(notdir $(basename $(wildcard $(SRC_DIR)/specs/*.spec))))
TAP_TESTS = 1

# The server's headers are a system's headers here: -Wextra is for our own files.
PG_CPPFLAGS = -isystem $(shell $(PG_CONFIG) --includedir-server)
PG_CFLAGS = -Wextra

# libjwt is opened at run time (extension/jwt_signature.c says why), by the name that a program
# linked with it would carry.
libjwt := $(shell readelf -d "$$($(CC) -print-file-name=libjwt.so)" 2>/dev/null | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
PG_CPPFLAGS += $(if $(libjwt),-DPAT_LIBJWT='"$(libjwt)"')
SHLIB_LINK += -lcrypto

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(wildcard $(PGXS)),)
$(error $(PG_CONFIG) leads to no PGXS makefile: install the server's development files (`make deps`) or set PG_CONFIG)
endif

# A server built with LLVM wants bitcode of every module; without its clang the module itself
# is still complete.
CLANG ?= $(shell sed -n 's/^CLANG *= *//p' $(dir $(PGXS))../Makefile.global)
ifeq ($(shell command -v '$(CLANG)' 2>/dev/null),)
override with_llvm := no
endif

# Building outside the source tree: PGXS makes no directories for objects.
ifdef VPATH
$(shell mkdir -p $(sort $(dir $(sources))))
endif

.DEFAULT_GOAL := all
include $(PGXS)

install_guard := $(SRC_DIR)/extension/install/guard.sed
$(install_script): $(install_parts) $(install_guard)
	sed -f $(install_guard) $(install_parts) >$@

headers := $(wildcard $(SRC_DIR)/extension/*.h $(SRC_DIR)/extension/*/*.h)
$(OBJS) $(OBJS:.o=.bc): $(headers)

ifneq ($(wildcard $(SRC_DIR)/bridge/Makefile),)
.PHONY: clean-bridge-too
clean: clean-bridge-too
clean-bridge-too:
	$(MAKE) -C $(SRC_DIR)/bridge clean
endif

endif
