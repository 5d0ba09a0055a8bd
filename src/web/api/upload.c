/*
 * Uploads (F104): files that come in the body of a request, as
 * multipart/form-data or as they are. Each is told by its first bytes: DICOM
 * is stored, a zip is opened and what it holds treated alike, HL7 text becomes
 * orders. Names are for the answer only.
 *
 * Everything is streamed; what is not whole is not kept. Each object is
 * durable before the next one is begun, so after a request that broke off the
 * same files can be sent again: those that are there are told.
 */
#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "service/file/unzip.h"
#include "service/hl7/file.h"
#include "web/api/api.h"
#include "web/http/inside.h"
#include "web/http/multipart.h"

/* Enough to tell what a file is. */
#define PEEK 512
/* Studies of one request that are remembered as its user's. */
#define STUDIES 64

enum outcome {
	OUTCOME_STORED,
	OUTCOME_SAME,
	OUTCOME_QUARANTINED,
	OUTCOME_REPLACED,
	OUTCOME_ORDERS,
	OUTCOME_IGNORED,
	OUTCOME_REFUSED,
	OUTCOME_COUNT
};

static const char *const outcome_names[] = {"stored", "same", "quarantined",
    "replaced", "orders", "ignored", "refused"};

struct taking {
	struct call *call;
	struct json *json;
	struct feed *feed;
	int64_t began_ms;
	bool gone; /* the request has broken off */
	bool full; /* the archive can take no more */
	struct err why;
	uint64_t counts[OUTCOME_COUNT], bytes;
	unsigned good, bad, unlisted;
	struct arrival_seen arrived;
	char studies[STUDIES][65];
	unsigned next_study;
	const char *zip; /* the name of the zip that is being read */
};

/* A file whose first bytes have been looked at. */
struct peek {
	feed_read *read;
	void *ctx;
	size_t n, at;
	uint8_t p[PEEK];
};

static ssize_t
body_read(void *ctx, void *p, size_t n, struct err *e)
{
	struct taking *t = ctx;
	size_t got;

	if (call_read(t->call, p, n, &got, e))
		return (ssize_t)got;
	t->gone = true;
	t->why = *e;
	return -1;
}

static ssize_t
peek_read(void *ctx, void *p, size_t n, struct err *e)
{
	struct peek *k = ctx;

	if (k->at == k->n)
		return k->read(k->ctx, p, n, e);
	n = n < k->n - k->at ? n : k->n - k->at;
	memcpy(p, k->p + k->at, n);
	k->at += n;
	return (ssize_t)n;
}

static bool
peek_fill(struct peek *k, feed_read *read, void *ctx, struct err *e)
{
	ssize_t got = 1;

	k->read = read;
	k->ctx = ctx;
	k->n = k->at = 0;
	while (got > 0 && k->n < PEEK) {
		got = read(ctx, k->p + k->n, PEEK - k->n, e);
		if (got > 0)
			k->n += (size_t)got;
	}
	return got >= 0;
}

/* Does an answer name this one? */
static bool
lists(struct taking *t, enum outcome is)
{
	unsigned *n = is >= OUTCOME_IGNORED ? &t->bad : &t->good;

	t->counts[is]++;
	if (*n < LIMIT_UPLOAD_LISTED) {
		(*n)++;
		return true;
	}
	t->unlisted++;
	return false;
}

static void
put_name(struct taking *t, const char *name)
{
	struct json *j = t->json;

	json_object(j);
	if (t->zip != NULL) {
		json_key(j, "zip");
		json_text(j, t->zip);
	}
	json_key(j, "name");
	json_text(j, name);
}

static void
put_outcome(struct taking *t, enum outcome is)
{
	json_key(t->json, "outcome");
	json_text(t->json, outcome_names[is]);
}

static void
put_head(struct taking *t, const char *name, enum outcome is)
{
	put_name(t, name);
	put_outcome(t, is);
}

