/*
 * One turn: gather the frames that are there, at most a batch; hand all their
 * messages to the intake at once, which flushes once; write all answers.
 *
 * A frame lies in the buffer of struct mllp until the next byte is fed: small
 * ones are copied into the turn's arena, a large one is left there and ends
 * the batch.
 */
#include "service/hl7/talk.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "service/hl7/token_query.h"
#include "store/table/activity.h"
#include "store/table/node.h"

#include <inttypes.h>

/* Frames above this are not copied. */
#define LARGE (256 * KIB)
/* Of somebody who may not send, no more than what names him is read. */
#define STRANGER_FRAME (64 * KIB)
/* Answers leave when there is this much of them. */
#define WRITE_AT (256 * KIB)
#define OUT_CAP  (64 * MIB)

struct frame {
	struct str bytes;
	const char *broken; /* why it is not whole, or NULL */
	bool query;
};

/* What goes to the intake at once. */
struct chunk {
	struct str messages[LIMIT_HL7_BATCH];
	const char *broken[LIMIT_HL7_BATCH];
	struct hl7_result results[LIMIT_HL7_BATCH];
	size_t n;
};

struct turn {
	struct talk *talk;
	struct conn *conn;
	const struct talk_rules *rules;
	struct arena kept; /* copies of frames */
	struct arena work; /* of one chunk */
	struct frame frames[LIMIT_HL7_BATCH];
	size_t n, bytes;
	bool full;  /* no more into this batch */
	bool ended; /* nothing more comes: why */
	bool deaf;  /* it takes no more answers */
	struct err why;
	struct chunk chunk;
	struct buf out;
};

void
talk_init(struct talk *t)
{
	*t = (struct talk){.start_ms = clock_utc_ms()};
	mllp_init(&t->mllp);
}

void
talk_fini(struct talk *t, atomic_size_t *held)
{
	atomic_fetch_sub(held, t->held);
	t->held = 0;
	mllp_fini(&t->mllp);
}

void
talk_idle(struct talk *t)
{
	mllp_idle(&t->mllp);
}

/* Only the memory of unfinished frames counts: the rest is a turn's. Returns
 * what all connections hold. */
static size_t
account(struct talk *t, atomic_size_t *held)
{
	size_t now = mllp_unfinished(&t->mllp).n;
	size_t before = t->held;

	t->held = now;
	if (now > before)
		return atomic_fetch_add(held, now - before) + (now - before);
	return atomic_fetch_sub(held, before - now) - (before - now);
}

static void
end_with(struct turn *x, const struct err *why)
{
	x->full = true;
	if (x->ended)
		return;
	x->ended = true;
	x->why = *why;
}

static void
add(struct turn *x, struct str frame, const char *broken, bool query)
{
	struct str bytes = frame;

	if (frame.n > LARGE)
		x->full = true;
	else
		bytes = arena_dup(&x->kept, frame);
	x->frames[x->n++] = (struct frame){bytes, broken, query};
	x->bytes += frame.n;
	if (x->n == LIMIT_HL7_BATCH || x->bytes >= LIMIT_HL7_BATCH_BYTES)
		x->full = true;
}

/* The frame that is being received is given up, and with it the connection:
 * where the next one begins is not known. */
static void
give_up(struct turn *x, const char *why)
{
	struct err e;

	add(x, mllp_unfinished(&x->talk->mllp), why, false);
	(void)fail(&e, ERR_LIMIT, "%s", why);
	end_with(x, &e);
}

static void
check_frame(struct turn *x)
{
	struct talk *t = x->talk;
	size_t held = account(t, x->rules->held);

	if (x->full)
		return;
	if (!x->rules->messages && t->held > STRANGER_FRAME)
		give_up(x, "a large message of somebody unknown");
	else if (held > LIMIT_HL7_HELD && t->held > LARGE)
		give_up(x, "too many large messages come at once: send it "
			   "again later");
}

