/*
 * 'hl7 map': what a message asks for, and for each field of the item where it
 * came from and what was made of it.
 */
#include "app/worklist/hl7.h"
#include "app/worklist/table.h"

#include "hl7/order.h"

#define RAW_SHOWN 40

struct mapped {
	struct hl7_request *r;
	struct mapping given;
	bool has_given;
};

static void
add_row(struct table *t, enum field f, const struct order_trace *trace,
    struct str text)
{
	struct buf place;

	buf_init(&place, 64);
	if (trace != NULL)
		mapping_place_write(&trace->place, &place);
	table_text(t, field_info(f)->name);
	table_add(t, trace != NULL ? buf_str(&place) : STR("-"));
	table_add(t, trace != NULL ? trace->raw : STR(""));
	table_add(t, text);
	table_text(t, trace == NULL         ? "taken from another field"
		      : trace->note != NULL ? trace->note
					    : "");
	buf_fini(&place);
}

/* What one step, or the patient, got; and what is still wanted. */
static void
put_values(struct arena *a, const struct order_value *value, size_t step,
    const struct order_trace *traces, size_t n, bool is_step)
{
	static const char *const heads[] = {
	    "FIELD", "PLACE", "IN THE MESSAGE", "VALUE", "NOTE"};
	struct table t;
	bool traced;
	size_t f, i;

	table_init(&t, a, heads, ARRAY_LEN(heads));
	t.most[2] = t.most[3] = RAW_SHOWN;
	for (f = 0; f < FIELD_COUNT; f++) {
		traced = false;
		for (i = 0; i < n; i++) {
			if (traces[i].field != f || traces[i].step != step)
				continue;
			traced = true;
			add_row(&t, (enum field)f, &traces[i], traces[i].text);
		}
		if (!traced && value[f].given && value[f].text.n > 0)
			add_row(&t, (enum field)f, NULL, value[f].text);
		if (is_step && field_info((enum field)f)->required &&
		    value[f].text.n == 0) {
			table_text(&t, field_info((enum field)f)->name);
			table_text(&t, "");
			table_text(&t, "");
			table_text(&t, "");
			table_text(&t, "required, and not there");
		}
	}
	table_print(&t);
}

static void
put_reports(struct arena *a, const struct order_message *o)
{
	const struct order_report *r;
	size_t i;

	for (i = 0; i < o->report_count; i++) {
		r = &o->reports[i];
		printf("%s of %s '",
		    r->taken_back ? "takes back the report" : "a report",
		    r->study.n > 0 ? "study" : "accession number");
		verb_put(stdout,
		    arena_cstr(a, r->study.n > 0 ? r->study : r->accession));
		if (r->taken_back)
			puts("'");
		else
			printf("': %zu bytes of text%s\n", r->text.n,
			    r->pdf.n > 0 ? ", and a document" : "");
	}
}

static void
put_order(struct arena *a, const struct order_message *o,
    const struct order_trace *traces, size_t n)
{
	static const char *const actions[] = {
	    [ORDER_PUT] = "new, or changes what is there",
	    [ORDER_UPDATE] = "changes what is there, or new",
	    [ORDER_CANCEL] = "cancels",
	    [ORDER_DISCONTINUE] = "discontinues",
	    [ORDER_HOLD] = "holds",
	    [ORDER_RELEASE] = "releases",
	    [ORDER_STATUS] = "changes the status",
	    [ORDER_DELETE] = "deletes",
	    [ORDER_INFORM] = "has no effect",
	};
	size_t i;

	for (i = 0; i < o->step_count; i++) {
		printf("step %zu: ", i + 1);
		verb_put(stdout, o->steps[i].control);
		printf("%s%s%s%s\n", o->steps[i].control[0] != '\0' ? ", " : "",
		    actions[o->steps[i].action],
		    o->steps[i].status != STATUS_NONE ? "; status " : "",
		    order_status_name(o->steps[i].status));
		put_values(a, o->steps[i].value, i, traces, n,
		    o->steps[i].action == ORDER_PUT);
	}
	if (o->kind == ORDER_KIND_PATIENT || o->kind == ORDER_KIND_MERGE) {
		puts("patient");
		put_values(a, o->patient, 0, traces, n, false);
	}
	for (i = 0; i < o->merge_count; i++) {
		printf("%s ", o->merges[i].undo ? "parts" : "merges");
		verb_put(stdout, arena_cstr(a, o->merges[i].prior_id));
		printf(" %s ", o->merges[i].undo ? "from" : "into");
		verb_put(stdout, arena_cstr(a, o->merges[i].id));
		putchar('\n');
	}
	put_reports(a, o);
	if (o->kind == ORDER_KIND_ACK)
		puts("an acknowledgement");
	else if (o->kind == ORDER_KIND_NOTHING)
		puts("taken, and of no effect");
}

static bool
choose_mapping(struct mapped *x, struct arena *a, const struct er7_message *m,
    struct mapping *out, const char **from, struct err *e)
{
	struct str application = str_trim(er7_get(a, m, "MSH", 3, 1));
	struct str facility = str_trim(er7_get(a, m, "MSH", 4, 1));

	if (!x->has_given)
		return hl7_mapping_load(
		    x->r, application, facility, a, out, from, e);
	*out = x->given;
	*from = x->r->mapping;
	return true;
}

static bool
map_one(void *ctx, struct str bytes, size_t number, struct err *e)
{
	struct mapped *x = ctx;
	struct order_trace *traces = NULL;
	struct order_message order;
	struct order_problem why;
	struct er7_message m;
	struct mapping mapping;
	const char *from,
	    *charset = x->r->settings.at[SETTING_HL7_CHARSET].text;
	struct arena a;
	size_t n = 0;
	bool ok;

	arena_init(&a, 8 * LIMIT_HL7_FRAME);
	printf("%smessage %zu", number > 1 ? "\n" : "", number);
	ok = er7_parse(&a, bytes, charset, &m, e) &&
	     choose_mapping(x, &a, &m, &mapping, &from, e);
	if (!ok) {
		putchar('\n');
		arena_fini(&a);
		return fail_in(e, "message %zu", number);
	}
	fputs(": ", stdout);
	verb_put(stdout, arena_cstr(&a, er7_get(&a, &m, "MSH", 9, 0)));
	printf(", %s%s; mapping: ", m.charset,
	    m.lossy ? " (some bytes are none)" : "");
	verb_put(stdout, from);
	putchar('\n');
	ok = order_read(&a, &m, &mapping, &order, &traces, &n, &why);
	put_order(&a, &order, traces, n);
	if (!ok) {
		printf("%s: ", why.reject ? "rejected" : "refused");
		verb_put(stdout, why.text);
		if (why.segment[0] != '\0')
			printf(" (%s%s%.0u)", why.segment,
			    why.field > 0 ? "-" : "", why.field);
		putchar('\n');
	}
	arena_fini(&a);
	return true;
}

bool
hl7_map(struct hl7_request *r, struct err *e)
{
	struct mapped x = {.r = r, .has_given = r->mapping != NULL};
	const struct mapping *m;

	if (r->mapping != NULL) {
		m = mapping_preset(r->mapping);
		if (m != NULL)
			x.given = *m;
		else if (!hl7_mapping_file(r->mapping, &x.given, e))
			return fail_in(e, "--mapping (no preset, and no file)");
	}
	return hl7_want_store(r, e) &&
	       messages_each(r->words.at[1], map_one, &x, e);
}
