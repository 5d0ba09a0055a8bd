/*
 * Reading the worklist options of a node: a table of names and words.
 */
#include "store/table/node_worklist.h"

#define DAYS_MOST  31
#define LIMIT_MOST 100000

static bool
take_word(
    struct str value, const char *yes, const char *no, enum node_choice *out)
{
	if (str_eq_text(value, yes))
		*out = NODE_YES;
	else if (str_eq_text(value, no))
		*out = NODE_NO;
	else
		return false;
	return true;
}

static bool
take_choice(
    struct str value, const char *yes, const char *no, enum node_choice *out)
{
	*out = NODE_DEFAULT;
	return str_eq_text(value, "default") || take_word(value, yes, no, out);
}

static bool
take_bool(struct str value, const char *yes, const char *no, bool *out)
{
	enum node_choice choice;

	if (!take_word(value, yes, no, &choice))
		return false;
	*out = choice == NODE_YES;
	return true;
}

static bool
take_number(struct str value, unsigned most, unsigned *out)
{
	uint64_t v;

	if (!str_u64(value, &v) || v > most)
		return false;
	*out = (unsigned)v;
	return true;
}

static bool
take(struct str name, struct str value, struct node_worklist *out)
{
	if (str_eq_text(name, "station"))
		return take_choice(value, "yes", "no", &out->station);
	if (str_eq_text(name, "without_ae"))
		return take_choice(value, "show", "hide", &out->without_ae);
	if (str_eq_text(name, "ignore_ae"))
		return take_bool(value, "yes", "no", &out->ignore_ae);
	if (str_eq_text(name, "started"))
		return take_bool(value, "hide", "show", &out->hide_started);
	if (str_eq_text(name, "moment"))
		return take_bool(value, "no", "yes", &out->apart);
	if (str_eq_text(name, "days"))
		return take_number(value, DAYS_MOST, &out->days);
	if (str_eq_text(name, "limit"))
		return take_number(value, LIMIT_MOST, &out->limit);
	return false;
}

bool
node_worklist_read(struct str text, struct node_worklist *out, struct err *e)
{
	struct str rest = text, one, name;
	char shown[64];

	*out = (struct node_worklist){0};
	if (str_trim(text).n == 0)
		return true;
	while (str_split(&rest, ',', &one)) {
		one = str_trim(one);
		name = str_of(one.p, str_find(one, '='));
		if (name.n == one.n ||
		    !take(name, str_of(one.p + name.n + 1, one.n - name.n - 1),
			out))
			return fail(e, ERR_USAGE,
			    "worklist option '%s' is not allowed; "
			    "allowed: " NODE_WORKLIST_OPTIONS,
			    str_printable(shown, sizeof(shown), one));
	}
	return true;
}