/* What was received goes to the state machine until the batch is full. */
static size_t
feed(struct turn *x, struct str in)
{
	size_t before = in.n;
	enum mllp_kind kind;
	const char *why;
	struct str out;
	struct err e;

	while (in.n > 0 && !x->full) {
		if (!mllp_feed(&x->talk->mllp, &in, &kind, &out, &why, &e)) {
			end_with(x, &e);
			break;
		}
		if (kind == MLLP_MESSAGE || kind == MLLP_QUERY)
			add(x, out, NULL, kind == MLLP_QUERY);
		else if (kind == MLLP_DROPPED)
			add(x, out, why, false);
	}
	return before - in.n;
}

static bool
is_http(struct str s)
{
	static const char *const methods[] = {"GET /", "HEAD /", "POST /",
	    "PUT /", "DELETE /", "OPTIONS ", "CONNECT ", "PRI * HTTP"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(methods); i++)
		if (str_starts(s, str_from(methods[i])))
			return true;
	return false;
}

/* The first bytes: who has come to the wrong door is told so. */
static bool
check_first(struct turn *x, struct str in)
{
	static const char words[] = "This is an HL7 port: it speaks MLLP.\n";
	struct err e;

	x->talk->began = true;
	if (is_http(in)) {
		buf_printf(&x->out,
		    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
		    "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
		    sizeof(words) - 1, words);
		(void)fail(
		    &e, ERR_PROTOCOL, "an HTTP request came to the HL7 port");
	} else if (in.n >= 6 && in.p[0] == 1 && in.p[1] == 0 && in.p[2] == 0) {
		(void)fail(&e, ERR_PROTOCOL, "DICOM came to the HL7 port");
	} else {
		return true;
	}
	end_with(x, &e);
	return false;
}

/* The peer sends no more: what is there may be a whole message. */
static void
finish(struct turn *x)
{
	enum mllp_kind kind;
	const char *why;
	struct str out;

	mllp_end(&x->talk->mllp, &kind, &out, &why);
	if (kind != MLLP_NOTHING)
		add(x, out, why, false);
}

/* All that has come, up to a batch. */
static void
gather(struct turn *x)
{
	struct conn *c = x->conn;
	struct str in;
	struct err e;
	bool more = true;
	size_t n;

	while (more && !x->full) {
		more = conn_look(c, &in, &e);
		if (in.n > 0 && !x->talk->began && !check_first(x, in))
			return;
		n = feed(x, in);
		conn_cut(c, 0, n);
		check_frame(x);
		if (more && in.n == 0)
			return;
	}
	/* While bytes are left the next turn finds the end again. */
	if (!more && !x->full) {
		finish(x);
		end_with(x, &e);
	}
}

/* A frame began, goes on, or has ended. */
static void
note_frame(struct talk *t, const struct conn *c, const struct talk_rules *rules)
{
	(void)account(t, rules->held);
	if (!mllp_open(&t->mllp)) {
		t->frame_ms = 0;
	} else if (t->frame_ms == 0) {
		t->frame_ms = clock_mono_ms();
		t->frame_from = c->bytes_in;
	}
}

int64_t
talk_deadline(const struct talk *t, const struct conn *c)
{
	int64_t now = clock_mono_ms(), bytes, by_rate;

	if (t->frame_ms == 0)
		return 0;
	bytes = (int64_t)(c->bytes_in - t->frame_from);
	by_rate =
	    t->frame_ms + WAIT_HL7_FRAME_MS + bytes * 1000 / LIMIT_RATE_BYTES_S;
	return by_rate < now + WAIT_HL7_FRAME_MS ? by_rate
						 : now + WAIT_HL7_FRAME_MS;
}

static void
write_out(struct turn *x)
{
	struct err e;

	if (x->out.n == 0)
		return;
	conn_message_begin(x->conn);
	/* What it has sent takes effect all the same, but it is waited for
	 * once only. */
	if (!x->deaf && !conn_write(x->conn, buf_str(&x->out), &e)) {
		x->deaf = true;
		end_with(x, &e);
	}
	conn_message_end(x->conn);
	buf_clear(&x->out);
}

static void
answer(struct turn *x, const struct ack_out *ack)
{
	size_t i;

	for (i = 0; x->rules->send_ack && i < ack->n; i++)
		mllp_frame(&x->out, ack->text[i]);
	if (x->out.n >= WRITE_AT)
		write_out(x);
}

