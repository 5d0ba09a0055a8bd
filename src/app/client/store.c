/*
 * 'store': C-STORE as user (PS3.4 Annex B): files, or studies of the archive.
 */
#include "app/client/send.h"

#include "base/limit.h"
#include "service/job/job_send.h"
#include "store/index/index.h"

#include <inttypes.h>

#define WINDOW_DEFAULT 8
#define WINDOW_MOST    64

struct request {
	struct target_options target;
	const char *window;
	bool queue;
	struct words words, studies;
};

static bool
each_row(struct send *s, struct search *search,
    bool (*fn)(struct send *s, const struct index_row *row, struct err *e),
    uint64_t *found, struct err *e)
{
	struct index_row *rows;
	struct arena arena;
	int64_t after = 0;
	size_t n = LIMIT_ROWS, i;
	bool done = true;

	arena_init(&arena, 64 * MIB);
	while (done && n == LIMIT_ROWS && !interrupted()) {
		arena_reset(&arena);
		done = index_search(
		    s->t.store, search, after, &arena, &rows, &n, e);
		for (i = 0; done && i < n; i++) {
			after = rows[i].id;
			done = fn(s, &rows[i], e);
			*found += 1;
		}
	}
	arena_fini(&arena);
	return done;
}

static bool
count_study(struct send *s, const struct index_row *row, struct err *e)
{
	uint64_t n;

	(void)e;
	if (str_u64(row->value[COLUMN_NumberOfStudyRelatedInstances], &n))
		s->total += n;
	return true;
}

static bool
add_instance(struct send *s, const struct index_row *row, struct err *e)
{
	struct sender_item item = {.path = row->path};

	(void)str_copy(item.sop_class, sizeof(item.sop_class),
	    row->value[COLUMN_SOPClassUID]);
	(void)str_copy(item.sop_instance, sizeof(item.sop_instance),
	    row->value[COLUMN_SOPInstanceUID]);
	(void)str_copy(item.syntax, sizeof(item.syntax), row->syntax);
	return send_add(s, &item, (const char *)row->path.p, -1, e);
}

static bool
each_of_study(struct send *s, const char *uid, enum index_level level,
    uint64_t *found, struct err *e)
{
	struct condition condition = {.column = COLUMN_StudyInstanceUID,
	    .kind = CONDITION_IS,
	    .a = str_trim(str_from(uid))};
	struct search search = {
	    .level = level, .conditions = &condition, .count = 1};

	if (level == LEVEL_STUDY) {
		search.want[COLUMN_NumberOfStudyRelatedInstances] = true;
		return each_row(s, &search, count_study, found, e);
	}
	search.want[COLUMN_SOPClassUID] = true;
	search.want[COLUMN_SOPInstanceUID] = true;
	search.want_file = true;
	return each_row(s, &search, add_instance, found, e);
}

/* All studies are looked up before anything is sent. */
bool
send_studies(struct send *s, const struct words *uids, struct err *e)
{
	uint64_t found;
	size_t i;

	s->from_store = true;
	for (i = 0; i < uids->n; i++) {
		found = 0;
		if (!each_of_study(s, uids->at[i], LEVEL_STUDY, &found, e))
			return false;
		if (found == 0)
			return fail(e, ERR_MISSING, "there is no study '%s'",
			    uids->at[i]);
	}
	for (i = 0; i < uids->n; i++)
		if (!each_of_study(s, uids->at[i], LEVEL_INSTANCE, &found, e))
			return false;
	if (interrupted())
		return fail(e, ERR_CANCELLED, "stopped");
	return send_flush(s, e);
}

static void
put_line(const char *what, uint64_t n)
{
	if (n > 0)
		printf("%s: %" PRIu64 "\n", what, n);
}

static bool
summary(struct send *s, bool done, struct err *e)
{
	progress_end(&s->progress);
	printf("sent: %" PRIu64 "\n", s->sent);
	put_line("sent with a warning", s->warned);
	put_line("failed", s->failed);
	put_line("refused here", s->refused);
	put_line("not DICOM, skipped", s->foreign);
	put_line("DICOMDIR, not sent", s->media);
	if (!done)
		return false;
	return s->failed + s->refused == 0 ||
	       fail(e, ERR_UNSUPPORTED, "not everything was sent");
}

