/*
 * The Z segments in which a record travels that the usual places cannot carry
 * (docs/hl7-mapping.md): what order_build() wrote is read here.
 */
#include "hl7/order_inside.h"

static const struct er7_segment *
next_record(
    const struct order_reader *r, const struct order_scope *scope, size_t *i)
{
	const struct er7_segment *s;

	while (*i < scope->to) {
		s = &r->m->segments[(*i)++];
		if (strcmp(s->name, RECORD_SEGMENT) == 0)
			return s;
	}
	return NULL;
}

static bool
is_status(const struct er7_segment *s)
{
	return str_eq_text(str_trim(er7_field(s, 2)), RECORD_STATUS);
}

/* Others may have a ZFR of their own: ours tells the status. */
bool
order_is_record(const struct order_reader *r, const struct order_scope *scope)
{
	const struct er7_segment *s;
	size_t i = scope->from;

	while ((s = next_record(r, scope, &i)) != NULL)
		if (is_status(s))
			return true;
	return false;
}

static void
take_status(struct str name, enum order_status *out)
{
	size_t i;

	for (i = 0; i < STATUS_COUNT; i++)
		if (str_eq_text(name, order_status_name((enum order_status)i)))
			*out = (enum order_status)i;
}

void
order_take_record(struct order_reader *r, const struct order_scope *scope,
    struct order_step *step)
{
	static const struct mapping_place place = {RECORD_SEGMENT, 3, 0, 0, 0};
	const struct er7_segment *s;
	struct order_value *value;
	size_t i = scope->from;
	struct str raw;
	enum field f;

	while ((s = next_record(r, scope, &i)) != NULL) {
		raw = er7_field(s, 3);
		if (is_status(s)) {
			take_status(str_trim(raw), &step->status);
			continue;
		}
		f = field_find(er7_field(s, 2));
		if (f == FIELD_COUNT || raw.n == 0)
			continue;
		value = &step->value[f];
		*value = (struct order_value){.given = true};
		/* As it stands: spaces and line breaks are the record's. */
		if (!er7_is_delete(raw))
			value->text = er7_text(r->arena, r->m, raw);
		order_trace_add(r, scope, f, &place, raw, value->text,
		    "kept in the record");
	}
}
