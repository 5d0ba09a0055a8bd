/*
 * Token queries byte for byte as the manuals show them, the readings of what
 * is asked, character sets.
 */
#include "archive.h"

#include "service/hl7/token_query.h"

#define UID "1.2.840.113619.2.55.3.2831173124.78.1375418120."
#define T1  "H4sTZJQ7OqsxO9M633kSm9ES8wUexlW5aaoZqJuuot88Cu1QLklYe38fR4R42lR4"
#define T2  "H0QHlKw2RbpyVCTsrmp4xni2U0lGcEfogLK5bKaEV6Gg655ru1Kr76X770eIRhhL"
#define T3  "HKx1erewwPpyBhAygMTmKHBfVlWcuqkT78r3fjiVUcM4gbB9XhsojgOA15Qj9MWM"

static struct token_study
make(const char *study, const char *token)
{
	struct token_study t = {.there = true, .description = STR("THORAX")};

	(void)str_copy(t.study, sizeof(t.study), str_from(study));
	(void)str_copy(t.token, sizeof(t.token), str_from(token));
	(void)str_copy(t.date, sizeof(t.date), STR("20190603"));
	return t;
}

static bool
put_is(const struct token_study *v, size_t n, bool form_2023,
    const char *charset, const char *want)
{
	struct buf out;
	bool same;

	buf_init(&out, MIB);
	token_query_put(&out, v, n, form_2023, charset);
	same = CHECK_STR(buf_str(&out), want);
	buf_fini(&out);
	return same;
}

TEST(as_the_manuals_show)
{
	struct token_study v[3] = {
	    make(UID "812", T1), make(UID "813", T2), make(UID "814", T3)};

	put_is(v, 3, false, "UTF-8",
	    "\x10" UID "812\r20190603\rTHORAX\r" T1 "\r" UID
	    "813\r20190603\rTHORAX\r" T2 "\r" UID "814\r20190603\rTHORAX\r" T3
	    "\r\r");
	put_is(v, 3, true, "UTF-8",
	    "\x10" UID "812\r" T1 "\r" UID "813\r" T2 "\r" UID "814\r" T3
	    "\r\r");
	put_is(v, 0, false, "UTF-8", "\x10\r");
	put_is(v, 0, true, "UTF-8", "\x10\r");
	/* Clients count lines. */
	v[0].date[0] = '\0';
	v[0].description = STR("");
	put_is(v, 1, false, "UTF-8", "\x10" UID "812\r\r\r" T1 "\r\r");
	/* What cannot be shown is left out whole. */
	v[0].token[0] = '\0';
	put_is(v, 2, true, "UTF-8", "\x10" UID "813\r" T2 "\r\r");
}

static void
described(const char *text, const char *charset, const char *want)
{
	struct token_study v = make("1.2", T1);
	char answer[256];

	v.description = str_from(text);
	snprintf(answer, sizeof(answer),
	    "\x10"
	    "1.2\r20190603\r%s\r" T1 "\r\r",
	    want);
	put_is(&v, 1, false, charset, answer);
}

TEST(descriptions)
{
	described("M\xc3\xbcller", "UTF-8", "M\xc3\xbcller");
	described("M\xc3\xbcller", "8859/1", "M\xfcller");
	described("M\xc3\xbcller", "no such set", "M\xc3\xbcller");
	described("M\xc3\xbcller \xe8\x83\xb8", "8859/1", "M\xfcller ?");
	described("\xe8\x83\xb8", "GB18030", "\xd0\xd8");
	/* Shifted, and back to ASCII before the end of the line. */
	described("\xe8\x83\xb8", "ISO IR87", "\x1b$B6;\x1b(B");
	/* Two bytes a character would break the framing. */
	described("\xe8\x83\xb8", "UTF-16", "\xe8\x83\xb8");
	described("A\r\nB\x10"
		  "C\x1c\x0b\x7f",
	    "UTF-8", "A  B C");
	described("\r\r", "UTF-8", "");
	described("A\xc2\x85"
		  "B\xe2\x80\xa9"
		  "C",
	    "UTF-8", "A B C");
	described("A\xff"
		  "B",
	    "8859/1", "A B");
}

static void
read_as(const char *query, const char *charset, const char *want)
{
	struct arena a;

	arena_init(&a, MIB);
	CHECK_STR(token_query_text(str_from(query), charset, &a), want);
	arena_fini(&a);
}

TEST(what_is_asked)
{
	read_as("ID200631zw609", "UTF-8", "ID200631zw609");
	read_as("  P 1 ", "UTF-8", "P 1");
	read_as("M\xfcller", "8859/1", "M\xc3\xbcller");
	read_as("M\xfcller", "UTF-8", "");
	read_as("A\nB", "UTF-8", "");
	read_as("A\x1c"
		"B",
	    "8859/1", "");
	read_as("", "UTF-8", "");
	read_as("   ", "UTF-8", "");
}

