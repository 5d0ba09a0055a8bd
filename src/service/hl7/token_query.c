/*
 * What was asked is tried as a Study Instance UID, as a Patient ID, and, where
 * it begins with "ID", as the Patient ID behind these letters: the manuals'
 * example can be read either way, and an ID that is there as it stands wins.
 */
#include "service/hl7/token_query.h"

#include "base/limit.h"
#include "base/log.h"
#include "base/utf8.h"
#include "hl7/encoding.h"
#include "store/table/token.h"

#define START 0x10
#define END   0x0D
/* A description is at most 64 characters by PS3.5, and not in the field. */
#define DESCRIPTION_MAX 1024

/* Sets of two and four bytes for each character would break the framing. */
static const char *
charset_of(const char *setting)
{
	const char *name = encoding_name(str_from(setting));

	if (name == NULL || !strncmp(name, "UTF-16", 6) ||
	    !strncmp(name, "UTF-32", 6))
		return "UTF-8";
	return name;
}

static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 ||
	       c == 0x2029;
}

/* UTF-8 on one line. */
static void
put_line(struct buf *out, struct str text)
{
	uint32_t c;
	size_t n;

	for (; text.n > 0; text = str_of(text.p + n, text.n - n)) {
		n = utf8_next(text, &c);
		if (n == 0 || is_control(c)) {
			buf_u8(out, ' ');
			n = n == 0 ? 1 : n;
		} else {
			buf_add(out, str_of(text.p, n));
		}
	}
}

/* What the set lacks becomes '?'. */
static void
encode(const char *charset, struct str text, struct buf *out)
{
	size_t before = out->n, n;
	uint32_t c;

	if (encoding_back(charset, text, out))
		return;
	out->n = before;
	for (; text.n > 0 && !out->over;
	     text = str_of(text.p + n, text.n - n)) {
		n = utf8_next(text, &c);
		before = out->n;
		if (encoding_back(charset, str_of(text.p, n), out))
			continue;
		out->n = before;
		buf_u8(out, '?');
	}
}

/* Nothing but the escapes of ISO 2022 may look like a control character. */
static bool
holds_framing(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 && s.p[i] != 0x1b && s.p[i] != 0x0e &&
		    s.p[i] != 0x0f)
			return false;
	return true;
}

static void
put_description(struct buf *out, struct str text, const char *charset)
{
	struct buf line, bytes;
	struct str clean;

	buf_init(&line, 4 * DESCRIPTION_MAX);
	buf_init(&bytes, 64 * DESCRIPTION_MAX);
	put_line(&line, utf8_cut(text, DESCRIPTION_MAX));
	clean = str_trim(buf_str(&line));
	encode(charset, clean, &bytes);
	if (holds_framing(buf_str(&bytes)))
		clean = buf_str(&bytes);
	buf_add(out, clean);
	buf_fini(&bytes);
	buf_fini(&line);
}

static void
put_item(struct buf *out, struct str item)
{
	buf_add(out, item);
	buf_u8(out, END);
}

void
token_query_put(struct buf *out, const struct token_study *v, size_t n,
    bool form_2023, const char *charset)
{
	const char *name = charset_of(charset);
	size_t i;

	buf_u8(out, START);
	for (i = 0; i < n; i++) {
		if (v[i].token[0] == '\0')
			continue;
		put_item(out, str_from(v[i].study));
		if (!form_2023) {
			put_item(out, str_from(v[i].date));
			put_description(out, v[i].description, name);
			buf_u8(out, END);
		}
		put_item(out, str_from(v[i].token));
	}
	buf_u8(out, END);
}

struct str
token_query_text(struct str query, const char *charset, struct arena *a)
{
	struct str text, none = STR("");
	struct buf decoded;
	uint32_t c;
	bool lossy;
	size_t n, at;

	buf_init(&decoded, 4 * KIB);
	encoding_decode(charset_of(charset), query, &decoded, &lossy);
	text = lossy || decoded.over
		   ? none
		   : arena_dup(a, str_trim(buf_str(&decoded)));
	buf_fini(&decoded);
	for (at = 0; at < text.n; at += n) {
		n = utf8_next(str_of(text.p + at, text.n - at), &c);
		if (n == 0 || is_control(c))
			return none;
	}
	return text;
}

struct request {
	struct store *store;
	struct str text;
	struct arena *a;
	struct token_study *v;
	size_t n;
	bool of_study;
};

static size_t
hidden(const struct request *r)
{
	size_t i, n = 0;

	for (i = 0; i < r->n; i++)
		n += r->v[i].there && r->v[i].token[0] == '\0';
	return n;
}

/* In words, by which reading it was found; NULL and an error, or NULL and
 * ERR_MISSING. */
static const char *
find(struct request *r, struct err *e)
{
	struct str text = r->text, prefix = STR("ID");

	if (text.n == 0) {
		(void)fail(e, ERR_MISSING, "no text");
		return NULL;
	}
	r->v = arena_alloc(r->a, sizeof(*r->v));
	if (r->v == NULL) {
		(void)fail(e, ERR_LIMIT, "no memory");
		return NULL;
	}
	if (token_of_study(r->store, text, r->a, r->v, e)) {
		r->of_study = true;
		return "Study Instance UID";
	}
	if (e->code != ERR_MISSING ||
	    !token_of_patient(r->store, text, NULL, r->a, &r->v, &r->n, e))
		return NULL;
	if (r->n > 0)
		return "Patient ID";
	if (str_starts(text, prefix)) {
		text = str_trim(str_of(text.p + prefix.n, text.n - prefix.n));
		if (!token_of_patient(
			r->store, text, NULL, r->a, &r->v, &r->n, e))
			return NULL;
		if (r->n > 0)
			return "Patient ID behind the letters ID";
	}
	(void)fail(e, ERR_MISSING, "neither a study nor a patient");
	return NULL;
}

void
token_query_answer(struct store *store, struct str query, bool form_2023,
    const char *charset, struct arena *a, struct buf *out)
{
	struct request r = {.store = store, .a = a};
	const char *by;
	struct err e;

	r.text = token_query_text(query, charset, a);
	by = find(&r, &e);
	if (by == NULL) {
		if (e.code == ERR_MISSING)
			log_info("hl7", "token query: %s", e.text);
		else
			log_error("hl7", "token query: %s", e.text);
		token_query_put(out, NULL, 0, form_2023, charset);
		return;
	}
	if (r.of_study) {
		buf_u8(out, START);
		put_item(out, str_from(r.v->token));
		log_info("hl7", "token query: 1 study, by %s", by);
		return;
	}
	if (hidden(&r) > 0)
		log_error("hl7",
		    "token query: %zu tokens were made with another key and "
		    "cannot be shown ('fileroom help token')",
		    hidden(&r));
	log_info("hl7", "token query: %zu studies, by %s", r.n, by);
	token_query_put(out, r.v, r.n, form_2023, charset);
}
