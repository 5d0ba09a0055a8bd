/*
 * Keys as a tree against data sets, and the character set of what is made of
 * them.
 */
#include "dicom/keys.h"

#include "dicom/recode.h"
#include "test.h"

static struct arena arena = {.budget = LIMIT_EXCHANGE};
static struct keys keys;

static struct dataset *
set(void)
{
	return dataset_new(&arena);
}

static const struct key *
only(const struct dataset *identifier)
{
	struct err e = {0};

	if (!CHECK(keys_read(&arena, identifier, true, &keys, &e)))
		printf("%s\n", e.text);
	return &keys.list[0];
}

static bool
matches(const struct dataset *identifier, const struct dataset *ds)
{
	return key_matches(only(identifier), &arena, ds, STR(""));
}

TEST(reading)
{
	struct dataset *ds = set(), *item;

	(void)dataset_put_text(
	    ds, TAG_SpecificCharacterSet, VR_CS, "ISO_IR 100");
	(void)dataset_put_text(ds, TAG(0x10, 0), VR_UL, "1234");
	(void)dataset_put_text(ds, TAG_PatientName, VR_PN, " M\xfcller ");
	(void)dataset_put_text(ds, TAG_InstanceNumber, VR_IS, "+007");
	(void)dataset_put_text(ds, TAG_StudyID, VR_SH, "**");
	(void)dataset_put_text(ds, TAG_AccessionNumber, VR_SH, "\"\"");
	(void)dataset_put_text(ds, TAG(0x11, 0x10), VR_LO, "ACME");
	(void)dataset_put_text(ds, TAG(0x11, 0x1001), VR_LO, "a");
	(void)dataset_put_text(ds, TAG(0x11, 0x1101), VR_LO, "b");
	item = dataset_put_item(ds, TAG_ProcedureCodeSequence);
	item = dataset_put_item(item, TAG_ReferencedSOPSequence);
	(void)dataset_put_text(item, TAG_CodeValue, VR_SH, "x");
	(void)only(ds);
	if (!CHECK_EQ(keys.n, 6))
		return;
	CHECK_EQ(keys.list[0].tag, TAG_AccessionNumber);
	CHECK(keys.list[0].empty && keys.list[0].demands);
	CHECK_EQ(keys.list[1].tag, TAG_ProcedureCodeSequence);
	/* What is asked below is asked here. */
	CHECK(keys.list[1].demands && keys.list[1].items->n == 1);
	CHECK(keys.list[1].items->list[0].demands);
	CHECK_STR(keys.list[2].value, "M\xc3\xbcller");
	CHECK_STR(keys.list[3].creator, "ACME");
	CHECK_EQ(keys.list[3].tag, TAG(0x11, 0x1001));
	CHECK(!keys.list[4].demands);
	CHECK_STR(keys.list[5].value, "7");
}

TEST(too_much)
{
	static char text[LIMIT_INDEX_VALUE + 3];
	struct dataset *ds = set();
	struct err e = {0};
	uint32_t i;

	memset(text, 'A', sizeof(text) - 1);
	(void)dataset_put_text(ds, TAG_PatientComments, VR_LT, text);
	CHECK(!keys_read(&arena, ds, false, &keys, &e));
	CHECK_EQ(e.code, ERR_LIMIT);
	ds = set();
	memset(text, '\\', LIMIT_KEY_VALUES);
	text[LIMIT_KEY_VALUES] = '\0';
	(void)dataset_put_text(ds, TAG_Modality, VR_CS, text);
	CHECK(!keys_read(&arena, ds, false, &keys, &e));
	ds = set();
	(void)dataset_put_text(ds, TAG_StudyInstanceUID, VR_UI, text);
	CHECK(keys_read(&arena, ds, false, &keys, &e));
	ds = set();
	for (i = 0; i <= LIMIT_QUERY_KEYS; i++)
		(void)dataset_put_text(ds, TAG(0x20, i + 1), VR_LO, "");
	CHECK(!keys_read(&arena, ds, false, &keys, &e));
	CHECK_EQ(e.code, ERR_LIMIT);
	arena_reset(&arena);
}

/* A sequence of items that each hold a sequence of codes. */
static struct dataset *
nested(const char *const *codes)
{
	struct dataset *ds = set(), *item = NULL, *inner;

	for (; *codes != NULL; codes++) {
		if (**codes == '|' || item == NULL)
			item =
			    dataset_put_item(ds, TAG_RequestAttributesSequence);
		if (**codes == '|')
			continue;
		inner =
		    dataset_put_item(item, TAG_ScheduledProtocolCodeSequence);
		(void)dataset_put_text(inner, TAG_CodeValue, VR_SH, *codes);
		(void)dataset_put_text(
		    inner, TAG_CodingSchemeDesignator, VR_SH, "S");
	}
	return ds;
}

static struct dataset *
ask_nested(const char *code, const char *scheme)
{
	struct dataset *ds = set(), *item;

	item = dataset_put_item(ds, TAG_RequestAttributesSequence);
	item = dataset_put_item(item, TAG_ScheduledProtocolCodeSequence);
	(void)dataset_put_text(item, TAG_CodeValue, VR_SH, code);
	(void)dataset_put_text(item, TAG_CodingSchemeDesignator, VR_SH, scheme);
	return ds;
}

