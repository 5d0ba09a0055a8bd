/*
 * Patients' links, see link.h. The window counts whole days from the date of
 * the study as DICOM has it, from its arrival, or from when the token was made;
 * a study without a date, or with one that is in no calendar, counts from its
 * arrival (F84, A18). Days are those of this machine's time zone.
 */
#include "web/auth/link.h"

#include "base/clock.h"
#include "dicom/value.h"
#include "web/auth/access.h"
#include "web/auth/secret.h"
#include "web/http/inside.h"

#define DAY_ROOM 9

/* The day that the first parts of "2026/11/21/…" name. */
static bool
day_of_path(struct str path, char out[DAY_ROOM])
{
	char text[DAY_ROOM];
	size_t i, n = 0;

	for (i = 0; i < path.n && n < DAY_ROOM - 1; i++)
		if (path.p[i] != '/')
			text[n++] = (char)path.p[i];
	return date_parse(str_of(text, n), out);
}

static bool
day_of_moment(int64_t utc_ms, char out[DAY_ROOM])
{
	time_t seconds = (time_t)(utc_ms / 1000);
	char text[DAY_ROOM];
	struct tm tm;

	return localtime_r(&seconds, &tm) != NULL &&
	       strftime(text, sizeof(text), "%Y%m%d", &tm) == DAY_ROOM - 1 &&
	       date_parse(str_from(text), out);
}

/* When this day begins where this machine stands. */
static int64_t
midnight_ms(const char day[DAY_ROOM])
{
	uint64_t v = 0;
	struct tm tm = {.tm_isdst = -1};

	(void)!str_u64(str_from(day), &v);
	tm.tm_year = (int)(v / 10000) - 1900;
	tm.tm_mon = (int)(v / 100 % 100) - 1;
	tm.tm_mday = (int)(v % 100);
	return (int64_t)mktime(&tm) * 1000;
}

static bool
arrived(struct call *c, const char *study, char day[DAY_ROOM], struct err *e)
{
	struct condition is = {.column = COLUMN_StudyInstanceUID,
	    .kind = CONDITION_IS,
	    .a = str_from(study)};
	struct search search = {.level = LEVEL_STUDY,
	    .conditions = &is,
	    .count = 1,
	    .want_file = true};
	struct index_row *rows;
	size_t n;

	if (!index_search(c->store, &search, 0, &c->arena, &rows, &n, e))
		return false;
	if (n == 0 || !day_of_path(rows[0].path, day))
		return fail(e, ERR_MISSING, "there is no such study");
	return true;
}

bool
link_until(struct call *c, const struct token_study *t, int64_t *until_ms,
    struct err *e)
{
	struct web *w = c->web;
	enum web_link_from from;
	char day[DAY_ROOM];
	bool known = false;
	int days;

	mutex_lock(&w->lock);
	days = w->config.token_days;
	from = w->config.token_from;
	mutex_unlock(&w->lock);
	*until_ms = days < 0 ? 0 : 1;
	if (days <= 0)
		return true;
	if (from == WEB_FROM_ISSUED)
		known = day_of_moment(t->issued_ms, day);
	else if (from == WEB_FROM_STUDY)
		known = date_parse(str_from(t->date), day);
	if (!known && !arrived(c, t->study, day, e))
		return false;
	/* The day on which it ends is open to its end. */
	date_add(day, days + 1);
	*until_ms = midnight_ms(day);
	if (*until_ms < 1)
		*until_ms = 1;
	return true;
}

void
link_name(struct str study, char out[LINK_NAME])
{
	uint8_t hash[32];
	int i;

	secret_hash(study, hash);
	for (i = 0; i < (LINK_NAME - 1) / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

bool
link_open(
    struct call *c, struct reply *r, struct str token, struct token_study *out)
{
	struct guard *g = c->web->guard;
	int64_t until;
	struct err e;
	int wait_s;

	if (!guard_may_try(g, token, c->client, &wait_s)) {
		reply_refuse(r, 429, "too_often",
		    "Too many wrong links from here. Try again in %d minutes.",
		    (wait_s + 59) / 60);
		return false;
	}
	if (!token_resolve(c->store, token, &c->arena, out, &e)) {
		if (e.code != ERR_MISSING) {
			reply_error(r, &e);
			return false;
		}
		guard_failed(g, token, c->client);
		access_failed(c, "", "a link that is not known");
		reply_refuse(r, 404, "no_link",
		    "This link is not valid, or not any more.");
		return false;
	}
	if (!link_until(c, out, &until, &e)) {
		reply_error(r, &e);
		return false;
	}
	if (until == 0 || clock_utc_ms() < until)
		return true;
	reply_refuse(r, 410, "expired",
	    "This link has expired. Ask who gave it to you for the images.");
	return false;
}

/* The eight digits of a date; false when there are not just eight. */
static bool
eight_digits(struct str s, char out[9])
{
	size_t i, n = 0;

	for (i = 0; i < s.n; i++)
		if (s.p[i] >= '0' && s.p[i] <= '9') {
			if (n == 8)
				return false;
			out[n++] = (char)s.p[i];
		}
	out[n] = '\0';
	return n == 8;
}

bool
link_answer(struct call *c, struct reply *r, const struct index_row *study,
    struct str date)
{
	struct guard *g = c->web->guard;
	char is[9], given[9];
	const char *account;
	int wait_s;

	account = arena_printf(&c->arena, "question %.*s",
	    STR_ARG(study->value[COLUMN_StudyInstanceUID]));
	if (account == NULL ||
	    !guard_may_try(g, str_from(account), c->client, &wait_s)) {
		reply_refuse(r, 429, "too_often",
		    "Too many wrong answers. Try again in %d minutes.",
		    account != NULL ? (wait_s + 59) / 60 : 1);
		return false;
	}
	if (!eight_digits(study->value[COLUMN_PatientBirthDate], is)) {
		reply_refuse(r, 403, "no_birth_date",
		    "This link asks for a date of birth, and there is none "
		    "with the images. Ask who gave it to you.");
		return false;
	}
	if (eight_digits(date, given) && strcmp(is, given) == 0) {
		guard_succeeded(g, str_from(account));
		return true;
	}
	guard_failed(g, str_from(account), c->client);
	access_failed(c, "", "a link's question was answered wrong");
	reply_refuse(r, 403, "wrong_answer",
	    "This is not the date of birth of the patient.");
	return false;
}
