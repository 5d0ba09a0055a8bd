/*
 * 'worklist import', 'export' and 'send': items as HL7 messages.
 */
#include "app/worklist/worklist.h"

#include "base/clock.h"
#include "service/hl7/file.h"

#include <inttypes.h>

#define ARENA (1 * MIB)

/* Whose message it is, and to whom. */
struct envelope {
	const char *application, *facility;
	const char *to_application, *to_facility;
};

/* The message of an item, appended. */
static bool
build(struct worklist_request *r, const char *word, const struct envelope *v,
    struct buf *out, struct err *e)
{
	static unsigned serial;
	char now[15], control[40];
	struct order_sender sender = {.application = v->application,
	    .facility = v->facility,
	    .receiving_application = v->to_application,
	    .receiving_facility = v->to_facility,
	    .control_id = control,
	    .now = now};
	struct item item;
	struct arena a;
	int64_t id;
	bool ok;

	now_text(now);
	/* MSH-10 has 20 characters; none twice, whoever else sends. */
	snprintf(control, sizeof(control), "%" PRIX64 "-%X",
	    (uint64_t)clock_utc_ms(), serial++ & 0xfff);
	arena_init(&a, ARENA);
	ok = take_id("a worklist item", word, &id, e) &&
	     item_find(r->store, id, &a, &item, e);
	if (ok)
		order_build(out, item.value, item.status, "NW", &sender);
	arena_fini(&a);
	return ok;
}

static struct envelope
envelope_of(struct worklist_request *r, const struct hl7_peer *p)
{
	const struct setting_value *at = r->settings.at;

	return (struct envelope){
	    .application = at[SETTING_HL7_SENDING_APPLICATION].text,
	    .facility = at[SETTING_HL7_SENDING_FACILITY].text,
	    .to_application = r->application != NULL ? r->application
			      : p != NULL            ? p->application
						     : "",
	    .to_facility = r->facility != NULL ? r->facility
			   : p != NULL         ? p->facility
					       : "",
	};
}

static bool
check_ids(const struct words *words, size_t first, size_t end, struct err *e)
{
	int64_t id;

	for (; first < end; first++)
		if (!take_id("a worklist item", words->at[first], &id, e))
			return false;
	return true;
}

bool
worklist_export(struct worklist_request *r, struct err *e)
{
	struct envelope v;
	struct buf out;
	size_t i;
	bool ok;

	if (!check_ids(&r->words, 1, r->words.n, e) ||
	    !worklist_open(r, false, e))
		return false;
	v = envelope_of(r, NULL);
	buf_init(&out, MESSAGES_FILE_MAX);
	ok = true;
	for (i = 1; ok && i < r->words.n; i++)
		ok = build(r, r->words.at[i], &v, &out, e);
	if (ok && out.over)
		ok = fail(e, ERR_LIMIT, "too many items for one file");
	if (ok && r->out != NULL && strcmp(r->out, "-") != 0)
		ok = text_write_file(r->out, buf_str(&out), e);
	else if (ok)
		ok = fwrite(out.p, 1, out.n, stdout) == out.n ||
		     fail_errno(e, "cannot write to standard output");
	buf_fini(&out);
	return ok;
}

bool
worklist_send(struct worklist_request *r, struct err *e)
{
	size_t last = r->words.n - 1, i, declined = 0;
	struct hl7_call *call = NULL;
	struct hl7_peer peer = {0};
	struct envelope v;
	struct buf out;
	char what[60];
	bool ok;

	if (!check_ids(&r->words, 1, last, e) || !worklist_open(r, false, e))
		return false;
	ok = hl7_peer_find(&peer, r->store, &r->settings, r->words.at[last],
	    r->tls, r->timeout, e);
	v = envelope_of(r, &peer);
	buf_init(&out, LIMIT_HL7_FRAME);
	for (i = 1; ok && i < last; i++) {
		buf_clear(&out);
		snprintf(what, sizeof(what), "item %.20s", r->words.at[i]);
		ok = build(r, r->words.at[i], &v, &out, e) &&
		     (r->queue ? hl7_peer_queue(
				     &peer, r->store, buf_str(&out), what, e)
			       : hl7_peer_send(&peer, &call, r->store,
				     buf_str(&out), what, e));
		if (!ok && e->code == ERR_DENIED && call != NULL) {
			declined++;
			ok = true;
			(void)verb_error(e);
		}
	}
	hl7_call_close(&call);
	hl7_peer_fini(&peer);
	buf_fini(&out);
	if (ok && declined > 0)
		return fail(e, ERR_DENIED, "%zu of %zu items were not taken",
		    declined, last - 1);
	return ok;
}

static void
say_refused(void *ctx, size_t number, const struct hl7_result *r)
{
	char words[400];

	if (r->code == ACK_ACCEPT || r->journal_id == 0)
		return;
	hl7_file_words(number, r, words, sizeof(words));
	verb_put(stderr, ctx);
	fputs(", ", stderr);
	verb_put(stderr, words);
	fputc('\n', stderr);
}

static bool
import_one(struct worklist_request *r, const struct hl7_intake_config *c,
    const char *path, struct hl7_file *sum, struct err *e)
{
	struct hl7_file file = {0};
	struct buf bytes;
	bool ok;

	buf_init(&bytes, MESSAGES_FILE_MAX + 64 * KIB);
	ok = messages_read_file(path, &bytes, e);
	if (ok)
		hl7_take_file(r->store, c, path, buf_str(&bytes), say_refused,
		    (void *)(uintptr_t)path, &file);
	buf_fini(&bytes);
	if (!ok)
		return false;
	sum->messages += file.messages;
	sum->taken += file.taken;
	sum->refused += file.refused;
	if (file.again)
		return fail(e, ERR_IO, "%s: %s", path, file.again_why);
	return file.messages > 0 ||
	       fail(e, ERR_MALFORMED,
		   "there is no HL7 message in '%s': none of its lines begins "
		   "with MSH",
		   path);
}

bool
worklist_import(struct worklist_request *r, struct err *e)
{
	struct hl7_intake_config c;
	struct hl7_file sum = {0};
	bool ok = true;
	struct err one;
	size_t i;

	if (!worklist_open(r, true, e))
		return false;
	worklist_intake(&r->settings, &c);
	/* Who imports a file wants what is in it, though it came before. */
	c.replay = true;
	for (i = 1; i < r->words.n; i++) {
		if (import_one(r, &c, r->words.at[i], &sum, &one))
			continue;
		/* The others are taken all the same. */
		if (!ok)
			(void)verb_error(e);
		*e = one;
		ok = false;
	}
	printf("taken: %zu\nrefused: %zu\n", sum.taken, sum.refused);
	if (ok && sum.refused > 0)
		return fail(e, ERR_DENIED,
		    "%zu of %zu messages were not taken ('fileroom hl7 journal "
		    "list --failed' shows them)",
		    sum.refused, sum.messages);
	return ok;
}
