/*
 * Files of messages, a batch at a time: one flush serves many, and memory is
 * that of a batch.
 */
#include "service/hl7/file.h"

#include "base/limit.h"

#define BATCH_MESSAGES 256
#define BATCH_BYTES    (1 * MIB)
/* A batch of small messages, or one as large as a file. */
#define BATCH_ARENA (8 * HL7_FILE_MAX)

struct taking {
	struct store *store;
	const struct hl7_intake_config *config;
	const char *source;
	hl7_file_report *report;
	void *ctx;
	struct hl7_file *out;
	struct arena arena;
	struct str messages[BATCH_MESSAGES];
	struct hl7_result results[BATCH_MESSAGES];
	size_t n, bytes;
};

static void
note(struct taking *t, const struct hl7_result *r)
{
	struct hl7_file *out = t->out;

	if (r->journal_id == 0) {
		out->again = true;
		(void)str_copy(out->again_why, sizeof(out->again_why),
		    str_from(r->problem.text));
		return;
	}
	out->taken += r->code == ACK_ACCEPT;
	out->repeated += r->repeated;
	out->refused += r->code != ACK_ACCEPT;
}

static void
take(struct taking *t)
{
	size_t i;

	arena_reset(&t->arena);
	hl7_take(t->store, t->config, t->source, t->messages, t->n, &t->arena,
	    t->results);
	for (i = 0; i < t->n; i++) {
		note(t, &t->results[i]);
		t->out->messages++;
		if (t->report != NULL)
			t->report(t->ctx, t->out->messages, &t->results[i]);
	}
	t->n = t->bytes = 0;
}

void
hl7_take_file(struct store *s, const struct hl7_intake_config *config,
    const char *source, struct str bytes, hl7_file_report *report, void *ctx,
    struct hl7_file *out)
{
	struct taking *t = must_zalloc(sizeof(*t));
	struct str message;

	*out = (struct hl7_file){0};
	t->store = s;
	t->config = config;
	t->source = source;
	t->report = report;
	t->ctx = ctx;
	t->out = out;
	arena_init(&t->arena, BATCH_ARENA);
	while (!out->again && er7_split(&bytes, &message)) {
		t->messages[t->n++] = message;
		t->bytes += message.n;
		if (t->n == BATCH_MESSAGES || t->bytes >= BATCH_BYTES)
			take(t);
	}
	if (t->n > 0 && !out->again)
		take(t);
	arena_fini(&t->arena);
	free(t);
}

static const char *
outcome(const struct hl7_result *r)
{
	if (r->code == ACK_ACCEPT)
		return r->repeated ? "taken before" : "taken";
	return r->code == ACK_REJECT ? "rejected" : "refused";
}

void
hl7_file_words(
    size_t number, const struct hl7_result *r, char *out, size_t room)
{
	char place[24] = "", what[100] = "", head[32] = "message";

	if (number > 0)
		snprintf(head, sizeof(head), "message %zu", number);
	if (r->type[0] != '\0' || r->control_id[0] != '\0')
		snprintf(what, sizeof(what), " (%s%s%s)", r->type,
		    r->control_id[0] != '\0' ? ", control id " : "",
		    r->control_id);
	if (r->code == ACK_ACCEPT) {
		snprintf(out, room, "%s%s: %s", head, what, outcome(r));
		return;
	}
	if (r->problem.segment[0] != '\0' && r->problem.field > 0)
		snprintf(place, sizeof(place), " (%s-%u)", r->problem.segment,
		    r->problem.field);
	else if (r->problem.segment[0] != '\0')
		snprintf(place, sizeof(place), " (%s)", r->problem.segment);
	snprintf(out, room, "%s%s: %s: %s%s", head, what, outcome(r),
	    r->problem.text, place);
}