TEST(sequences)
{
	const char *const codes[] = {"A", "B", "|", "C", NULL};
	const char *const none[] = {"|", "|", NULL};
	struct dataset *ds = nested(codes), *answer;
	const struct element *element;

	CHECK(matches(ask_nested("A", ""), ds));
	CHECK(matches(ask_nested("B", "S"), ds));
	CHECK(matches(ask_nested("C", "S"), ds));
	CHECK(!matches(ask_nested("D", ""), ds));
	CHECK(!matches(ask_nested("A", "T"), ds));
	CHECK(matches(ask_nested("", ""), set()));
	CHECK(!matches(ask_nested("A", ""), set()));
	CHECK(!matches(ask_nested("A", ""), nested(none)));
	answer = set();
	CHECK(key_answer(only(ask_nested("B", "")), ds, STR(""), answer));
	element = dataset_find(answer, TAG_RequestAttributesSequence);
	if (!CHECK(element != NULL && element->item_count == 1))
		return;
	element =
	    dataset_find(element->items, TAG_ScheduledProtocolCodeSequence);
	if (CHECK(element != NULL && element->item_count == 1)) {
		CHECK_STR(dataset_str(element->items, TAG_CodeValue), "B");
		CHECK_EQ(element->items->n, 2);
	}
	arena_reset(&arena);
}

TEST(depth)
{
	struct dataset *ds = set(), *at = ds, *deep = set(), *answer;
	int i;

	for (i = 0; i < LIMIT_SQ_DEPTH; i++)
		at = dataset_put_item(at, TAG_RequestAttributesSequence);
	(void)dataset_put_text(at, TAG_CodeValue, VR_SH, "x");
	at = deep;
	for (i = 0; i < LIMIT_SQ_DEPTH; i++) {
		(void)dataset_put_item(at, TAG_RequestAttributesSequence);
		at = dataset_put_item(at, TAG_RequestAttributesSequence);
	}
	(void)dataset_put_text(at, TAG_CodeValue, VR_SH, "x");
	CHECK(matches(ds, ds));
	CHECK(matches(ds, deep));
	(void)dataset_put_text(at, TAG_CodeValue, VR_SH, "y");
	CHECK(!matches(ds, deep));
	answer = set();
	CHECK(key_answer(only(ds), ds, STR(""), answer));
	CHECK(dataset_recode(answer, STR("")));
	arena_reset(&arena);
}

TEST(items_with_their_own_set)
{
	struct dataset *ds = set(), *item, *ask = set(), *answer = set();
	const struct element *element;

	item = dataset_put_item(ds, TAG_RequestAttributesSequence);
	(void)dataset_put_text(
	    item, TAG_SpecificCharacterSet, VR_CS, "ISO_IR 144");
	(void)dataset_put_text(item, TAG_CodeMeaning, VR_LO, "\xbb");
	(void)dataset_put_item(ask, TAG_RequestAttributesSequence);
	CHECK(key_answer(only(ask), ds, STR("ISO_IR 100"), answer));
	element = dataset_find(answer, TAG_RequestAttributesSequence);
	if (CHECK(element != NULL && element->item_count == 1)) {
		CHECK_EQ(element->items->n, 1);
		CHECK_STR(dataset_str(element->items, TAG_CodeMeaning), "Л");
	}
	CHECK(dataset_recode(answer, STR("ISO_IR 126")));
	CHECK_STR(dataset_str(answer, TAG_SpecificCharacterSet), "ISO_IR 144");
	element = dataset_find(answer, TAG_RequestAttributesSequence);
	CHECK_STR(dataset_str(element->items, TAG_CodeMeaning), "\xbb");
	arena_reset(&arena);
}

static struct str
recoded(const char *text, const char *wanted)
{
	struct dataset *ds = set();

	(void)dataset_put_text(ds, TAG_PatientName, VR_PN, text);
	CHECK(dataset_recode(ds, str_from(wanted)));
	return dataset_str(ds, TAG_SpecificCharacterSet);
}

TEST(narrowest_set)
{
	CHECK_STR(recoded("a", "ISO_IR 192"), "");
	CHECK_STR(recoded("\xc3\xa9", ""), "ISO_IR 100");
	CHECK_STR(recoded("Š", ""), "ISO_IR 101");
	CHECK_STR(recoded("ş", ""), "ISO_IR 101");
	CHECK_STR(recoded("ş^ı", ""), "ISO_IR 148");
	CHECK_STR(recoded("ש", ""), "ISO_IR 138");
	CHECK_STR(recoded("ب", ""), "ISO_IR 127");
	CHECK_STR(recoded("ก", ""), "ISO_IR 166");
	CHECK_STR(recoded("ﾔﾏ", ""), "ISO_IR 13");
	CHECK_STR(recoded("€", ""), "ISO_IR 203");
	CHECK_STR(recoded("é^Л", ""), "ISO_IR 192");
	CHECK_STR(recoded("é^Л", "ISO 2022 IR 100\\ISO 2022 IR 144"),
	    "ISO 2022 IR 100\\ISO 2022 IR 144");
	CHECK_STR(recoded("山", "\\ISO 2022 IR 149"), "\\ISO 2022 IR 149");
	CHECK_STR(recoded("山", "ISO 2022 IR 58"), "\\ISO 2022 IR 58");
	CHECK_STR(recoded("é", "KLINGON"), "ISO_IR 100");
	/* What is no UTF-8 goes out as it came. */
	CHECK_STR(recoded("\xff", "ISO_IR 100"), "ISO_IR 192");
	arena_fini(&arena);
}

TEST_MAIN