static void
put_file(struct taking *t, const char *name, enum outcome is, const char *why)
{
	if (!lists(t, is))
		return;
	put_head(t, name, is);
	if (why != NULL) {
		json_key(t->json, "message");
		json_text(t->json, why);
	}
	json_end_object(t->json);
}

/* The study is the user's own from now on, if nothing of it was there before:
 * who sends one image of another's study does not get to see the rest. */
static void
own_study(struct taking *t, const char *study)
{
	struct call *c = t->call;
	struct err e;
	unsigned i;

	if (study[0] == '\0')
		return;
	for (i = 0; i < STUDIES; i++)
		if (strcmp(t->studies[i], study) == 0)
			return;
	if (!upload_put(c->store, str_from(study), c->viewer.user.id,
		t->began_ms, &e)) {
		log_error("http", "cannot keep who sent a study: %s", e.text);
		return;
	}
	(void)str_copy(t->studies[t->next_study++ % STUDIES],
	    sizeof(t->studies[0]), str_from(study));
}

static void
put_object(struct taking *t, const char *name, enum outcome is, uint64_t size)
{
	const struct object_result *r = feed_result(t->feed);
	struct arrival_config arrival;

	t->bytes += size;
	own_study(t, r->study);
	if (is == OUTCOME_STORED) {
		mutex_lock(&t->call->web->lock);
		arrival = t->call->web->config.arrival;
		mutex_unlock(&t->call->web->lock);
		arrival_note(t->call->store, &arrival, &t->arrived, r->study);
	}
	if (!lists(t, is))
		return;
	put_head(t, name, is);
	json_key(t->json, "study");
	json_text(t->json, r->study);
	json_key(t->json, "instance");
	json_text(t->json, r->sop_instance);
	json_end_object(t->json);
}

static void
take_object(struct taking *t, const char *name, struct peek *k)
{
	enum feed_outcome is;
	uint64_t size = 0;
	struct err e = {0};

	is = feed_stream(t->feed, peek_read, k, 0, &size, &e);
	if (t->gone)
		return;
	switch (is) {
	case FEED_STORED:
		put_object(t, name, OUTCOME_STORED, size);
		break;
	case FEED_SAME:
		put_object(t, name, OUTCOME_SAME, size);
		break;
	case FEED_ASIDE:
		put_object(t, name, OUTCOME_QUARANTINED, size);
		break;
	case FEED_REPLACED:
		put_object(t, name, OUTCOME_REPLACED, size);
		break;
	case FEED_MEDIA:
		put_file(t, name, OUTCOME_IGNORED,
		    "a list of a disc's files is not kept");
		break;
	case FEED_ZIP:
		put_file(t, name, OUTCOME_REFUSED, "a zip within a zip");
		break;
	case FEED_FOREIGN:
		/* A zip holds viewers and notes, too. */
		put_file(t, name,
		    t->zip != NULL ? OUTCOME_IGNORED : OUTCOME_REFUSED,
		    "neither DICOM, nor a zip, nor HL7");
		break;
	case FEED_REFUSED:
		put_file(t, name, OUTCOME_REFUSED, e.text);
		break;
	case FEED_BROKEN:
		t->full = true;
		t->why = e;
		break;
	}
}

static bool
is_zip(const struct peek *k)
{
	struct str head = str_of(k->p, k->n);

	return str_starts(head, STR("PK\003\004")) ||
	       str_starts(head, STR("PK\005\006"));
}

/* A message, or a batch of them, maybe behind a byte order mark, blank lines
 * or the first byte of MLLP. */
