/*
 * Tokens of studies for those who share them, and the patient's page (F79-F84).
 */
#include "base/clock.h"
#include "store/table/link_use.h"
#include "web/api/api.h"
#include "web/api/study.h"
#include "web/auth/access.h"
#include "web/auth/link.h"
#include "web/http/inside.h"
#include "web/page/page.h"

static void
put_when(struct json *j, const char *key, int64_t utc_ms)
{
	char text[CLOCK_ISO_ROOM];

	json_key(j, key);
	json_text(j, utc_ms > 1 ? clock_iso(utc_ms, text) : "");
}

bool
token_show(struct call *c, struct reply *r, struct err *e)
{
	struct json *j = reply_json(r);
	struct token_study t;
	struct link_use use;
	const char *url;
	int64_t until;

	if (!token_of_study(
		c->store, call_param(c, "study"), &c->arena, &t, e) ||
	    !link_until(c, &t, &until, e) ||
	    !link_use_get(c->store, str_from(t.study), &use, e))
		return false;
	url = arena_printf(&c->arena, "%s/token?%s", web_outside(c), t.token);
	json_object(j);
	json_key(j, "token");
	json_text(j, t.token);
	json_key(j, "url");
	json_text(j, url != NULL ? url : "");
	json_key(j, "open");
	json_bool(j, until == 0 || clock_utc_ms() < until);
	put_when(j, "until", until);
	json_key(j, "opens");
	json_i64(j, use.opens);
	put_when(j, "opened", use.last_ms);
	json_end_object(j);
	return true;
}

bool
token_end(struct call *c, struct reply *r, struct err *e)
{
	if (!token_revoke(c->store, call_param(c, "study"), e))
		return false;
	visit_end_study(c->web->guard, call_param(c, "study"));
	r->status = 204;
	return true;
}

/* The token leaves the address at once: histories and logs of others keep
 * addresses. */
bool
token_enter(struct call *c, struct reply *r, struct err *e)
{
	struct token_study t;

	(void)e;
	if (!link_open(c, r, c->query, &t))
		return true;
	/* What only looks whether the link is there opens nothing. */
	(void)str_copy(c->viewer.visit.study, sizeof(c->viewer.visit.study),
	    str_from(t.study));
	if (!c->head) {
		link_use_count(c->store, str_from(t.study));
		access_enter_link(c, r, t.study, c->query);
	}
	reply_redirect(r, access_link_page(c));
	return true;
}

/* The label in English, and its key in the pages' catalogue of texts. */
static void
row(struct buf *b, const char *label, const char *key, struct str value)
{
	buf_printf(b, "<dt data-text=\"%s\">%s</dt><dd><bdi>", key, label);
	if (value.n > 0)
		html_text(b, value);
	else
		buf_text(b, "–");
	buf_text(b, "</bdi></dd>");
}

/* A value as the JSON has it: one way to write names, dates and times. */
static struct str
shown(struct call *c, const struct index_row *study, const char *key)
{
	struct input *in = arena_array(&c->arena, INPUT_MEMBERS, sizeof(*in));
	struct buf text;
	struct json j;
	struct err e;
	size_t n = 0, i;

	buf_init(&text, 64 * 1024);
	json_init(&j, &text);
	study_put(&j, study);
	if (in == NULL || !input_read(&c->arena, buf_str(&text), in, &n, &e))
		n = 0;
	buf_fini(&text);
	for (i = 0; i < n; i++)
		if (str_eq_text(in[i].name, key))
			return in[i].kind == INPUT_LIST_OF_TEXT &&
				       in[i].list_count > 0
				   ? in[i].list[0]
				   : in[i].text;
	return STR("");
}

/* Digits as they are; the page's script writes them as the browser's language
 * does. */
static void
when(struct buf *b, struct str date, struct str time)
{
	buf_text(b, "<dt data-text=\"study_moment\">Study date/time</dt>"
		    "<dd><bdi><span data-day=\"");
	html_text(b, date);
	buf_text(b, "\">");
	html_text(b, date);
	buf_text(b, "</span> <span data-time=\"");
	html_text(b, time);
	buf_text(b, "\">");
	html_text(b, time);
	buf_text(b, "</span></bdi></dd>");
}

static void
study_facts(struct call *c, struct reply *r, const struct index_row *s)
{
	struct str modalities = s->value[COLUMN_ModalitiesInStudy], part;
	struct buf *b = &r->body, text;

	buf_init(&text, 8192);
	buf_text(b, "<dl>");
	row(b, "Patient name", "patient_name", shown(c, s, "patient_name"));
	row(b, "Study ID", "study_id", s->value[COLUMN_StudyID]);
	row(b, "Study description", "study_description",
	    s->value[COLUMN_StudyDescription]);
	when(b, shown(c, s, "date"), shown(c, s, "time"));
	while (modalities.n > 0 && str_split(&modalities, '\\', &part)) {
		buf_text(&text, text.n > 0 ? ", " : "");
		buf_add(&text, part);
	}
	row(b, "Modalities", "modalities", buf_str(&text));
	buf_text(b, "</dl>");
	buf_fini(&text);
}

