/*
 * Letters of worklist answers: each set both ways, what does not fit, values
 * that break what DICOM allows.
 */
#include "service/worklist/letters.h"

#include "dicom/charset.h"
#include "test.h"

/* A text of each set: written in it, and read back. */
static const struct {
	const char *set, *text;
} sets[] = {
    {"ISO_IR 100", "Müller^Änne æøå ñ ß"},
    {"ISO_IR 101", "Čapek^Łukasz ąęőű"},
    {"ISO_IR 109", "Ġużeppi^Ħamrun ĉĝ"},
    {"ISO_IR 110", "Ķīlis^Ģirts āēų"},
    {"ISO_IR 144", "Иванов^Пётр Їжак"},
    {"ISO_IR 127", "محمد^علي"},
    {"ISO_IR 126", "Παπαδόπουλος^Άννα"},
    {"ISO_IR 138", "כהן^דוד"},
    {"ISO_IR 148", "Şahin^Işıl ğ"},
    {"ISO_IR 203", "Œuvre^Žena €"},
    {"ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"},
    {"ISO_IR 166", "ใจดี^สมชาย"},
    {"ISO_IR 192", "山田^Иван 🙂"},
    {"GB18030", "朱^镕基 🙂"},
    {"GBK", "朱^镕基"},
    {"\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"},
    {"ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"},
    {"\\ISO 2022 IR 87\\ISO 2022 IR 159", "Oka^丂=岡^丂"},
    {"\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"},
    {"\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东"},
    {"ISO 2022 IR 100\\ISO 2022 IR 144", "Müller^Иван"},
};

static struct arena arena;

static struct dataset *
with_name(const char *text)
{
	struct dataset *ds = dataset_new(&arena);

	CHECK(dataset_put_text(ds, TAG_PatientName, VR_PN, text));
	return ds;
}

static struct str
read_back(struct dataset *ds)
{
	return charset_to_utf8(&arena,
	    dataset_str(ds, TAG_SpecificCharacterSet),
	    dataset_str(ds, TAG_PatientName), true);
}

TEST(every_set_both_ways)
{
	struct letters node, asked;
	struct dataset *ds;
	size_t i;

	arena_init(&arena, 16 * MIB);
	for (i = 0; i < ARRAY_LEN(sets); i++) {
		node = (struct letters){.node = str_from(sets[i].set)};
		asked = (struct letters){.asked = str_from(sets[i].set)};
		CHECK(letters_known(node.node));
		/* What the set holds stays as it is. */
		CHECK_STR(letters_fit(&arena, &node, str_from(sets[i].text)),
		    sets[i].text);
		ds = with_name(sets[i].text);
		CHECK(letters_encode(ds, &node));
		CHECK_STR(
		    dataset_str(ds, TAG_SpecificCharacterSet), sets[i].set);
		CHECK_STR(read_back(ds), sets[i].text);
		ds = with_name(sets[i].text);
		CHECK(letters_encode(ds, &asked));
		CHECK_STR(
		    dataset_str(ds, TAG_SpecificCharacterSet), sets[i].set);
		CHECK_STR(read_back(ds), sets[i].text);
		/* Whatever set is chosen for it, nothing is lost. */
		ds = with_name(sets[i].text);
		CHECK(letters_encode(ds, &(struct letters){.node = {0}}));
		CHECK_STR(read_back(ds), sets[i].text);
	}
	arena_fini(&arena);
}

/* Every text for every set: in its letters, and never with a question mark. */
TEST(what_a_set_lacks)
{
	struct letters node;
	struct dataset *ds;
	struct str fitted;
	size_t i, j;

	arena_init(&arena, 64 * MIB);
	for (i = 0; i < ARRAY_LEN(sets); i++) {
		node = (struct letters){.node = str_from(sets[i].set)};
		for (j = 0; j < ARRAY_LEN(sets); j++) {
			fitted =
			    letters_fit(&arena, &node, str_from(sets[j].text));
			CHECK(fitted.n > 0);
			CHECK(str_find(fitted, '?') == fitted.n);
			ds = dataset_new(&arena);
			CHECK(dataset_put(ds, TAG_PatientName, VR_PN, fitted));
			CHECK(letters_encode(ds, &node));
			CHECK_STR(dataset_str(ds, TAG_SpecificCharacterSet),
			    sets[i].set);
			if (!CHECK(str_eq(read_back(ds), fitted)))
				printf("%s: '%.*s' '%.*s'\n", sets[i].set,
				    STR_ARG(fitted), STR_ARG(read_back(ds)));
		}
	}
	arena_fini(&arena);
}

