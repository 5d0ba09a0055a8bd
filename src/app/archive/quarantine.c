/*
 * 'quarantine': what was set aside, why, and what is to become of it. Beside a
 * running server.
 */
#include "app/verb.h"
#include "base/clock.h"
#include "base/limit.h"
#include "base/map.h"
#include "base/os.h"
#include "dicom/dump.h"
#include "store/index/index.h"
#include "store/object.h"
#include "store/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEXT_MAX (256 * MIB)

struct request {
	struct store *store;
	const char *data;
	struct words words; /* the action among them */
	bool all;
};

static bool
take_id(const char *text, int64_t *out, struct err *e)
{
	uint64_t v;

	if (!str_u64(str_from(text), &v) || v > INT64_MAX)
		return fail(e, ERR_USAGE,
		    "quarantine: '%s' is no number of its list", text);
	*out = (int64_t)v;
	return true;
}

static void
put_entry(const struct quarantined *q)
{
	char when[CLOCK_ISO_ROOM];

	printf("%" PRId64 "  %s  %-8s  %" PRIu64 " bytes  ", q->id,
	    clock_iso(q->arrived_ms, when), q->reason, q->size);
	verb_put(stdout, q->source[0] != '\0' ? q->source : "-");
	fputs("  ", stdout);
	verb_put(stdout, q->sop_instance[0] != '\0' ? q->sop_instance : "-");
	putchar('\n');
}

/* Calls fn for each row there is. */
typedef bool entry_fn(void *ctx, const struct quarantined *q, struct err *e);

static bool
each(struct store *store, entry_fn *fn, void *ctx, struct err *e)
{
	struct quarantined *rows;
	int64_t after = 0;
	struct arena arena;
	bool ok = true;
	size_t n, i;

	arena_init(&arena, 1 * MIB);
	do {
		arena_reset(&arena);
		ok = quarantine_list(store, after, &arena, &rows, &n, e);
		for (i = 0; ok && i < n; i++) {
			after = rows[i].id;
			ok = fn(ctx, &rows[i], e);
		}
	} while (ok && n == LIMIT_ROWS);
	arena_fini(&arena);
	return ok;
}

static bool
list_one(void *ctx, const struct quarantined *q, struct err *e)
{
	(void)ctx;
	(void)e;
	put_entry(q);
	return true;
}

static bool
list(struct request *r, struct err *e)
{
	return each(r->store, list_one, NULL, e);
}

/* The lines of a file's data set. */
static bool
dump_fd(int fd, struct buf *out, struct err *e)
{
	struct stat st;
	void *p;
	bool ok;

	if (fstat(fd, &st) != 0)
		return fail_errno(e, "cannot read the file");
	if (st.st_size == 0)
		return fail(e, ERR_MALFORMED, "the file is empty");
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return fail_errno(e, "cannot read the file");
	ok = dump_file(out, str_of(p, (size_t)st.st_size), e);
	(void)munmap(p, (size_t)st.st_size);
	return ok;
}

/* Our own header says another hash, and that is all. */
static bool
is_header(struct str line)
{
	return str_starts(line, STR("(0002,"));
}

static void
note_lines(struct map *lines, struct str text)
{
	struct str line;

	while (str_split(&text, '\n', &line))
		map_put(lines, line, lines);
}

/* The lines of text that the other has not. */
static size_t
put_missing(const char *sign, struct str text, const struct map *other)
{
	struct str line;
	size_t n = 0;

	while (str_split(&text, '\n', &line)) {
		if (line.n == 0 || is_header(line) ||
		    map_get(other, line) != NULL)
			continue;
		printf("  %s %.*s\n", sign, STR_ARG(line));
		n++;
	}
	return n;
}

static void
put_differences(struct str stored, struct str aside)
{
	struct map a, b;
	size_t n;

	map_init(&a);
	map_init(&b);
	note_lines(&a, stored);
	note_lines(&b, aside);
	fputs("what is stored (-) and this (+) differ in:\n", stdout);
	n = put_missing("-", stored, &b);
	n += put_missing("+", aside, &a);
	if (n == 0)
		fputs(
		    "  no attribute but large values, as pixel data\n", stdout);
	map_fini(&a);
	map_fini(&b);
}

/* What is stored under its UID now. */
static bool
show_stored(struct request *r, const struct quarantined *q, struct str aside,
    struct err *e)
{
	struct index_row row;
	struct object_file f;
	struct arena arena;
	struct buf stored;
	char when[CLOCK_ISO_ROOM];
	bool ok;