static bool
there_is(const char *path)
{
	struct str params[ROUTE_PARAMS];
	const struct route *r;
	unsigned allow;

	return route_find(METHOD_GET, str_from(path), &r, params, &allow) ==
	       ROUTE_FOUND;
}

static void
study_links(struct call *c, struct reply *r)
{
	const char *study = c->viewer.visit.study;
	struct buf *b = &r->body;

	buf_text(b, "<p class=\"links\">");
	if (there_is("/api/v1/studies/1/archive")) {
		buf_text(b,
		    "<a class=\"button primary\" data-text=\"download_study\" "
		    "download href=\"/api/v1/studies/");
		html_text(b, str_from(study));
		buf_text(b, "/archive\">Zip file of the study</a>");
	}
	if (there_is("/viewer/")) {
		buf_text(b, "<a class=\"button\" data-text=\"look\" "
			    "href=\"/viewer/viewer?StudyInstanceUIDs=");
		html_text(b, str_from(study));
		buf_text(b, "\">Look at the images</a>");
	}
	if (web_flag(c, WEB_SANTE_LINKS)) {
		buf_text(b,
		    "<a class=\"button\" data-text=\"open_desktop\" href=\"");
		html_text(b, str_from(web_sante_link(c)));
		buf_text(b, "\">Open this study</a>");
	}
	buf_text(b, "</p>");
}

/* Three steps; the second with the address of a viewer, if there is one. */
static void
study_steps(struct call *c, struct reply *r)
{
	const char *url = web_text(c, WEB_VIEWER_URL);
	const char *name = web_text(c, WEB_VIEWER_NAME);
	struct buf *b = &r->body;

	buf_text(b,
	    "<ol><li data-text=\"step_zip\">Download the zip file of the "
	    "study.</li>");
	if (strncmp(url, "https://", 8) == 0 ||
	    strncmp(url, "http://", 7) == 0) {
		buf_text(b,
		    "<li><span data-text=\"step_viewer\">Unpack it, or open it "
		    "with the viewer, which is here:</span> "
		    "<a rel=\"noopener noreferrer\" href=\"");
		html_text(b, str_from(url));
		buf_text(b, "\"><bdi>");
		html_text(b, str_from(name[0] != '\0' ? name : url));
		buf_text(b, "</bdi></a></li>");
	} else {
		buf_text(b, "<li data-text=\"step_unpack\">Unpack it, or open "
			    "it with a DICOM viewer.</li>");
	}
	buf_text(b,
	    "<li data-text=\"step_ask\">Ask your doctor what the images "
	    "show.</li></ol>");
}

static void
ask(struct call *c, struct reply *r)
{
	page_begin(r, "Your images", "sheet_title");
	buf_printf(&r->body, "<form method=\"post\" action=\"%s\"><label>",
	    access_link_page(c));
	buf_text(&r->body,
	    "<span data-text=\"your_birth_date\">Date of birth of the patient"
	    "</span><input type=\"date\" name=\"birth_date\" required "
	    "autofocus autocomplete=\"bday\"></label><button "
	    "class=\"primary\" data-text=\"open_link\">Open</button></form>");
	page_end(c, r);
}

bool
token_answer(struct call *c, struct reply *r, struct err *e)
{
	struct index_row study;

	if (!call_form(c, "birth_date", e) ||
	    !access_study(c, str_from(c->viewer.visit.study), &study, e))
		return false;
	if (!link_answer(c, r, &study, call_field(c, "birth_date")))
		return true;
	access_answered(c, r);
	reply_redirect(r, access_link_page(c));
	return true;
}

/* As the study's patient, for one request: TOKEN, then parameters. */
static bool
take_token(struct call *c, struct reply *r, struct err *e)
{
	struct str query = c->query.p != NULL ? c->query : STR(""), token;
	struct token_study t;
	struct index_row study;

	token = str_of(query.p, str_find(query, '&'));
	query = str_of(query.p + token.n, query.n - token.n);
	if (!call_fields(c, query, "syntax dicomdir birth_date", e) ||
	    !link_open(c, r, token, &t))
		return false;
	c->viewer = (struct viewer){.kind = VIEWER_LINK};
	(void)str_copy(c->viewer.visit.study, sizeof(c->viewer.visit.study),
	    str_from(t.study));
	if (!access_study(c, str_from(t.study), &study, e) ||
	    (web_flag(c, WEB_TOKEN_QUESTION) &&
		!link_answer(c, r, &study, call_field(c, "birth_date"))))
		return false;
	/* What goes on with a zip has opened it before. */
	if (!c->head && call_header(c, "Range").p == NULL)
		link_use_count(c->store, str_from(t.study));
	return true;
}

bool
token_archive(struct call *c, struct reply *r, struct err *e)
{
	if (!take_token(c, r, e))
		return r->status != 0;
	return archive_send_study(c, r, str_from(c->viewer.visit.study), e);
}

bool
token_page(struct call *c, struct reply *r, struct err *e)
{
	struct index_row study;

	if (!access_study(c, str_from(c->viewer.visit.study), &study, e))
		return false;
	if (access_asks(c)) {
		ask(c, r);
		return true;
	}
	page_begin(r, "Your images", "sheet_title");
	study_facts(c, r, &study);
	study_links(c, r);
	study_steps(c, r);
	page_end(c, r);
	return true;
}
