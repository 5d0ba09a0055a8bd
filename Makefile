# Fileroom. B=release|dev|asan|tsan|fuzz chooses the flavour; each has
# its own folder under build/. 'make run' and 'make test' are all a newcomer
# needs: they install what is missing first (tools/deps).

B      ?= release
O      := build/$(B)
CC     ?= gcc
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3
RUN_ARGS ?=

LIBS   := sqlite3 gnutls zlib libdeflate libarchive libutf8proc \
	libmicrohttpd libsodium
PKG_CFLAGS = $(shell pkg-config --cflags $(LIBS))
PKG_LIBS   = $(shell pkg-config --libs $(LIBS))

WARN := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wvla \
	-Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef \
	-Wpointer-arith -Wcast-qual -Wformat=2 -Wimplicit-fallthrough -Werror
BASE_CFLAGS := -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Isrc \
	-include src/base/banned.h -g -pthread $(WARN)

ifeq ($(B),release)
OPT := -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection -fPIE -fno-strict-overflow
LINK := -pie -Wl,-z,relro,-z,now,-z,noexecstack
else ifeq ($(B),dev)
OPT := -O0
else ifeq ($(B),asan)
OPT := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
LINK := -fsanitize=address,undefined
else ifeq ($(B),tsan)
OPT := -O1 -fsanitize=thread
LINK := -fsanitize=thread
else ifeq ($(B),fuzz)
CC := clang
OPT := -O1 -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer
LINK := -fsanitize=address,undefined
else
$(error B must be release, dev, asan, tsan or fuzz)
endif

CFLAGS_ALL = $(BASE_CFLAGS) $(OPT) $(PKG_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = -pthread $(LINK) $(LDFLAGS)

SRC  := $(filter-out src/app/main.c,$(wildcard src/*/*.c src/*/*/*.c))
OBJ  := $(SRC:%.c=$O/%.o) $O/ui/bundle.o $O/ui/bytes.o
# The pages, the same for all flavours.
UI   := build/ui
UI_SRC := $(shell find src/web/ui -name node_modules -prune -o -type f -print)
LIB  := $O/libfileroom.a
UNIT := $(patsubst %.c,$O/%,$(wildcard test/unit/*.c))
FAULT := $(patsubst %.c,$O/%,$(wildcard test/fault/*.c))
FUZZ := $(patsubst test/fuzz/%.c,$O/test/fuzz/%,\
	$(filter-out test/fuzz/replay.c,$(wildcard test/fuzz/*.c)))
CRASH := $O/test/crash/powercut $O/test/crash/record.so
BENCH := $(patsubst %.c,$O/%,$(wildcard test/bench/*.c))

.PHONY: FORCE all run test check soak bench fuzz install uninstall deb clean fmt \
	units faults fuzzers benches crashers noflush bin deps deps-test

all: bin

bin: $O/fileroom
ifeq ($(B),release)
	@ln -sf release/fileroom build/fileroom
endif

$O/fileroom: $O/src/app/main.o $(LIB)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

# A server that flushes nothing: what the crash tests must find out.
$O/fileroom-noflush: $O/src/app/main.o $O/noflush/os.o $(LIB)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$O/noflush/os.o: src/base/os.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -DOS_NO_FLUSH -MMD -MP -c -o $@ $<

$(LIB): $(OBJ)
	@rm -f $@
	@ar rcs $@ $(OBJ)

$O/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(UI)/bundle.c: tools/ui $(UI_SRC)
	@tools/ui $(UI)
$(UI)/bundle.S: $(UI)/bundle.c ;

$O/ui/bundle.o: $(UI)/bundle.c src/web/page/asset.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

$O/ui/bytes.o: $(UI)/bundle.S $(UI)/bundle.c
	@mkdir -p $(@D)
	$(CC) -c -o $@ $<

# One program each, linked with the library.
$(UNIT) $(FAULT) $(BENCH): $O/%: $O/%.o $(LIB)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

ifeq ($(B),fuzz)
$(FUZZ): $O/%: $O/%.o $(LIB)
	$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)
else
$(FUZZ): $O/%: $O/%.o $O/test/fuzz/replay.o $(LIB)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)
endif

$O/test/crash/powercut: $O/test/crash/powercut.o $(LIB)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

# Preloaded into a server that was built without sanitizers.
$O/test/crash/record.so: test/crash/record.c test/crash/record.h
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -shared \
	    -fPIC -o $@ $< -ldl

# Only what prints the version is built again when it changes.
$O/version: FORCE
	@mkdir -p $(@D)
	@tools/version > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$O/src/app/main.o: $O/version
$O/src/app/main.o: CFLAGS_ALL += -DFILEROOM_VERSION='"$(shell cat $O/version)"'

noflush: $O/fileroom-noflush
units: $(UNIT)
crashers: $(CRASH)
faults: $(FAULT)
fuzzers: $(FUZZ)
benches: $(BENCH)

deps:
	@tools/deps
deps-test:
	@tools/deps --test

run: deps
	@$(MAKE) -s --no-print-directory -j$$(nproc) bin
	@build/fileroom serve --data data --set dicom.bind=127.0.0.1 \
		--set hl7.bind=127.0.0.1 --set http.bind=127.0.0.1 $(RUN_ARGS)

check: deps-test
	@test/run check

test: deps-test
	@test/run test

soak: deps-test
	@test/run soak

bench: deps-test
	@test/run bench

fuzz: deps-test
	@test/run fuzz

fmt:
	@clang-format -i $$(git ls-files 'src/*.[ch]' 'test/*.[ch]')

install: bin
	install -D -m 0755 build/fileroom $(DESTDIR)$(PREFIX)/bin/fileroom
	install -D -m 0644 docs/fileroom.1 \
	    $(DESTDIR)$(PREFIX)/share/man/man1/fileroom.1

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/fileroom \
	    $(DESTDIR)$(PREFIX)/share/man/man1/fileroom.1

deb: bin
	@packaging/deb

clean:
	rm -rf build

-include $(shell find $O -name '*.d' 2>/dev/null)