	arena_init(&arena, 1 * MIB);
	buf_init(&stored, TEXT_MAX);
	ok = index_instance(
		 r->store, str_from(q->sop_instance), &arena, &row, e) &&
	     object_open(r->store, (const char *)row.path.p, &f, e);
	if (ok) {
		printf("stored     %s, from ", clock_iso(f.arrived_ms, when));
		verb_put(stdout, f.source_ae[0] != '\0' ? f.source_ae : "-");
		printf(", %" PRIu64 " bytes, objects/%.*s\n", f.data_size,
		    STR_ARG(row.path));
		ok = dump_fd(f.fd, &stored, e);
		if (ok)
			put_differences(buf_str(&stored), aside);
		object_close(&f);
	} else if (e->code == ERR_MISSING) {
		fputs("stored     nothing under this UID any more\n", stdout);
		ok = true;
	}
	buf_fini(&stored);
	arena_fini(&arena);
	return ok;
}

static const char *
reason_text(const char *reason)
{
	static const char *const texts[][2] = {
	    {QUARANTINE_DIFFERS, "a second arrival with other bytes"},
	    {QUARANTINE_REPLACED, "another one was accepted in its place"},
	    {QUARANTINE_TORN, "an unclean stop left it cut"},
	    {QUARANTINE_CHANGED, "it is not what was received"},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(texts); i++)
		if (!strcmp(texts[i][0], reason))
			return texts[i][1];
	return "";
}

static void
put_facts(const struct quarantined *q)
{
	char when[CLOCK_ISO_ROOM];
	size_t i;

	printf("number     %" PRId64 "\nreason     %s: %s\n", q->id, q->reason,
	    reason_text(q->reason));
	printf("arrived    %s\nsource     ", clock_iso(q->arrived_ms, when));
	verb_put(stdout, q->source[0] != '\0' ? q->source : "-");
	fputs("\ninstance   ", stdout);
	verb_put(stdout, q->sop_instance[0] != '\0' ? q->sop_instance : "-");
	printf("\nsize       %" PRIu64 " bytes\nsha-256    ", q->size);
	for (i = 0; i < sizeof(q->sha256); i++)
		printf("%02x", q->sha256[i]);
	fputs("\nfile       quarantine/", stdout);
	verb_put(stdout, q->path);
	putchar('\n');
}

static bool
show(struct request *r, struct err *e)
{
	struct quarantined q;
	struct buf text;
	struct err why;
	int64_t id = 0;
	bool ok;
	int fd;

	if (!take_id(r->words.at[1], &id, e) ||
	    !quarantine_find(r->store, id, &q, e))
		return false;
	put_facts(&q);
	if (!quarantine_file(r->store, &q, &fd, e))
		return false;
	buf_init(&text, TEXT_MAX);
	ok = dump_fd(fd, &text, &why);
	os_close(&fd);
	if (!ok) {
		fputs("content    ", stdout);
		verb_put(stdout, why.text);
		putchar('\n');
	}
	ok = !ok || q.sop_instance[0] == '\0' ||
	     show_stored(r, &q, buf_str(&text), e);
	buf_fini(&text);
	return ok;
}

static bool
copy(int from, int to, const char *path, struct err *e)
{
	uint8_t *block = must_alloc(BLOCK_IO);
	bool ok = true;
	ssize_t n;

	while (ok && (n = os_read_full(from, block, BLOCK_IO)) != 0)
		if (n < 0)
			ok = fail_errno(e, "cannot read the quarantined file");
		else if (!os_write_all(to, str_of(block, (size_t)n)))
			ok = fail_errno(e, "cannot write '%s'", path);
	free(block);
	if (ok && os->fsync(to) != 0 && errno != EINVAL)
		ok = fail_errno(e, "cannot flush '%s'", path);
	return ok;
}

static bool
export_one(struct request *r, struct err *e)
{
	const char *path = r->words.at[2];
	struct quarantined q;
	int64_t id = 0;
	int from, to;
	bool ok;

	if (!take_id(r->words.at[1], &id, e) ||
	    !quarantine_find(r->store, id, &q, e) ||
	    !quarantine_file(r->store, &q, &from, e))
		return false;
	to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0) {
		os_close(&from);
		return fail_errno(e, "cannot make '%s'", path);
	}
	ok = copy(from, to, path, e);
	os_close(&from);
	os_close(&to);
	if (!ok)
		(void)unlink(path);
	return ok;
}