static void
note_result(struct turn *x, const struct hl7_result *r)
{
	struct talk *t = x->talk;
	char type[40], id[80], from[80], entry[48];

	(void)str_copy(
	    t->application, sizeof(t->application), str_from(r->application));
	(void)str_copy(t->facility, sizeof(t->facility), str_from(r->facility));
	if (r->code == ACK_ACCEPT) {
		t->taken++;
		return;
	}
	t->refused++;
	if (r->journal_id == 0)
		(void)str_copy(
		    entry, sizeof(entry), STR("it is to be sent again"));
	else
		snprintf(entry, sizeof(entry), "journal entry %" PRId64,
		    r->journal_id);
	log_warning("hl7", "refused %s '%s' of '%s' at %s (%s)",
	    str_printable(type, sizeof(type), str_from(r->type)),
	    str_printable(id, sizeof(id), str_from(r->control_id)),
	    str_printable(from, sizeof(from), str_from(r->application)),
	    x->conn->peer.address, entry);
}

static void
take_chunk(struct turn *x)
{
	struct chunk *k = &x->chunk;
	size_t i;

	hl7_take_stream(x->rules->store, &x->rules->intake,
	    x->conn->peer.address, k->messages, k->broken, k->n, &x->work,
	    k->results);
	for (i = 0; i < k->n; i++) {
		note_result(x, &k->results[i]);
		answer(x, &k->results[i].ack);
	}
	k->n = 0;
	arena_reset(&x->work);
}

static void
add_message(struct turn *x, struct str message, const char *broken)
{
	struct chunk *k = &x->chunk;

	k->messages[k->n] = message;
	k->broken[k->n] = broken;
	if (++k->n == LIMIT_HL7_BATCH)
		take_chunk(x);
}

/* A frame may hold a batch, or several messages without its wrappers. */
static void
take_frame(struct turn *x, const struct frame *f)
{
	struct str rest = f->bytes, message;
	bool any = false;

	while (f->broken == NULL && er7_split(&rest, &message)) {
		add_message(x, message, NULL);
		any = true;
	}
	if (!any)
		add_message(x, f->bytes, f->broken);
}

static void
take_query(struct turn *x, const struct frame *f)
{
	take_chunk(x);
	x->talk->queries++;
	token_query_answer(x->rules->store, f->bytes, x->rules->form_2023,
	    x->rules->intake.charset, &x->work, &x->out);
	arena_reset(&x->work);
	if (x->out.n >= WRITE_AT)
		write_out(x);
}

/* MSH-3 of what he sent, for the operator who may make a node of him. */
static void
name_stranger(struct turn *x, struct str frame)
{
	struct er7_message m;
	struct err e;

	if (!er7_parse(&x->work, frame, x->rules->intake.charset, &m, &e))
		return;
	(void)str_printable(x->talk->application, sizeof(x->talk->application),
	    er7_get(&x->work, &m, "MSH", 3, 1));
}

/* Somebody who may not do this is told so once, and it is over. */
static void
turn_away(struct turn *x, const struct frame *f)
{
	static const char queries[] =
	    "a token query of somebody who is no HL7 node";
	static const char messages[] =
	    "the sender is no HL7 node here (hl7.access is 'known')";
	struct ack_out ack;
	struct err e;

	x->talk->refused++;
	name_stranger(x, f->bytes);
	if (f->query) {
		/* The form has no other words for no. */
		buf_text(&x->out, "\x10\r");
	} else {
		hl7_turn_away(
		    &x->rules->intake, f->bytes, messages, &x->work, &ack);
		answer(x, &ack);
	}
	(void)fail(&e, ERR_DENIED, "%s", f->query ? queries : messages);
	x->ended = false;
	end_with(x, &e);
}

static void
take_frames(struct turn *x)
{
	const struct frame *f;
	size_t i;

	for (i = 0; i < x->n; i++) {
		f = &x->frames[i];
		if (f->query ? !x->rules->queries : !x->rules->messages) {
			take_chunk(x);
			turn_away(x, f);
			return;
		}
		if (f->query)
			take_query(x, f);
		else
			take_frame(x, f);
	}
	take_chunk(x);
}