static bool
store_study(
    struct archive *t, const char *study, const char *patient, const char *date)
{
	char series[80], instance[80];
	struct object_result result;
	struct sample s = {.instance = instance,
	    .sop_class = UID_CTImageStorage,
	    .study = study,
	    .series = series,
	    .patient = patient,
	    .date = date,
	    .description = "THORAX"};

	snprintf(series, sizeof(series), "%s.1", study);
	snprintf(instance, sizeof(instance), "%s.1.1", study);
	return CHECK(archive_put(t, &s, &result));
}

static struct str
answer(struct archive *t, const char *query, bool form_2023)
{
	struct buf out;
	struct str s;

	buf_init(&out, 4 * MIB);
	token_query_answer(
	    t->store, str_from(query), form_2023, "UTF-8", &t->arena, &out);
	s = arena_dup(&t->arena, buf_str(&out));
	buf_fini(&out);
	return s;
}

static const char *
token_of(struct archive *t, const char *study)
{
	struct token_study *one = arena_alloc(&t->arena, sizeof(*one));

	CHECK(token_of_study(t->store, str_from(study), &t->arena, one, &t->e));
	return one->token;
}

TEST(answered)
{
	struct archive t;
	char want[1024];

	if (!archive_begin(&t))
		return;
	CHECK(store_study(&t, "1.2.3", "200631zw609", "20190603") &&
	      store_study(&t, "1.2.4", "200631zw609", "20200101") &&
	      store_study(&t, "1.2.5", "1.2.4", "20210101") &&
	      store_study(&t, "1.2.6", "IDX", "20210101") &&
	      store_study(&t, "1.2.7", "X", "20210101") &&
	      store_study(&t, "1.2.8", "", "20210101"));
	snprintf(want, sizeof(want), "\x10%s\r", token_of(&t, "1.2.3"));
	CHECK_STR(answer(&t, "1.2.3", false), want);
	CHECK_STR(answer(&t, "1.2.3", true), want);
	CHECK_STR(answer(&t, " 1.2.3 ", true), want);
	/* A study before a patient whose ID looks like it. */
	snprintf(want, sizeof(want), "\x10%s\r", token_of(&t, "1.2.4"));
	CHECK_STR(answer(&t, "1.2.4", false), want);
	/* Both readings of the letters ID. */
	snprintf(want, sizeof(want),
	    "\x10"
	    "1.2.4\r20200101\rTHORAX\r%s\r"
	    "1.2.3\r20190603\rTHORAX\r%s\r\r",
	    token_of(&t, "1.2.4"), token_of(&t, "1.2.3"));
	CHECK_STR(answer(&t, "200631zw609", false), want);
	CHECK_STR(answer(&t, "ID200631zw609", false), want);
	snprintf(want, sizeof(want),
	    "\x10"
	    "1.2.4\r%s\r1.2.3\r%s\r\r",
	    token_of(&t, "1.2.4"), token_of(&t, "1.2.3"));
	CHECK_STR(answer(&t, "ID200631zw609", true), want);
	snprintf(want, sizeof(want),
	    "\x10"
	    "1.2.6\r%s\r\r",
	    token_of(&t, "1.2.6"));
	CHECK_STR(answer(&t, "IDX", true), want);
	/* Nobody. */
	CHECK_STR(answer(&t, "200631ZW609", false), "\x10\r");
	CHECK_STR(answer(&t, "1.2.99", false), "\x10\r");
	CHECK_STR(answer(&t, "*", true), "\x10\r");
	CHECK_STR(answer(&t, "' OR 1=1 --", true), "\x10\r");
	CHECK_STR(answer(&t, "", true), "\x10\r");
	CHECK_STR(answer(&t, "ID", true), "\x10\r");
	CHECK_STR(answer(&t, "1.2.3\n", true), "\x10\r");
	archive_end(&t);
}

TEST(without_the_key)
{
	char path[128], want[256];
	struct archive t;

	if (!archive_begin(&t))
		return;
	CHECK(store_study(&t, "1.2.3", "P", "20190603"));
	CHECK_EQ(answer(&t, "1.2.3", false).n, 66);
	snprintf(path, sizeof(path), "%s/token.key", t.folder);
	CHECK(unlink(path) == 0);
	/* It says so in the log. */
	log_level_set(LOG_ERROR + 1);
	CHECK_STR(answer(&t, "1.2.3", false), "\x10\r");
	CHECK_STR(answer(&t, "P", false), "\x10\r");
	CHECK(token_new_key(t.store, &t.e));
	CHECK_STR(answer(&t, "P", false), "\x10\r");
	CHECK(store_study(&t, "1.2.4", "P", "20190604"));
	snprintf(want, sizeof(want),
	    "\x10"
	    "1.2.4\r%s\r\r",
	    token_of(&t, "1.2.4"));
	CHECK_STR(answer(&t, "P", true), want);
	archive_end(&t);
}

TEST_MAIN
