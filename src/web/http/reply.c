/*
 * Answers, see reply.h. Errors have one form for programs and one for people.
 */
#include "web/http/reply.h"

#include "base/log.h"
#include "base/utf8.h"
#include "web/http/call.h"
#include "web/page/page.h"

#include <stdarg.h>

static void
add_header(struct reply *r, const char *name, const char *value)
{
	must(r->header_count < REPLY_HEADERS);
	r->headers[r->header_count++] = (struct reply_header){name, value};
}

void
reply_header(struct reply *r, const char *name, const char *value)
{
	char *copy = arena_cstr(r->arena, str_from(value)), *p;

	if (copy == NULL)
		return;
	for (p = copy; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	add_header(r, name, copy);
}

struct json *
reply_json(struct reply *r)
{
	r->type = "application/json";
	json_init(&r->json, &r->body);
	return &r->json;
}

void
reply_text(struct reply *r, unsigned status, const char *type, struct str text)
{
	r->status = status;
	r->type = type;
	buf_add(&r->body, text);
}

void
reply_source(struct reply *r, struct source *s, const char *type)
{
	must(r->source == NULL);
	r->source = s;
	r->type = type;
}

void
reply_redirect(struct reply *r, const char *location)
{
	r->status = 303;
	r->type = "text/plain; charset=utf-8";
	reply_header(r, "Location", location);
}

void
reply_clear(struct reply *r)
{
	if (r->source != NULL)
		r->source->free(r->source);
	r->source = NULL;
	buf_clear(&r->body);
	r->header_count = 0;
	r->status = 0;
	r->ranges = false;
	r->cache = r->policy = NULL;
}

void
reply_fini(struct reply *r)
{
	reply_clear(r);
	buf_fini(&r->body);
}

void
html_text(struct buf *out, struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		switch (s.p[i]) {
		case '&':
			buf_text(out, "&amp;");
			break;
		case '<':
			buf_text(out, "&lt;");
			break;
		case '>':
			buf_text(out, "&gt;");
			break;
		case '"':
			buf_text(out, "&quot;");
			break;
		case '\'':
			buf_text(out, "&#39;");
			break;
		default:
			if (s.p[i] >= ' ' || s.p[i] == '\n' || s.p[i] == '\t')
				buf_u8(out, s.p[i]);
		}
}

/* A page with a form that says why it did not work: back to the form. What
 * /setup and /reset were given by their links is not in the path. */
static bool
has_form(const struct call *c)
{
	return c != NULL && c->route != NULL && c->method == METHOD_POST &&
	       c->viewer.kind == VIEWER_LINK;
}

static void
refuse_page(struct reply *r, const char *code, const char *text)
{
	page_begin(r, "That did not work", "error");
	/* The page's script knows most codes in other languages. */
	buf_printf(&r->body, "<p data-error=\"%s\">", code);
	html_text(&r->body, str_from(text));
	buf_text(&r->body, "</p><p><a href=\"");
	if (has_form(r->call)) {
		html_text(&r->body, r->call->path);
		buf_text(&r->body, "\" data-text=\"try_again\">Try again");
	} else {
		buf_text(&r->body, "/\">Fileroom");
	}
	buf_text(&r->body, "</a></p>");
	/* Not to another site's page, which this may be. */
	page_end(r->status != 421 ? r->call : NULL, r);
}

void
reply_refuse(
    struct reply *r, unsigned status, const char *code, const char *format, ...)
{
	struct json *j;
	char text[512];
	va_list v;

	va_start(v, format);
	(void)vsnprintf(text, sizeof(text), format, v);
	va_end(v);
	reply_clear(r);
	r->status = status;
	if (r->page) {
		refuse_page(r, code, text);
		return;
	}
	j = reply_json(r);
	json_object(j);
	json_key(j, "error");
	json_object(j);
	json_key(j, "code");
	json_text(j, code);
	json_key(j, "message");
	json_text(j, text);
	json_end_object(j);
	json_end_object(j);
}

/* The HTTP answer of each code of ours. What is not shown is the system's. */
static const struct {
	unsigned status;
	const char *code, *shown;
} answers[] = {
    [ERR_NONE] = {500, "internal", "something went wrong here"},
    [ERR_IO] = {500, "internal", "the disk or the database has trouble"},
    [ERR_FULL] = {507, "full", "there is no room left on the disk"},
    [ERR_TIMEOUT] = {503, "busy", "it took too long; try again"},
    [ERR_CLOSED] = {400, "incomplete", "the request did not come to its end"},
    [ERR_MALFORMED] = {400, "malformed", NULL},
    [ERR_PROTOCOL] = {400, "malformed", NULL},
    [ERR_LIMIT] = {413, "too_large", NULL},
    [ERR_DENIED] = {403, "denied", NULL},
    [ERR_MISSING] = {404, "missing", NULL},
    [ERR_CONFLICT] = {409, "conflict", NULL},
    [ERR_CANCELLED] = {503, "stopping", "the server is stopping"},
    [ERR_CORRUPT] = {500, "damaged", "what is stored is damaged"},
    [ERR_UNSUPPORTED] = {501, "unsupported", NULL},
    [ERR_USAGE] = {400, "wrong", NULL},
};

void
reply_error(struct reply *r, const struct err *e)
{
	unsigned status = answers[e->code].status;
	const char *shown = answers[e->code].shown;

	if (status == 500)
		log_error("http", "%s", e->text);
	reply_refuse(r, status, answers[e->code].code, "%s",
	    shown != NULL ? shown : e->text);
}

/* RFC 8187: attr-char and nothing else stands for itself. */
static void
add_extended(struct buf *out, struct str s)
{
	static const char plain[] = "!#$&+-.^_`|~";
	size_t i;
	uint8_t c;

	for (i = 0; i < s.n; i++) {
		c = s.p[i];
		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z') ||
		    (c != 0 && strchr(plain, c) != NULL))
			buf_u8(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

static void
name_file(struct reply *r, const char *how, struct str name)
{
	struct buf out;
	uint32_t c;
	size_t n;
	struct str s;

	buf_init(&out, 4096);
	buf_text(&out, how);
	buf_text(&out, "; filename=\"");
	for (s = name; (n = utf8_next(s, &c)) > 0; s = str_of(s.p + n, s.n - n))
		buf_u8(
		    &out, c < 0x20 || c > 0x7e || strchr("\"\\/:*?<>|%", (int)c)
			      ? '_'
			      : (uint8_t)c);
	buf_text(&out, "\"; filename*=UTF-8''");
	add_extended(&out, name);
	if (!out.over)
		reply_header(r, "Content-Disposition", buf_cstr(&out));
	buf_fini(&out);
}

void
reply_attachment(struct reply *r, struct str name)
{
	name_file(r, "attachment", name);
}

void
reply_inline(struct reply *r, struct str name)
{
	name_file(r, "inline", name);
}
