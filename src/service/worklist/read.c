/*
 * From the attributes of an answer to the fields of an item.
 */
#include "service/worklist/read.h"

#include "base/limit.h"
#include "dicom/charset.h"
#include "dicom/dict.h"

enum place { TOP, STEP };
enum kind { VALUE, CODES, IDS, STATUS, PREGNANCY, NOTHING };

static const struct {
	enum place place;
	uint32_t tag;
	enum kind kind;
	enum field field; /* FIELD_COUNT: none */
} table[] = {
#define ATTRIBUTE(place, keyword, kind, field, need)                           \
	{place, TAG_##keyword, kind, FIELD_##field},
#include "service/worklist/attributes.def"
#undef ATTRIBUTE
};

/* Where a value is looked for, and in which letters. */
struct source {
	struct arena *arena;
	const struct dataset *ds;
	struct str charset;
};

static struct str
text_of(const struct source *s, uint32_t tag)
{
	const struct element *element = dataset_find(s->ds, tag);
	struct str text;

	if (element == NULL)
		return STR("");
	/* What is ASCII comes back as it is: a slice of the answer. */
	text = charset_to_utf8(s->arena, s->charset, str_trim(element->value),
	    dict_vr(tag) == VR_PN);
	return arena_dup(s->arena, str_trim(text));
}

static struct source
within(const struct source *s, const struct dataset *item)
{
	const struct element *named =
	    dataset_find(item, TAG_SpecificCharacterSet);
	struct source inner = *s;

	inner.ds = item;
	if (named != NULL)
		inner.charset = str_trim(named->value);
	return inner;
}

/* Without what separates values of lists. */
static void
add_part(struct buf *out, struct str text)
{
	size_t i;

	for (i = 0; i < text.n; i++)
		buf_u8(out,
		    text.p[i] == '^' || text.p[i] == '\\' ? ' ' : text.p[i]);
}

/* "code^meaning^scheme", as hl7/fields.def has it; "id^issuer". */
static void
add_item(struct buf *out, const struct source *s, enum kind kind)
{
	bool is_code = kind == CODES;

	if (out->n > 0)
		buf_u8(out, '\\');
	add_part(out, text_of(s, is_code ? TAG_CodeValue : TAG_PatientID));
	buf_u8(out, '^');
	add_part(
	    out, text_of(s, is_code ? TAG_CodeMeaning : TAG_IssuerOfPatientID));
	if (!is_code)
		return;
	buf_u8(out, '^');
	add_part(out, text_of(s, TAG_CodingSchemeDesignator));
}

static struct str
list_of(const struct source *s, uint32_t tag, enum kind kind)
{
	const struct element *element = dataset_find(s->ds, tag);
	const struct dataset *item = element != NULL ? element->items : NULL;
	struct source inner;
	struct str out;
	struct buf text;

	buf_init(&text, LIMIT_HEADER_VALUE);
	for (; item != NULL; item = item->next) {
		inner = within(s, item);
		if (text_of(&inner, TAG_CodeValue).n +
			text_of(&inner, TAG_CodeMeaning).n +
			text_of(&inner, TAG_PatientID).n >
		    0)
			add_item(&text, &inner, kind);
	}
	out = text.over ? STR("") : arena_dup(s->arena, buf_str(&text));
	buf_fini(&text);
	return out;
}

static enum order_status
status_of(struct str text)
{
	size_t i;

	/* PS3.3 C.4.10: what our own statuses do not name. */
	if (str_eq_text(text, "READY"))
		return STATUS_ARRIVED;
	if (str_eq_text(text, "DEPARTED"))
		return STATUS_COMPLETED;
	for (i = STATUS_SCHEDULED; i < STATUS_COUNT; i++)
		if (str_eq_text(text, order_status_name((enum order_status)i)))
			return (enum order_status)i;
	return STATUS_SCHEDULED;
}

static struct str
number_of(const struct source *s, uint32_t tag)
{
	char text[24];
	int64_t v;

	if (!dataset_int(s->ds, tag, &v))
		return STR("");
	snprintf(text, sizeof(text), "%lld", (long long)v);
	return arena_dup(s->arena, str_from(text));
}

static void
take(const struct source *s, size_t i, struct item *out)
{
	struct str value = STR("");

	switch (table[i].kind) {
	case VALUE:
		value = text_of(s, table[i].tag);
		break;
	case CODES:
	case IDS:
		value = list_of(s, table[i].tag, table[i].kind);
		break;
	case PREGNANCY:
		value = number_of(s, table[i].tag);
		break;
	case STATUS:
		out->status = status_of(text_of(s, table[i].tag));
		return;
	case NOTHING:
		return;
	}
	if (value.n > 0)
		out->value[table[i].field] = value;
}

/* Item number n; NULL: there is none. */
static const struct dataset *
step_of(const struct dataset *answer, size_t n)
{
	const struct element *sequence =
	    dataset_find(answer, TAG_ScheduledProcedureStepSequence);
	const struct dataset *item = sequence != NULL ? sequence->items : NULL;

	while (item != NULL && n-- > 0)
		item = item->next;
	return item;
}

bool
worklist_read(struct arena *a, const struct dataset *answer, size_t step,
    struct item *out)
{
	const struct dataset *item = step_of(answer, step);
	struct source top = {.arena = a}, inner;
	size_t i;

	if (item == NULL && step > 0)
		return false;
	*out = (struct item){.status = STATUS_SCHEDULED};
	top = within(&top, answer);
	inner = item != NULL ? within(&top, item) : top;
	for (i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].place == TOP || item != NULL)
			take(table[i].place == TOP ? &top : &inner, i, out);
	return !a->over;
}

bool
worklist_ask_all(struct dataset *identifier)
{
	struct dataset *step =
	    dataset_put_item(identifier, TAG_ScheduledProcedureStepSequence);
	struct dataset *ds;
	bool ok = step != NULL;
	size_t i;

	for (i = 0; ok && i < ARRAY_LEN(table); i++) {
		ds = table[i].place == TOP ? identifier : step;
		if (table[i].kind == NOTHING)
			continue;
		if (dict_vr(table[i].tag) == VR_SQ)
			ok = dataset_put_item(ds, table[i].tag) != NULL;
		else
			ok = dataset_put(
			    ds, table[i].tag, dict_vr(table[i].tag), STR(""));
	}
	return ok;
}