static bool
take_window(const char *text, uint16_t *out, struct err *e)
{
	uint64_t n = WINDOW_DEFAULT;

	if (text != NULL &&
	    (!str_u64(str_from(text), &n) || n == 0 || n > WINDOW_MOST))
		return fail(
		    e, ERR_USAGE, "--window: allowed are 1 to %d", WINDOW_MOST);
	*out = (uint16_t)n;
	return true;
}

static bool
send_all(struct send *s, const struct request *q, struct err *e)
{
	uint16_t window = WINDOW_DEFAULT;
	bool done;

	if (q->studies.n > 0 && !target_needs_store(&s->t, e))
		return false;
	if (!take_window(q->window, &window, e) ||
	    !target_node(&s->t, q->words.at[0], &s->t.node, e))
		return false;
	interrupt_catch();
	send_begin(s, window);
	if (q->studies.n > 0)
		done = send_studies(s, &q->studies, e);
	else
		done = send_paths(s, q->words.at + 1, q->words.n - 1, e);
	return summary(s, done, e);
}

/* The server sends it, and goes on until it is there. */
static bool
enqueue(const struct target *t, const struct request *q, struct err *e)
{
	struct job_send what = {.node = q->words.at[0],
	    .studies = q->studies.at,
	    .study_count = q->studies.n};
	int64_t id;

	if (!target_needs_store(t, e) || !job_send_add(t->store, &what, &id, e))
		return false;
	printf("job %" PRId64 " is in the queue ('fileroom jobs show %" PRId64
	       "')\n",
	    id, id);
	return true;
}

static bool
check(const struct request *q, struct err *e)
{
	if (!options_words(&q->words, 1, SIZE_MAX, e))
		return false;
	if ((q->studies.n > 0) != (q->words.n == 1))
		return fail(e, ERR_USAGE, "give either PATHs or --study UIDs");
	if (q->queue && q->studies.n == 0)
		return fail(e, ERR_USAGE, "--queue belongs to --study");
	return true;
}

static bool
store(const struct request *q, struct err *e)
{
	struct send *s;
	bool done;

	if (!check(q, e))
		return false;
	s = send_new();
	done = target_open(&s->t, &q->target, e);
	if (done) {
		done = q->queue ? enqueue(&s->t, q, e) : send_all(s, q, e);
		if (s->sender != NULL)
			sender_free(&s->sender);
		target_close(&s->t);
	}
	send_free(&s);
	return done;
}

static int
run(int argc, char **argv)
{
	struct request q = {.window = NULL};
	const struct option options[] = {TARGET_OPTIONS(q.target),
	    {"--study", OPTION_MANY, &q.studies},
	    {"--queue", OPTION_FLAG, &q.queue},
	    {"--window", OPTION_TEXT, &q.window}};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &q.words, &e) &&
	       store(&q, &e);
	words_free(&q.words);
	words_free(&q.studies);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_store_files = {
    .name = "store",
    .summary = "Send files, or studies of the archive, to a node (C-STORE)",
    .usage = "store NODE PATH...\n"
	     "store NODE --study UID... [--queue]",
    .help =
	"PATH is a DICOM file, a folder (with all that is in it), a zip, or\n"
	"a DICOMDIR. Each is sent as it is where the node takes that transfer\n"
	"syntax, else uncompressed if it can be. NODE: see 'fileroom help\n"
	"echo'. Exit status 1 when something was not sent; each is named with\n"
	"the node's reason.\n\n"
	"  --study UID     a study of the archive; may be given several times\n"
	"  --queue         leave it to the server, which goes on until it is\n"
	"                  there; NODE is then a known one\n"
	"  --window N      so many in flight, if the node grants it\n"
	"                  (default: 8)\n" TARGET_HELP,
    .run = run,
};
