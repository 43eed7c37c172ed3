# Ringlet. `make` builds build/ringlet and build/ringlet-sim; `make help` lists the targets.
#
#   CC=clang     another compiler             OPT="-O0 -g"   other optimisation
#   SAN=1        address and undefined-behaviour sanitizers, in build/san
#   V=1          show the commands
#   T=TEXT       with check, unit, sim, net, fuzz: only the tests whose name contains TEXT
#   F=FILES      with format: only those
#   JOBS=2       how many compilers check starts at a time
#   FUZZ_SECONDS=120   how long `make fuzz` explores with each entry
#
# Sources are found by themselves: every folder of the core, daemon/ and sim/ becomes an archive
# build/lib/FOLDER.a, FOLDER/NAME_test.c a test program. A test is linked with its own folder and
# those to the left of it, so a call in the wrong direction does not even link.

CORE    := base nat overlay vnet node
PREFIX  ?= /usr/local
DESTDIR ?=
T       ?=
FUZZ_SECONDS ?= 120
JOBS    ?= 2
OPT     ?= -O2 -g
MAKEFLAGS += --no-builtin-rules

# --- three ways to compile: release, SAN=1, FUZZ=1 --------------------------------------------

WARN    := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
ifdef FUZZ
B       := build/fuzz
CC      := clang
WARN    := -Wall -Wextra -Wno-unknown-warning-option
HOW     := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
           -fno-sanitize-recover=all
LINK    := -fsanitize=fuzzer,address,undefined
else ifdef SAN
B       := build/san
HOW     := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LINK    := -fsanitize=address,undefined
else
B       := build
HOW     := $(OPT) -fstack-protector-strong
LINK    := -Wl,-z,relro,-z,now
endif
ifeq ($(origin CC),default)
CC      := gcc
endif
COMPILE := $(CC) -std=c17 -D_GNU_SOURCE -I. $(HOW) $(WARN) $(CFLAGS)
TESTWARN := -Wno-conversion -Wno-sign-conversion
LDFLAGS += $(LINK) -Wl,--as-needed

CORE_LIBS   := -lsodium -lgcrypt -lmsgpackc -lm
DAEMON_LIBS := -luv -ljansson -linih -lmnl -lminiupnpc -lnatpmp $(CORE_LIBS)

# --- what there is ----------------------------------------------------------------------------