static bool
is_hl7(const struct peek *k)
{
	struct str s = str_of(k->p, k->n);
	uint8_t c;

	if (str_starts(s, STR("\xef\xbb\xbf")))
		s = str_of(s.p + 3, s.n - 3);
	while (s.n > 0 && (s.p[0] <= ' '))
		s = str_of(s.p + 1, s.n - 1);
	if (s.n < 4 ||
	    (!str_starts(s, STR("MSH")) && !str_starts(s, STR("FHS")) &&
		!str_starts(s, STR("BHS"))))
		return false;
	c = s.p[3];
	return c > ' ' && c < 0x7f && !(c >= '0' && c <= '9') &&
	       !((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Into b, whose memory counts against that of all. */
static bool
gather(struct taking *t, struct buf *b, struct peek *k, size_t *held,
    struct err *e)
{
	atomic_uint_fast64_t *all = &t->call->web->orders_held;
	ssize_t got = 1;
	uint8_t *p;

	while (got > 0) {
		p = buf_space(b, BLOCK_HTTP);
		if (p == NULL)
			return fail(e, ERR_LIMIT, "more than %lu MiB of HL7",
			    LIMIT_UPLOAD_HL7 / MIB);
		if (*held < b->room) {
			atomic_fetch_add(all, b->room - *held);
			*held = b->room;
		}
		if (*held > 4 * BLOCK_HTTP && atomic_load(all) > LIMIT_HL7_HELD)
			return fail(e, ERR_LIMIT,
			    "too much HL7 comes at once: try again later");
		got = peek_read(k, p, BLOCK_HTTP, e);
		if (got < 0)
			return false;
		buf_filled(b, (size_t)got);
	}
	return true;
}

struct reasons {
	struct json *json;
	unsigned n;
	bool begun;
};

static void
put_reason(void *ctx, size_t number, const struct hl7_result *r)
{
	struct reasons *to = ctx;
	char words[400];

	if (r->code == ACK_ACCEPT || to->json == NULL || to->n++ >= 20)
		return;
	hl7_file_words(number, r, words, sizeof(words));
	if (!to->begun) {
		json_key(to->json, "reasons");
		json_array(to->json);
		to->begun = true;
	}
	json_text(to->json, words);
}

static void
put_count(struct json *j, const char *key, uint64_t n)
{
	json_key(j, key);
	json_i64(j, (int64_t)n);
}

static void
take_messages(struct taking *t, const char *name, struct str text)
{
	struct reasons to = {0};
	enum outcome is = OUTCOME_ORDERS;
	struct hl7_intake_config config;
	struct hl7_file file;
	struct str rest = text, first;
	char uid_for[256], source[64];

	if (!er7_split(&rest, &first)) {
		put_file(
		    t, name, OUTCOME_REFUSED, "there is no HL7 message in it");
		return;
	}
	web_orders(t->call, &config, uid_for);
	snprintf(source, sizeof(source), "web %s", t->call->client);
	if (lists(t, OUTCOME_ORDERS)) {
		put_name(t, name);
		to.json = t->json;
	}
	hl7_take_file(
	    t->call->store, &config, source, text, put_reason, &to, &file);
	if (to.begun)
		json_end_array(t->json);
	if (file.taken == 0 && file.refused > 0) {
		is = OUTCOME_REFUSED;
		t->counts[OUTCOME_ORDERS]--;
		t->counts[is]++;
		t->good -= to.json != NULL;
		t->bad += to.json != NULL;
	}
	if (file.again) {
		t->full = true;
		(void)fail(&t->why, ERR_FULL, "%s", file.again_why);
	}
	if (to.json == NULL)
		return;
	put_outcome(t, is);
	if (is == OUTCOME_REFUSED) {
		json_key(t->json, "message");
		json_text(t->json, "no message of it was taken");
	}
	put_count(t->json, "messages", file.messages);
	put_count(t->json, "taken", file.taken);
	put_count(t->json, "repeated", file.repeated);
	put_count(t->json, "refused", file.refused);
	json_end_object(t->json);
}

static void
take_orders(struct taking *t, const char *name, struct peek *k)
{
	size_t held = 0;
	struct buf b;
	struct err e = {0};

	buf_init(&b, LIMIT_UPLOAD_HL7);
	if (gather(t, &b, k, &held, &e))
		take_messages(t, name, buf_str(&b));
	else if (!t->gone)
		put_file(t, name, OUTCOME_REFUSED, e.text);
	buf_fini(&b);
	atomic_fetch_sub(&t->call->web->orders_held, held);
}

/* The file is no zip. */
static void
take_plain(struct taking *t, const char *name, struct peek *k)
{
	if (k->n == 0)
		put_file(t, name, OUTCOME_REFUSED, "it is empty");
	else if (is_hl7(k))
		take_orders(t, name, k);
	else
		take_object(t, name, k);
}

static void
take_entry(struct taking *t, struct unzip *zip, const struct unzip_entry *entry)
{
	struct err e = {0};
	struct peek k;

	if (entry->encrypted)
		put_file(t, entry->name, OUTCOME_REFUSED, "it is encrypted");
	else if (peek_fill(&k, unzip_read, zip, &e))
		take_plain(t, entry->name, &k);
	else if (!t->gone)
		put_file(t, entry->name, OUTCOME_REFUSED, e.text);
}

static void
take_entries(struct taking *t, struct unzip *zip)
{
	uint64_t ignored = t->counts[OUTCOME_IGNORED];
	struct unzip_entry entry;
	struct err e = {0};
	uint64_t n = 0;
	bool end = false;

	while (!t->gone && !t->full) {
		if (!unzip_next(zip, &entry, &end, &e)) {
			if (!t->gone)
				put_file(t, "", OUTCOME_REFUSED, e.text);
			return;
		}
		if (end)
			break;
		n++;
		take_entry(t, zip, &entry);
	}
	if (end && t->counts[OUTCOME_IGNORED] - ignored == n)
		put_file(t, "", OUTCOME_REFUSED,
		    "there is neither DICOM nor HL7 in it");
}

static void
take_zip(struct taking *t, const char *name, struct peek *k)
{
	struct unzip *zip;
	struct err e = {0};

	if (!unzip_stream(&zip, peek_read, k, &e)) {
		if (!t->gone)
			put_file(t, name, OUTCOME_REFUSED, e.text);
		return;
	}
	t->zip = name;
	take_entries(t, zip);
	t->zip = NULL;
	unzip_close(&zip);
}

/* Zips within zips are told and left. */
static void
take_file(struct taking *t, const char *name, feed_read *read, void *ctx)
{
	struct err e = {0};
	struct peek k;

	if (!peek_fill(&k, read, ctx, &e)) {
		if (!t->gone)
			put_file(t, name, OUTCOME_REFUSED, e.text);
	} else if (is_zip(&k)) {
		take_zip(t, name, &k);
	} else {
		take_plain(t, name, &k);
	}
}

/* Who sends reads no answer before everything is sent. */
static void
drain(struct taking *t)
{
	uint8_t block[8 * KIB];
	struct err e;

	while (!t->gone && body_read(t, block, sizeof(block), &e) > 0)
		;
}

static bool
take_parts(struct taking *t, struct multipart *m, struct err *e)
{
	struct multipart_part part;
	bool end = false;

	while (!t->gone && !t->full) {
		if (!multipart_next(m, &part, &end, e))
			return false;
		if (end)
			return true;
		/* A form whose field for files was left empty. */
		if (part.has_file && part.file[0] == '\0')
			continue;
		take_file(t, part.has_file ? part.file : part.name,
		    multipart_read, m);
	}
	return true;
}

static bool
take_body(struct taking *t, struct err *e)
{
	struct str type = call_header(t->call, "Content-Type");
	struct multipart *m;
	bool ok;

	if (!str_starts(type, STR("multipart/"))) {
		take_file(t, "", body_read, t);
		return true;
	}
	m = must_alloc(sizeof(*m));
	ok = multipart_init(m, type, body_read, t, e) && take_parts(t, m, e);
	free(m);
	return ok;
}

/* What is said beside the files when not everything was taken. */
static void
put_error(struct taking *t, struct reply *r, bool ok, const struct err *e)
{
	const char *code = NULL, *text = e->text;

	if (t->full) {
		r->status = t->why.code == ERR_FULL ? 507 : 500;
		code = r->status == 507 ? "full" : "internal";
		text = "the archive can take no more now";
		log_error("http", "an upload ended: %s", t->why.text);
	} else if (!ok) {
		r->status = e->code == ERR_LIMIT ? 413 : 400;
		code = e->code == ERR_LIMIT ? "too_large" : "malformed";
	} else if (t->counts[OUTCOME_REFUSED] > 0 && t->good == 0) {
		r->status = 422;
		code = "refused";
		text = "nothing was taken; 'files' says why";
	}
	if (code == NULL)
		return;
	json_key(t->json, "error");
	json_object(t->json);
	json_key(t->json, "code");
	json_text(t->json, code);
	json_key(t->json, "message");
	json_text(t->json, text);
	json_end_object(t->json);
}

static bool
type_is_taken(struct call *c, struct reply *r)
{
	static const char *const others[] = {"application/json",
	    "application/x-www-form-urlencoded", "multipart/related",
	    "multipart/mixed"};
	struct str type = call_header(c, "Content-Type");
	struct str coding = call_header(c, "Content-Encoding");
	size_t i;

	if (coding.n > 0 && !str_eq_nocase(coding, STR("identity"))) {
		reply_refuse(r, 415, "type",
		    "send files as they are, without Content-Encoding");
		reply_header(r, "Accept-Encoding", "identity");
		return false;
	}
	type.n = str_find(type, ';');
	type = str_trim(type);
	for (i = 0; i < ARRAY_LEN(others); i++)
		if (str_eq_nocase(type, str_from(others[i]))) {
			reply_refuse(r, 415, "type",
			    "send files as multipart/form-data, or one as it "
			    "is: application/dicom, application/zip, "
			    "text/plain");
			return false;
		}
	return true;
}

static void
take_all(struct taking *t, struct reply *r)
{
	struct err e = {0};
	size_t i;
	bool ok;

	t->json = reply_json(r);
	json_object(t->json);
	json_key(t->json, "files");
	json_array(t->json);
	ok = take_body(t, &e);
	drain(t);
	json_end_array(t->json);
	for (i = 0; i < OUTCOME_COUNT; i++)
		put_count(t->json, outcome_names[i], t->counts[i]);
	put_count(t->json, "bytes", t->bytes);
	put_count(t->json, "unlisted", t->unlisted);
	put_error(t, r, ok, &e);
	json_end_object(t->json);
}

bool
upload_take(struct call *c, struct reply *r, struct err *e)
{
	struct taking *t;
	bool gone;

	if (!type_is_taken(c, r))
		return true;
	t = must_zalloc(sizeof(*t));
	t->call = c;
	t->began_ms = clock_utc_ms();
	t->feed = feed_new(c->store, "WEB");
	take_all(t, r);
	log_info("http",
	    "upload of '%s' from %s: %llu stored, %llu the same, %llu set "
	    "aside, %llu files of orders, %llu refused%s",
	    c->viewer.user.name, c->client,
	    (unsigned long long)t->counts[OUTCOME_STORED],
	    (unsigned long long)t->counts[OUTCOME_SAME],
	    (unsigned long long)t->counts[OUTCOME_QUARANTINED],
	    (unsigned long long)t->counts[OUTCOME_ORDERS],
	    (unsigned long long)t->counts[OUTCOME_REFUSED],
	    t->gone ? "; it broke off" : "");
	c->instances_in = t->counts[OUTCOME_STORED] + t->counts[OUTCOME_SAME] +
			  t->counts[OUTCOME_QUARANTINED] +
			  t->counts[OUTCOME_REPLACED];
	gone = t->gone;
	if (gone)
		*e = t->why;
	feed_free(&t->feed);
	free(t);
	return !gone;
}