static struct turn *
turn_new(struct talk *t, struct conn *c, const struct talk_rules *rules)
{
	struct turn *x = must_alloc(sizeof(*x));

	x->talk = t;
	x->conn = c;
	x->rules = rules;
	arena_init(&x->kept, 2 * (LIMIT_HL7_BATCH_BYTES + LARGE));
	arena_init(&x->work, LIMIT_HL7_EXCHANGE);
	buf_init(&x->out, OUT_CAP);
	x->n = x->bytes = x->chunk.n = 0;
	x->full = x->ended = x->deaf = false;
	return x;
}

/* Takes effect and is answered; whether the talk goes on. */
static bool
turn_end(struct turn *x, struct err *e)
{
	bool goes_on;

	take_frames(x);
	write_out(x);
	goes_on = !x->ended;
	if (!goes_on)
		*e = x->why;
	note_frame(x->talk, x->conn, x->rules);
	buf_fini(&x->out);
	arena_fini(&x->work);
	arena_fini(&x->kept);
	free(x);
	return goes_on;
}

bool
talk_turn(struct talk *t, struct conn *c, const struct talk_rules *rules,
    struct err *e)
{
	struct turn *x = turn_new(t, c, rules);

	gather(x);
	return turn_end(x, e);
}

void
talk_late(struct talk *t, struct conn *c, const struct talk_rules *rules)
{
	struct turn *x = turn_new(t, c, rules);
	struct str begun = mllp_unfinished(&t->mllp);
	struct err e;

	if (begun.n > 0)
		add(x, begun, "the message did not come to its end", false);
	(void)turn_end(x, &e);
}

static void
record_refused(const struct talk *t, const struct conn *c, struct store *store,
    const struct err *why)
{
	struct refusal r = {.count = 1};

	log_warning("hl7", "refused %s: %s", c->peer.address, why->text);
	(void)str_copy(r.calling, sizeof(r.calling), str_from(t->application));
	(void)str_copy(r.called, sizeof(r.called), STR("HL7"));
	(void)str_copy(r.address, sizeof(r.address), str_from(c->peer.address));
	(void)str_copy(r.reason, sizeof(r.reason), str_from(why->text));
	r.first_ms = r.last_ms = clock_utc_ms();
	refusal_record(store, &r);
}

static const char *
end_text(const struct err *why)
{
	switch (why->code) {
	case ERR_CLOSED:
		return "closed by peer";
	case ERR_TIMEOUT:
		return "timed out";
	case ERR_CANCELLED:
		return "stopped";
	default:
		return "closed";
	}
}

static void
record_activity(const struct talk *t, const struct conn *c, struct store *store,
    const struct err *why)
{
	struct activity row = {
	    .protocol = "hl7",
	    .start_ms = t->start_ms,
	    .end_ms = clock_utc_ms(),
	    .bytes_in = c->bytes_in,
	    .bytes_out = c->bytes_out,
	    .stores = (uint32_t)(t->taken + t->refused),
	    .stores_failed = (uint32_t)t->refused,
	    .finds = (uint32_t)t->queries,
	};

	(void)str_copy(
	    row.calling, sizeof(row.calling), str_from(t->application));
	(void)str_copy(row.called, sizeof(row.called), str_from(t->facility));
	(void)str_copy(
	    row.address, sizeof(row.address), str_from(c->peer.address));
	(void)str_copy(row.end, sizeof(row.end), str_from(end_text(why)));
	if (why->code != ERR_CLOSED)
		(void)str_printable(
		    row.detail, sizeof(row.detail), str_from(why->text));
	log_info("hl7",
	    "connection from %s %s after %lld ms: %" PRIu64
	    " messages taken, %" PRIu64 " refused, %" PRIu64 " token queries",
	    row.address, row.end, (long long)(row.end_ms - row.start_ms),
	    t->taken, t->refused, t->queries);
	activity_record(store, &row);
}

void
talk_record(const struct talk *t, const struct conn *c, struct store *store,
    const struct err *why)
{
	switch (why->code) {
	case ERR_PROTOCOL:
	case ERR_MALFORMED:
	case ERR_LIMIT:
	case ERR_DENIED:
		record_refused(t, c, store, why);
		break;
	default:
		break;
	}
	if (t->taken + t->refused + t->queries > 0)
		record_activity(t, c, store, why);
	else
		log_debug("hl7", "nothing was said from %s: %s",
		    c->peer.address, why->text);
}
