/*
 * Identifiers of worklist queries: the first byte chooses the syntax and what
 * node and site want, the rest is the identifier. Whatever it says, it is
 * refused with a reason or becomes a query that matches an item or does not,
 * twice the same; its answer can be built, names a character set, can be read
 * again, and has nothing of return type 1 empty that was asked for.
 */
#include "base/limit.h"
#include "dicom/build.h"
#include "dicom/charset.h"
#include "service/worklist/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const syntaxes[] = {UID_ImplicitVRLittleEndian,
    UID_ExplicitVRLittleEndian, UID_ExplicitVRBigEndian,
    UID_DeflatedExplicitVRLittleEndian};
static const char *const sets[] = {
    "", "ISO_IR 6", "ISO_IR 144", "\\ISO 2022 IR 87"};

/* One that has everything, and one that has nothing, and what came in one in
 * the place of what has no home in the other. */
static void
sample(struct item *item, bool full, struct str text)
{
	size_t f;

	*item = (struct item){.id = 7, .created_ms = 1770000000000};
	item->status = STATUS_SCHEDULED;
	if (!full)
		return;
	for (f = 0; f < FIELD_COUNT; f++)
		item->value[f] = text;
	item->value[FIELD_PatientName] =
	    STR("M\xc3\xbcller^Anna=\xe5\xb1\xb1^\xe7\x94\xb0");
	item->value[FIELD_ScheduledProcedureStepStartDate] = STR("20260102");
	item->value[FIELD_ScheduledProcedureStepStartTime] = STR("1015");
	item->value[FIELD_ScheduledStationAETitle] = STR("CT1\\CT2");
	item->value[FIELD_ScheduledProtocolCode] = STR("C1^Chest^99X\\C2");
	item->value[FIELD_StudyInstanceUID] = STR("1.2.3");
}

/* What was asked for at the top and must have a value. */
static void
check_complete(const struct ask *q, const struct dataset *ds)
{
	const struct attribute *attribute;
	size_t i;

	for (i = 0; i < q->wanted.n; i++) {
		attribute = attribute_of(q->wanted.list[i].tag);
		if (attribute != NULL && attribute->need == ATTRIBUTE_ALWAYS &&
		    attribute->tag != TAG_StudyInstanceUID)
			must(dataset_str(ds, attribute->tag).n > 0);
	}
}

static void
check_answer(const struct ask *q, const struct item *item)
{
	struct syntax explicit_little =
	    syntax_of(str_from(UID_ExplicitVRLittleEndian));
	struct dataset *ds, *again;
	struct arena a;
	struct buf out;
	struct err e;

	arena_init(&a, 32 * MIB);
	buf_init(&out, LIMIT_IDENTIFIER);
	ds = answer_build(q, &a, item, NULL);
	if (ds != NULL && build_dataset(&out, ds, explicit_little, &e)) {
		check_complete(q, ds);
		must(charset_known(dataset_str(ds, TAG_SpecificCharacterSet)));
		must(dataset_read(&a, buf_str(&out), explicit_little,
			 LIMIT_IDENTIFIER, 0, &again, &e) ||
		     e.code == ERR_LIMIT);
	}
	buf_fini(&out);
	arena_fini(&a);
}

static void
check_item(struct ask *q, const struct item *item)
{
	struct arena a;
	bool yes;
	size_t i;

	arena_init(&a, 32 * MIB);
	yes = ask_matches(q, &a, item);
	must(yes == ask_matches(q, &a, item) || a.over);
	for (i = 0; i < q->key_count; i++) {
		arena_reset(&a);
		must(ask_key_matches(q, &q->keys[i], &a, item) || !yes ||
		     a.over);
	}
	check_answer(q, item);
	q->lenient = true;
	arena_reset(&a);
	must(ask_matches(q, &a, item) || !q->has_lenient || !yes || a.over);
	q->lenient = false;
	arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ask_rules rules = {.caller = "CT1"};
	struct arena a;
	struct item item;
	struct ask q;
	struct err e;

	if (size == 0)
		return 0;
	rules.letters.node = str_from(sets[data[0] >> 2 & 3]);
	rules.calling_ae_as_station = (data[0] & 16) != 0;
	rules.hide_without_ae = (data[0] & 32) != 0;
	rules.apart = (data[0] & 64) != 0;
	rules.days = data[0] >> 7;
	arena_init(&a, LIMIT_EXCHANGE);
	if (ask_read(&a, &rules, str_of(data + 1, size - 1),
		syntax_of(str_from(syntaxes[data[0] & 3])), &q, &e)) {
		sample(&item, true, STR("1"));
		check_item(&q, &item);
		/* The identifier's own bytes, made text as the store has it. */
		sample(&item, true,
		    charset_to_utf8(&a, STR("ISO_IR 100"),
			str_of(data, size < 200 ? size : 200), false));
		check_item(&q, &item);
		sample(&item, false, STR(""));
		check_item(&q, &item);
	} else {
		must(e.code != ERR_NONE && e.text[0] != '\0');
	}
	arena_fini(&a);
	return 0;
}