TEST(transliteration)
{
	static const struct {
		const char *set, *text, *fitted;
	} cases[] = {
	    {"ISO_IR 6", "MÜLLER^Änne", "MUELLER^Aenne"},
	    {"ISO_IR 6", "Weiß^Ünal", "Weiss^Uenal"},
	    {"ISO_IR 6", "Ѓорѓи^Щербак", "Gorgi^Shcherbak"},
	    {"ISO_IR 6", "ЩЕРБАК", "SHCHERBAK"},
	    {"ISO_IR 6", "홍^길동", "hong^gildong"},
	    {"ISO_IR 6", "やまだ^タロウ", "yamada^tarou"},
	    {"ISO_IR 6", "Łukasz^Şırnak", "Lukasz^Sirnak"},
	    {"ISO_IR 6", "Þór ÞÓR þór", "Thor THOR thor"},
	    {"ISO_IR 6", "Ægir ÆGIR Ŋaŋa Ǿ", "Aegir AEGIR Nana O"},
	    {"ISO_IR 6", "O’Neill–Əli", "O'Neill-Eli"},
	    {"ISO_IR 6", "山", "U+5C71"},
	    {"ISO_IR 6", "Nguyễn^Thị Hường", "Nguyen^Thi Huong"},
	    {"ISO_IR 6", "“x” – … №5", "\"x\" - ... No5"},
	    {"ISO_IR 100", "Čapek^Müller", "Capek^Müller"},
	    {"ISO_IR 126", "Ἀθηνᾶ", "Αθηνα"},
	    {"ISO_IR 144", "Müller^Иван", "Mueller^Иван"},
	    {"\\ISO 2022 IR 87", "山田^Müller", "山田^Mueller"},
	    {"\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^Müller", "ヤマダ^Mueller"},
	    /* What the set has of it stays. */
	    {"ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田", "ﾔﾏﾀﾞ^ﾀﾛｳ=U+5C71U+7530"},
	    {"ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^e\u0301=吉野^한",
		"ﾔﾏﾀﾞ^e=吉野^han"},
	    {"ISO_IR 13", "Smith~Jones^A", "Smith-Jones^A"},
	    {"ISO_IR 100", "Smith~Jones^A", "Smith~Jones^A"},
	};
	size_t i;

	arena_init(&arena, 16 * MIB);
	for (i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(letters_fit(&arena,
			      &(struct letters){.node = str_from(cases[i].set)},
			      str_from(cases[i].text)),
		    cases[i].fitted);
	arena_fini(&arena);
}

static struct str
value(enum vr vr, bool multi, const char *text, const char **note)
{
	*note = NULL;
	return letters_value(&arena, &(struct letters){.node = {0}}, vr, multi,
	    str_from(text), note);
}

/* JIS X 0201 has a Yen sign where ASCII has the backslash. */
TEST(backslashes_in_japanese)
{
	struct letters node = {.node = STR("ISO_IR 13")};
	struct dataset *ds;

	arena_init(&arena, 1 * MIB);
	ds = dataset_new(&arena);
	CHECK(dataset_put_text(ds, TAG_PatientComments, VR_LT, "a\\b ﾀ"));
	CHECK(dataset_put_text(ds, TAG_OtherPatientIDs, VR_LO, "ﾀ\\B"));
	CHECK(letters_encode(ds, &node));
	CHECK_STR(dataset_str(ds, TAG_SpecificCharacterSet), "ISO_IR 13");
	arena_fini(&arena);
}

TEST(values_on_the_wire)
{
	static const struct {
		enum vr vr;
		bool multi;
		const char *text, *wire;
	} cases[] = {
	    {VR_SH, false, "12345678901234567", "1234567890123456"},
	    {VR_SH, false, "ééééééééééééééééé", "éééééééééééééééé"},
	    {VR_LO, false, " a\\b\tc ", "a/b c"},
	    {VR_LO, true, "a\\\\b", "a\\b"},
	    {VR_AE, true, "CT1\\A_TITLE_THAT_IS_LONG", "CT1\\A_TITLE_THAT_IS_"},
	    {VR_AE, true, "CT\xc3\xa9", "CT"},
	    {VR_CS, false, "ct scan-1", "CT SCAN_1"},
	    {VR_PN, false, "Doe^John^^^", "Doe^John"},
	    {VR_PN, false, "^^^^", ""},
	    {VR_PN, false, "Doe\\Roe^J=^=", "Doe Roe^J"},
	    {VR_PN, false, "=山田^太郎", "=山田^太郎"},
	    {VR_UI, false, "1.2.03", ""},
	    {VR_UI, false, "1.2.3", "1.2.3"},
	    {VR_DA, false, "2026.11.21", "20261121"},
	    {VR_DA, false, "tomorrow", ""},
	    {VR_TM, false, "08:15", "0815"},
	    {VR_TM, false, "25", ""},
	    {VR_DS, false, "70.5", "70.5"},
	    {VR_DS, false, "70 kg", ""},
	    {VR_LT, false, "a\r\nb\x1b", "a\r\nb"},
	};
	const char *note;
	size_t i;

	arena_init(&arena, 16 * MIB);
	for (i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(
		    value(cases[i].vr, cases[i].multi, cases[i].text, &note),
		    cases[i].wire);
	(void)value(VR_SH, false, "12345678901234567", &note);
	CHECK(note != NULL);
	(void)value(VR_SH, false, "1234567890123456", &note);
	CHECK(note == NULL);
	CHECK(letters_known(STR("ISO_IR 6")));
	CHECK(!letters_known(STR("")));
	CHECK(!letters_known(STR("LATIN1")));
	arena_fini(&arena);
}

TEST_MAIN
