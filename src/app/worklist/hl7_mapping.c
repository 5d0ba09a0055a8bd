/*
 * 'hl7 mapping'.
 */
#include "app/worklist/hl7.h"
#include "app/worklist/table.h"

#include "store/worklist/hl7_node.h"

#define ARENA    (16 * MIB)
#define TEXT_MAX (1 * MIB)

/* MSH-3 and MSH-4 of --for; both empty for the general mapping. */
struct sender {
	struct str application, facility;
};

static bool
take_sender(const struct hl7_request *r, struct sender *out, struct err *e)
{
	struct str s = str_from(r->sender);
	size_t at = str_find(s, '/');

	*out = (struct sender){STR(""), STR("")};
	if (r->sender == NULL)
		return true;
	out->application = str_trim(str_of(s.p, at));
	if (at < s.n)
		out->facility = str_trim(str_of(s.p + at + 1, s.n - at - 1));
	return out->application.n > 0 ||
	       fail(e, ERR_USAGE,
		   "--for: allowed is APPLICATION, or APPLICATION/FACILITY, as "
		   "they stand in MSH-3 and MSH-4");
}

bool
hl7_mapping_load(struct hl7_request *r, struct str application,
    struct str facility, struct arena *a, struct mapping *out,
    const char **from, struct err *e)
{
	struct str text;
	bool found;

	*from = "the preset manual";
	*out = *mapping_preset("manual");
	if (r->store == NULL)
		return true;
	if (!hl7_mapping_find(
		r->store, application, facility, a, &text, &found, e))
		return false;
	if (!found)
		return true;
	*from = "a mapping of this archive";
	return mapping_read(text, out, e) || fail_in(e, "the stored mapping");
}

static bool
load(struct hl7_request *r, const struct sender *s, struct arena *a,
    struct mapping *out, const char **from, struct err *e)
{
	return hl7_mapping_load(
	    r, s->application, s->facility, a, out, from, e);
}

static bool
save(struct hl7_request *r, const struct sender *s, const struct mapping *m,
    struct err *e)
{
	struct buf text;
	size_t f;
	bool ok;

	for (f = 0; f < FIELD_COUNT; f++)
		if (field_info((enum field)f)->required && m->count[f] == 0)
			return fail(e, ERR_USAGE,
			    "%s needs a place: without it no order can be "
			    "taken",
			    field_info((enum field)f)->name);
	buf_init(&text, TEXT_MAX);
	mapping_write(m, &text);
	ok = hl7_mapping_put(
	    r->store, s->application, s->facility, buf_str(&text), e);
	buf_fini(&text);
	return ok;
}

static void
put_places(struct table *t, const struct mapping *m, enum field f)
{
	struct buf text;
	size_t i;

	buf_init(&text, KIB);
	for (i = 0; i < m->count[f]; i++) {
		buf_text(&text, i > 0 ? ", " : "");
		mapping_place_write(&m->at[f][i], &text);
	}
	table_add(t, m->count[f] > 0 ? buf_str(&text) : STR("-"));
	buf_fini(&text);
}

static bool
show(struct hl7_request *r, const struct sender *s, struct err *e)
{
	static const char *const heads[] = {"FIELD", "PLACES", "KEYWORD"};
	enum field only = FIELD_COUNT;
	const char *from;
	struct mapping m;
	struct table t;
	struct arena a;
	size_t f;
	bool ok;

	if (r->words.n > 2 && !field_word(r->words.at[2], &only, e))
		return false;
	if (!hl7_want_store(r, e))
		return false;
	arena_init(&a, ARENA);
	ok = load(r, s, &a, &m, &from, e);
	if (ok) {
		table_init(&t, &a, heads, ARRAY_LEN(heads));
		for (f = 0; f < FIELD_COUNT; f++) {
			if (only != FIELD_COUNT && only != f)
				continue;
			table_add(
			    &t, str_from(arena_printf(&a, "%s%s",
				    field_info((enum field)f)->name,
				    field_info((enum field)f)->required ? " (*)"
									: "")));
			put_places(&t, &m, (enum field)f);
			table_text(&t, field_info((enum field)f)->keyword);
		}
		table_print(&t);
		printf("from %s; (*): required\n", from);
	}
	arena_fini(&a);
	return ok;
}