FOLDERS := $(CORE) daemon sim
SUPPORT := $(filter-out %_test.c,$(wildcard tests/harness/*.c tests/stories/*.c))
TESTS   := $(wildcard $(FOLDERS:%=%/*_test.c) tests/stories/*_test.c)
FUZZERS := $(basename $(notdir $(wildcard tests/fuzz/*.c)))
STYLED  = $(wildcard $(FOLDERS:%=%/*.[ch]) tests/harness/*.[ch] tests/stories/*.[ch] tests/fuzz/*.[ch] tests/bench/micro/*.[ch])

sources = $(filter-out $(1)/main.c %_test.c,$(wildcard $(1)/*.c))
PRESENT := $(foreach f,$(FOLDERS),$(if $(call sources,$(f)),$(f)))
lib     = $(1:%=$(B)/lib/%.a)
base    := base
nat     := nat $(base)
overlay := overlay $(nat)
vnet    := vnet $(overlay)
node    := node $(vnet)
daemon  := daemon $(node)
sim     := sim $(node)

PROGRAMS := $(if $(wildcard daemon/main.c),$(B)/ringlet) $(if $(wildcard sim/main.c),$(B)/ringlet-sim)

say     = $(if $(V),,@echo '  $(1)';)

.PHONY: all help deps demo check check-long unit net sim sim-million bench bench-peers fuzz micro \
        install format format-check layers tests fuzzers clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: $(call lib,$(PRESENT)) $(PROGRAMS)

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile
	@echo; printf '  %-14s%s\n' \
	  all 'build/ringlet, build/ringlet-sim (plain make)' deps 'install what the build and the tests need' \
	  demo 'two hosts behind NATs find each other: half a minute' check 'every test but the long ones: under 15 minutes' \
	  check-long 'and those that take longer' unit 'tests of modules, sanitized' net 'tests of daemons in network namespaces' \
	  sim 'the standard scenarios: under 30 minutes' sim-million '100,000 nodes, then 1,000,000: hours' \
	  fuzz 'look for new inputs' bench 'how fast: docs/performance.md; 5 minutes, and root' \
	  bench-peers 'beside a VPN that is fetched: 25 minutes' micro 'build/bench/micro, the steps of a packet' \
	  layers 'who may call whom' format 'clang-format' format-check 'says what format would change' \
	  install 'programs, man page, systemd unit' clean 'remove build/'

# --- compiling and linking --------------------------------------------------------------------

# Changed flags rebuild everything: they are kept in a file that every object depends on.
$(B)/flags: FORCE
	@mkdir -p $(@D); echo '$(COMPILE)' | cmp -s - $@ || echo '$(COMPILE)' >$@

$(B)/obj/%_test.o: %_test.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC $@)$(COMPILE) $(TESTWARN) -MMD -MP -c -o $@ $<

$(B)/obj/tests/%.o: tests/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC $@)$(COMPILE) $(TESTWARN) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC $@)$(COMPILE) -MMD -MP -c -o $@ $<

# An archive depends on its folder too: a removed source must leave it.
define archive
$(B)/lib/$(1).a: $(patsubst %.c,$(B)/obj/%.o,$(call sources,$(1))) $(wildcard $(1)/.)
	@mkdir -p $$(@D); rm -f $$@
	@ar rcsD $$@ $$(filter %.o,$$^)
endef
$(foreach f,$(FOLDERS),$(eval $(call archive,$(f))))

$(B)/lib/support.a: $(SUPPORT:%.c=$(B)/obj/%.o)
	@mkdir -p $(@D); rm -f $@
	@ar rcsD $@ $^

$(B)/ringlet: $(B)/obj/daemon/main.o $(call lib,$(daemon))
	$(call say,LD $@)$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(B)/ringlet-sim: $(B)/obj/sim/main.o $(call lib,$(sim))
	$(call say,LD $@)$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)

# Tests: base/ring_test.c -> build/san/base/ring_test. Stories, and tests that include from sim/
# or tests/, get the simulator and the harness linked too.
WIDE    := $(filter tests/%,$(TESTS)) $(if $(TESTS),$(shell grep -lE '^.include "(sim|tests)/' $(TESTS)))
folders_of = $(if $(filter $(1),$(WIDE)),support $(sim),$($(firstword $(subst /, ,$(1)))))
define test
$(B)/$(1:.c=): $(B)/obj/$(1:.c=.o) $(call lib,$(call folders_of,$(1)))
	@mkdir -p $$(@D)
	$(call say,LD $$@)$(CC) $(LDFLAGS) -o $$@ $$^ -lcmocka $(if $(filter daemon/%,$(1)),$(DAEMON_LIBS),$(CORE_LIBS))
endef
$(foreach t,$(TESTS),$(eval $(call test,$(t))))

tests: $(TESTS:%.c=$(B)/%)

ifdef FUZZ
WIDE_FUZZ := $(if $(FUZZERS),$(shell grep -lE '^.include "(sim|tests)/' $(FUZZERS:%=tests/fuzz/%.c)))
DAEMON_FUZZ := $(if $(FUZZERS),$(shell grep -lE '^.include "daemon/' $(FUZZERS:%=tests/fuzz/%.c)))
fuzz_folders = $(if $(filter tests/fuzz/$(1).c,$(WIDE_FUZZ)),support $(sim),$(if $(filter tests/fuzz/$(1).c,$(DAEMON_FUZZ)),$(daemon),$(node)))
define fuzzer
$(B)/$(1): $(B)/obj/tests/fuzz/$(1).o $(call lib,$(call fuzz_folders,$(1)))
	$(call say,LD $$@)$(CC) $(LDFLAGS) -o $$@ $$^ $(if $(filter tests/fuzz/$(1).c,$(DAEMON_FUZZ)),$(DAEMON_LIBS),$(CORE_LIBS))
endef
$(foreach f,$(FUZZERS),$(eval $(call fuzzer,$(f))))

fuzzers: $(FUZZERS:%=$(B)/%)
endif

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# --- testing: tests/run does the running, docs/testing.md explains ----------------------------

SUBMAKE   = $(MAKE) --no-print-directory -j$(JOBS)
PLAIN     = @$(SUBMAKE) all
SANITIZED = @$(SUBMAKE) SAN=1 all tests
FUZZING   = @$(SUBMAKE) FUZZ=1 fuzzers

check: deps
	$(PLAIN)
	$(SANITIZED)
	$(FUZZING)
	@tests/run house unit fuzz sim net $(T)

check-long: deps
	$(PLAIN)
	$(SANITIZED)
	$(FUZZING)
	@tests/run --long house unit fuzz sim net $(T)

unit:
	$(SANITIZED)
	@tests/run unit $(T)

net:
	$(PLAIN)
	@$(SUBMAKE) SAN=1 all
	@tests/run net $(T)

sim: all
	@tests/run --table sim sim $(T)

sim-million: all
	@echo 'sim-million: 100,000 nodes, then 1,000,000: some ten minutes, then an hour and three quarters, and 10 GiB; on a terminal it shows how far it is, ^C ends it'
	@echo '             the first alone: build/ringlet-sim sim/scenarios/ring-100000.sim --queue quiet --set lookahead=0'
	@tests/run --table million --jobs 1 sim $(T)

fuzz:
	$(FUZZING)
	@tests/run --explore $(FUZZ_SECONDS) fuzz $(T)

demo:
	@echo 'demo: a seed and two hosts behind NATs, in network namespaces; built first (25 s on two cores), then shown (25 s)'
	@$(SUBMAKE) deps
	$(PLAIN)
	@tests/demo

bench: deps
	$(PLAIN)
	@$(SUBMAKE) $(B)/bench/micro
	@tests/bench/run

# Beside wireguard-go of Debian 13, as docs/performance.md has it; tests/bench/peers/needs says what it takes.
bench-peers: deps
	$(PLAIN)
	@$(SUBMAKE) $(B)/bench/micro
	@tests/bench/run --peers

# The steps of a packet, one by one; tests/bench/micro/micro.c says which. T=TEXT: only those whose name contains it.
micro: $(B)/bench/micro
	@$(B)/bench/micro $(T)
$(B)/bench/micro: $(B)/obj/tests/bench/micro/micro.o $(B)/obj/tests/bench/micro/hops.o $(call lib,$(node))
	@mkdir -p $(@D)
	$(call say,LD $@)$(CC) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)

layers:
	@tests/layers

FORMAT := clang-format --style=file
F      ?= $(STYLED)
format:
	@$(if $(F),$(FORMAT) -i $(F))

format-check:
	@$(if $(STYLED),$(FORMAT) --dry-run -Werror $(STYLED))

# --- installing ---------------------------------------------------------------------------------

deps:
	@tools/deps

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	sed 's,/usr/local/bin,$(PREFIX)/bin,g' docs/ringlet.service \
	  >$(DESTDIR)$(PREFIX)/lib/systemd/system/ringlet.service
	$(if $(wildcard docs/man/*.1),install -Dm 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 docs/man/*.1)

clean:
	rm -rf build
