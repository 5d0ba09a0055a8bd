/*
 * 'hl7 send' and 'hl7 compare'.
 */
#include "app/worklist/hl7.h"

#include "hl7/compare.h"

struct sending {
	struct hl7_request *r;
	struct hl7_peer peer;
	struct hl7_call *call;
	const char *path;
	size_t sent, declined;
};

static bool
send_one(void *ctx, struct str message, size_t number, struct err *e)
{
	struct sending *s = ctx;
	char what[300];

	snprintf(what, sizeof(what), "%.200s, message %zu", s->path, number);
	if (s->r->queue)
		return hl7_peer_queue(&s->peer, s->r->store, message, what, e);
	s->sent++;
	if (hl7_peer_send(&s->peer, &s->call, s->r->store, message, what, e))
		return true;
	if (e->code != ERR_DENIED || s->call == NULL)
		return false;
	/* Refused: the others may be taken. */
	s->declined++;
	(void)verb_error(e);
	return true;
}

bool
hl7_send(struct hl7_request *r, struct err *e)
{
	struct sending s = {.r = r};
	size_t i;
	bool ok;

	ok = hl7_want_store(r, e) &&
	     hl7_peer_find(&s.peer, r->store, &r->settings, r->words.at[1],
		 r->tls, r->timeout, e);
	for (i = 2; ok && i < r->words.n; i++) {
		s.path = r->words.at[i];
		ok = messages_each(s.path, send_one, &s, e);
	}
	hl7_call_close(&s.call);
	hl7_peer_fini(&s.peer);
	if (ok && s.declined > 0)
		return fail(e, ERR_DENIED, "%zu of %zu messages were not taken",
		    s.declined, s.sent);
	return ok;
}

/* The first message of a file. */
static bool
read_first(
    const char *path, struct arena *a, struct er7_message *out, struct err *e)
{
	struct str rest, message;
	struct buf bytes;
	bool ok;

	buf_init(&bytes, MESSAGES_FILE_MAX + 64 * KIB);
	ok = messages_read_file(path, &bytes, e);
	rest = buf_str(&bytes);
	if (ok && !er7_split(&rest, &message))
		ok = fail(e, ERR_MALFORMED, "there is no HL7 message in it");
	ok = ok && er7_parse(a, message, "UTF-8", out, e);
	buf_fini(&bytes);
	return ok || fail_in(e, "%s", path);
}

bool
hl7_compare(struct hl7_request *r, struct err *e)
{
	const char *left = r->words.at[1], *right = r->words.at[2];
	struct er7_message a, b;
	size_t differences = 0;
	struct arena arena;
	struct buf out;
	bool ok;

	arena_init(&arena, 8 * MESSAGES_FILE_MAX);
	buf_init(&out, 4 * MESSAGES_FILE_MAX);
	ok =
	    read_first(left, &arena, &a, e) && read_first(right, &arena, &b, e);
	if (ok) {
		compare_text(&arena, &a, &b, &out, &differences);
		fputs(buf_cstr(&out), stdout);
		printf("%zu %s\n", differences,
		    differences == 1 ? "difference" : "differences");
	}
	if (ok && r->html != NULL) {
		buf_clear(&out);
		compare_html(&arena, left, &a, right, &b, &out);
		ok = text_write_file(r->html, buf_str(&out), e);
	}
	buf_fini(&out);
	arena_fini(&arena);
	return ok;
}