static bool
accept_one(struct request *r, int64_t id, struct err *e)
{
	static const char *const texts[] = {
	    [ACCEPT_REPLACED] = "accepted; what was stored is in quarantine",
	    [ACCEPT_STORED] = "accepted",
	    [ACCEPT_SAME] = "is what is stored already; removed here",
	};
	enum accept_outcome outcome;

	if (!quarantine_accept(r->store, id, &outcome, e))
		return fail_in(e, "%" PRId64, id);
	printf("%" PRId64 ": %s\n", id, texts[outcome]);
	return true;
}

static bool
discard_one(struct request *r, int64_t id, struct err *e)
{
	if (!quarantine_discard(r->store, id, e))
		return fail_in(e, "%" PRId64, id);
	printf("%" PRId64 ": deleted\n", id);
	return true;
}

static bool
discard_listed(void *ctx, const struct quarantined *q, struct err *e)
{
	return discard_one(ctx, q->id, e);
}

/* Each of the numbers; all of them are looked at before the first is done. */
static bool
decide(struct request *r, bool (*one)(struct request *, int64_t, struct err *),
    struct err *e)
{
	int64_t id = 0;
	size_t i;

	for (i = 1; i < r->words.n; i++)
		if (!take_id(r->words.at[i], &id, e))
			return false;
	for (i = 1; i < r->words.n; i++)
		if (!take_id(r->words.at[i], &id, e) || !one(r, id, e))
			return false;
	return true;
}

static bool
accept_all(struct request *r, struct err *e)
{
	return decide(r, accept_one, e);
}

static bool
discard_all(struct request *r, struct err *e)
{
	if (r->all)
		return each(r->store, discard_listed, r, e);
	return decide(r, discard_one, e);
}

static const struct action {
	const char *name;
	size_t min, max; /* words, the name among them */
	bool (*run)(struct request *r, struct err *e);
} actions[] = {
    {"list", 1, 1, list},
    {"show", 2, 2, show},
    {"export", 3, 3, export_one},
    {"accept", 2, SIZE_MAX, accept_all},
    {"discard", 2, SIZE_MAX, discard_all},
};

static bool
act(struct request *r, struct err *e)
{
	const char *name = r->words.n > 0 ? r->words.at[0] : "";
	const struct action *a = NULL;
	int64_t id = 0;
	size_t i;
	bool done;

	for (i = 0; i < ARRAY_LEN(actions); i++)
		if (!strcmp(actions[i].name, name))
			a = &actions[i];
	if (a == NULL)
		return fail(e, ERR_USAGE,
		    "quarantine: '%s' is not allowed; allowed: list, show, "
		    "export, accept or discard",
		    name);
	if (r->all && (a->run != discard_all || r->words.n > 1))
		return fail(e, ERR_USAGE,
		    "--all belongs to 'discard', without numbers");
	if (!r->all && !options_words(&r->words, a->min, a->max, e))
		return false;
	/* A wrong command line opens nothing. */
	if (r->words.n > 1 && !take_id(r->words.at[1], &id, e))
		return false;
	if (!verb_store(&r->store, r->data, false, e))
		return false;
	done = a->run(r, e);
	store_close(&r->store);
	return done;
}

static int
run(int argc, char **argv)
{
	struct request r = {.store = NULL};
	const char *data = NULL;
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &data},
	    {"--all", OPTION_FLAG, &r.all},
	};
	struct err e;
	bool done;

	done = options_parse(
	    argc, argv, options, ARRAY_LEN(options), &r.words, &e);
	r.data = verb_data(data);
	done = done && act(&r, &e);
	words_free(&r.words);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_quarantine = {
    .name = "quarantine",
    .summary = "What was set aside: second arrivals, damaged files",
    .usage = "quarantine list\n"
	     "quarantine show NUMBER\n"
	     "quarantine export NUMBER FILE\n"
	     "quarantine accept NUMBER...\n"
	     "quarantine discard NUMBER...|--all",
    .help =
	"Objects whose UID was there already with other bytes, and files that\n"
	"are not what was received. 'show' says in what one differs from what\n"
	"is stored. 'accept' lets it take that one's place, which goes to\n"
	"quarantine in its turn; damaged files cannot be accepted. 'discard'\n"
	"deletes for good. 'export' writes the file as it lies there.\n",
    .run = run,
};
