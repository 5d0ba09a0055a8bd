/*
 * Values of fields as people write them on a command line.
 */
#include "app/worklist/worklist.h"

#include "base/utf8.h"
#include "dicom/value.h"

#include <ctype.h>

/* The longest text that any field takes (LT: 10240 characters). */
#define VALUE_MAX (64 * KIB)

static bool
refuse(enum field f, struct str value, const char *allowed, struct err *e)
{
	char shown[80];

	return fail(e, ERR_USAGE, "%s: '%s' is not allowed; allowed: %s",
	    field_info(f)->name, str_printable(shown, sizeof(shown), value),
	    allowed);
}

static struct str
upper(struct arena *a, struct str s)
{
	uint8_t *copy = arena_alloc(a, s.n + 1);
	size_t i;

	if (copy == NULL)
		return s;
	for (i = 0; i < s.n; i++)
		copy[i] = (uint8_t)toupper(s.p[i]);
	return str_of(copy, s.n);
}

/* HHMM, HHMMSS, HH:MM, HH:MM:SS. */
static bool
take_time(struct arena *a, struct str *s)
{
	char digits[7] = "", whole[14];
	size_t n = 0, i;

	for (i = 0; i < s->n; i++) {
		if (s->p[i] == ':' && (i == 2 || i == 5))
			continue;
		if (!isdigit(s->p[i]) || n == 6)
			return false;
		digits[n++] = (char)s->p[i];
	}
	digits[n] = '\0';
	if ((n != 4 && n != 6) || !time_parse(str_from(digits), false, whole))
		return false;
	*s = arena_dup(a, str_from(digits));
	return true;
}

static bool
take_date(struct arena *a, struct str *s)
{
	const char *word = arena_cstr(a, *s);
	struct err ignored;
	char date[9];

	if (word == NULL || !date_word("", word, date, &ignored))
		return false;
	*s = arena_dup(a, str_from(date));
	return true;
}

static bool
is_ae(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '\\')
			return false;
	return s.n <= 16;
}

static bool
is_code_string(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!isupper(s.p[i]) && !isdigit(s.p[i]) && s.p[i] != ' ' &&
		    s.p[i] != '_')
			return false;
	return s.n <= 16;
}

static bool
is_decimal(struct str s)
{
	size_t i, digits = 0, points = 0;

	for (i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'); i < s.n; i++) {
		digits += isdigit(s.p[i]) != 0;
		points += s.p[i] == '.';
		if (!isdigit(s.p[i]) && s.p[i] != '.')
			return false;
	}
	return digits > 0 && points <= 1 && s.n <= 16;
}

static bool
is_text(struct str s, bool lines)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((s.p[i] < ' ' && !(lines && s.p[i] == '\n')) ||
		    s.p[i] == 0x7f)
			return false;
	return s.n <= VALUE_MAX && utf8_valid(s);
}

static bool
is_sex(struct str s)
{
	return s.n == 1 && (s.p[0] == 'M' || s.p[0] == 'F' || s.p[0] == 'O');
}

static bool
take_value(struct arena *a, enum field f, struct str *s, struct err *e)
{
	enum field_type type = field_info(f)->type;

	if (s->n == 0)
		return true;
	if (!is_text(*s, type == FIELD_TYPE_LT))
		return refuse(
		    f, *s, "UTF-8 text without control characters", e);
	switch (type) {
	case FIELD_TYPE_DA:
	case FIELD_TYPE_DT_DATE:
		return take_date(a, s) ||
		       refuse(
			   f, *s, "a date, YYYY-MM-DD, YYYYMMDD or today", e);
	case FIELD_TYPE_DT_TIME:
		return take_time(a, s) ||
		       refuse(f, *s, "a time, HH:MM or HH:MM:SS", e);
	case FIELD_TYPE_SEX:
		*s = upper(a, *s);
		return is_sex(*s) || refuse(f, *s, "M, F or O", e);
	case FIELD_TYPE_UI:
		return uid_valid(*s) || refuse(f, *s, "a UID", e);
	case FIELD_TYPE_AE:
		return is_ae(*s) ||
		       refuse(f, *s,
			   "1 to 16 characters of ASCII without backslash", e);
	case FIELD_TYPE_DS:
		return is_decimal(*s) || refuse(f, *s, "a number", e);
	case FIELD_TYPE_CS:
	case FIELD_TYPE_PRIORITY:
		*s = upper(a, *s);
		return is_code_string(*s) ||
		       refuse(f, *s,
			   "up to 16 letters, digits, spaces and underscores",
			   e);
	default:
		return true;
	}
}

enum order_status
item_status_word(struct str word)
{
	struct str s = str_trim(word);
	size_t i;

	if (str_eq_nocase(s, STR("HELD")) || str_eq_nocase(s, STR("ON-HOLD")))
		return STATUS_HELD;
	for (i = STATUS_SCHEDULED; i < STATUS_COUNT; i++)
		if (str_eq_nocase(
			s, str_from(order_status_name((enum order_status)i))))
			return (enum order_status)i;
	return STATUS_NONE;
}

static bool
take_status(struct item *item, struct str *s, struct err *e)
{
	enum order_status status = item_status_word(*s);

	if (status == STATUS_NONE)
		return refuse(FIELD_ScheduledProcedureStepStatus, *s,
		    "SCHEDULED, ARRIVED, STARTED, COMPLETED, DISCONTINUED, "
		    "CANCELED or ON HOLD",
		    e);
	item->status = status;
	*s = str_from(order_status_name(status));
	return true;
}

static size_t
characters(struct str s)
{
	size_t n = 0, step;
	uint32_t c;

	for (; s.n > 0; n++) {
		step = utf8_next(s, &c);
		s = str_of(
		    s.p + (step > 0 ? step : 1), s.n - (step > 0 ? step : 1));
	}
	return n;
}

static void
warn_length(enum field f, struct str s)
{
	unsigned room = field_info(f)->room;

	if (room > 0 && characters(s) > room)
		fprintf(stderr,
		    "%s is longer than %u characters: it is kept whole, and "
		    "modalities get the beginning\n",
		    field_info(f)->name, room);
}

static bool
assign(const char *word, struct arena *a, bool given[FIELD_COUNT],
    struct item *item, struct err *e)
{
	struct str value, all = str_from(word);
	size_t at = str_find(all, '=');
	char name[100], shown[80];
	enum field f;

	if (at == all.n)
		return fail(e, ERR_USAGE,
		    "'%s': what is to be set is written "
		    "FIELD=VALUE",
		    str_printable(shown, sizeof(shown), all));
	(void)str_copy(name, sizeof(name), str_of(all.p, at));
	if (!field_word(name, &f, e))
		return false;
	if (given[f])
		return fail(
		    e, ERR_USAGE, "%s is given twice", field_info(f)->name);
	given[f] = true;
	value = str_trim(str_of(all.p + at + 1, all.n - at - 1));
	if (!take_value(a, f, &value, e) ||
	    (f == FIELD_ScheduledProcedureStepStatus &&
		!take_status(item, &value, e)))
		return false;
	warn_length(f, value);
	item->value[f] = value;
	return true;
}

bool
item_assign(const struct words *words, size_t first, struct arena *a,
    struct item *item, struct err *e)
{
	bool given[FIELD_COUNT] = {false};
	size_t i;

	for (i = first; i < words->n; i++)
		if (!assign(words->at[i], a, given, item, e))
			return false;
	return true;
}