static bool
take_places(
    struct hl7_request *r, struct mapping *m, enum field f, struct err *e)
{
	const char *const *w = r->words.at + 3;
	size_t n = r->words.n - 3, i;
	char place[200];

	m->count[f] = 0;
	if (n == 1 && !strcmp(w[0], "none"))
		return true;
	if (n == 0 || n % 3 != 0 || n / 3 > MAPPING_PLACES)
		return fail(e, ERR_USAGE,
		    "a place is SEGMENT POSITION COMPONENT, such as PID 5 0 "
		    "(0: the whole field); up to %d, the first that has a value "
		    "counts; or none",
		    MAPPING_PLACES);
	for (i = 0; i < n; i += 3) {
		snprintf(place, sizeof(place), "%.60s %.60s %.60s", w[i],
		    w[i + 1], w[i + 2]);
		if (!mapping_place_read(
			str_from(place), &m->at[f][m->count[f]], e))
			return false;
		m->count[f]++;
	}
	return true;
}

/* The manual has one row for date and time. */
static bool
is_start(const char *word)
{
	return str_eq_nocase(str_from(word), STR("START DATE - TIME")) ||
	       str_eq_nocase(str_from(word), STR("START DATE-TIME")) ||
	       str_eq_nocase(str_from(word), STR("START_DATE_TIME"));
}

static bool
change(struct hl7_request *r, struct mapping *m, struct err *e)
{
	enum field f = FIELD_ScheduledProcedureStepStartDate;

	if (!is_start(r->words.at[2]))
		return field_word(r->words.at[2], &f, e) &&
		       take_places(r, m, f, e);
	return take_places(r, m, f, e) &&
	       take_places(r, m, FIELD_ScheduledProcedureStepStartTime, e);
}

static bool
set(struct hl7_request *r, const struct sender *s, struct err *e)
{
	struct mapping m;
	const char *from;
	struct arena a;
	bool ok;

	/* The words first. */
	m = *mapping_preset("manual");
	if (r->words.n < 4)
		return fail(e, ERR_USAGE, "an argument is missing");
	if (!change(r, &m, e) || !hl7_need_store(r, e))
		return false;
	arena_init(&a, ARENA);
	ok = load(r, s, &a, &m, &from, e) && change(r, &m, e) &&
	     save(r, s, &m, e);
	arena_fini(&a);
	return ok;
}

static bool
unknown_preset(const char *name, struct err *e)
{
	struct buf names;
	char shown[80];
	size_t i;

	buf_init(&names, KIB);
	for (i = 0; mapping_presets[i] != NULL; i++)
		buf_printf(
		    &names, "%s%s", i > 0 ? ", " : "", mapping_presets[i]);
	(void)fail(e, ERR_USAGE, "there is no preset '%s'; there are: %s",
	    str_printable(shown, sizeof(shown), str_from(name)),
	    buf_cstr(&names));
	buf_fini(&names);
	return false;
}

static bool
preset(struct hl7_request *r, const struct sender *s, struct err *e)
{
	const char *name = r->words.n > 2 ? r->words.at[2] : "";
	const struct mapping *m = mapping_preset(name);

	if (m == NULL)
		return unknown_preset(name, e);
	return hl7_need_store(r, e) && save(r, s, m, e);
}

static bool export(struct hl7_request *r, const struct sender *s, struct err *e)
{
	const char *path = r->words.n > 2 ? r->words.at[2] : "-", *from;
	struct mapping m;
	struct arena a;
	struct buf text;
	bool ok;

	if (!hl7_want_store(r, e))
		return false;
	arena_init(&a, ARENA);
	buf_init(&text, TEXT_MAX);
	ok = load(r, s, &a, &m, &from, e);
	if (ok) {
		mapping_write(&m, &text);
		if (strcmp(path, "-") != 0)
			ok = text_write_file(path, buf_str(&text), e);
		else
			fputs(buf_cstr(&text), stdout);
	}
	buf_fini(&text);
	arena_fini(&a);
	return ok;
}

bool
hl7_mapping_file(const char *path, struct mapping *out, struct err *e)
{
	struct buf text;
	bool ok;

	buf_init(&text, MESSAGES_FILE_MAX + 64 * KIB);
	ok = messages_read_file(path, &text, e) &&
	     mapping_read(buf_str(&text), out, e);
	buf_fini(&text);
	return ok || fail_in(e, "%s", path);
}

static bool
import(struct hl7_request *r, const struct sender *s, struct err *e)
{
	struct mapping m;

	if (r->words.n < 3)
		return fail(e, ERR_USAGE, "an argument is missing");
	return hl7_mapping_file(r->words.at[2], &m, e) &&
	       hl7_need_store(r, e) && save(r, s, &m, e);
}

static bool
list_all(struct hl7_request *r, const struct sender *s, struct err *e)
{
	static const char *const heads[] = {"APPLICATION", "FACILITY"};
	struct hl7_mapping_row *rows;
	struct table t;
	struct arena a;
	size_t n = 0, i;
	bool ok;

	(void)s;
	if (!hl7_need_store(r, e))
		return false;
	arena_init(&a, ARENA);
	ok = hl7_mapping_list(r->store, &a, &rows, &n, e);
	if (ok && n == 0)
		puts("none: the preset manual holds for everybody");
	table_init(&t, &a, heads, ARRAY_LEN(heads));
	for (i = 0; ok && i < n; i++) {
		table_add(&t, rows[i].application.n > 0 ? rows[i].application
							: STR("(any)"));
		table_add(&t,
		    rows[i].facility.n > 0 ? rows[i].facility : STR("(any)"));
	}
	if (ok && n > 0)
		table_print(&t);
	arena_fini(&a);
	return ok;
}

static bool
delete_one(struct hl7_request *r, const struct sender *s, struct err *e)
{
	struct hl7_mapping_row *rows;
	struct arena a;
	size_t n = 0, i;
	bool ok, there = false;

	if (!hl7_need_store(r, e))
		return false;
	arena_init(&a, ARENA);
	ok = hl7_mapping_list(r->store, &a, &rows, &n, e);
	for (i = 0; ok && i < n; i++)
		there = there || (str_eq(rows[i].application, s->application) &&
				     str_eq(rows[i].facility, s->facility));
	arena_fini(&a);
	if (ok && !there)
		return fail(e, ERR_MISSING,
		    "there is no such mapping "
		    "('fileroom hl7 mapping list' shows them)");
	return ok && hl7_mapping_put(
			 r->store, s->application, s->facility, STR(""), e);
}

bool
hl7_mapping(struct hl7_request *r, struct err *e)
{
	static const struct {
		const char *name;
		size_t most; /* words, both names among them */
		bool (*run)(struct hl7_request *r, const struct sender *s,
		    struct err *e);
	} actions[] = {
	    {"show", 3, show},
	    {"set", 3 + 3 * MAPPING_PLACES, set},
	    {"preset", 3, preset},
	    {"export", 3, export},
	    {"import", 3, import},
	    {"list", 2, list_all},
	    {"delete", 2, delete_one},
	};
	struct words *w = &r->words;
	struct sender s;
	char shown[80];
	size_t i;

	/* The action's own words follow its name. */
	w->at++;
	w->n--;
	for (i = 0; i < ARRAY_LEN(actions); i++)
		if (!strcmp(actions[i].name, w->at[0]))
			break;
	(void)str_printable(shown, sizeof(shown), str_from(w->at[0]));
	w->at--;
	w->n++;
	if (i == ARRAY_LEN(actions))
		return fail(e, ERR_USAGE,
		    "hl7 mapping: '%s' is not allowed; allowed: show, set, "
		    "preset, export, import, list or delete",
		    shown);
	return take_sender(r, &s, e) &&
	       options_words(w, 2, actions[i].most, e) &&
	       actions[i].run(r, &s, e);
}
