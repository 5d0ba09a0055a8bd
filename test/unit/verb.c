/*
 * Options of verbs, the list of verbs, text for terminals, and the names that
 * exports give to files.
 */
#include "base/filename.h"
#include "app/verb.h"
#include "test.h"

static struct err e;

struct got {
	bool flag;
	const char *text;
	struct words many, words;
};

static bool
parse(struct got *g, const char *line)
{
	static char copy[256], *argv[32];
	const struct option options[] = {
	    {"--flag", OPTION_FLAG, &g->flag},
	    {"--text", OPTION_TEXT, &g->text},
	    {"-o", OPTION_TEXT, &g->text},
	    {"--set", OPTION_MANY, &g->many},
	};
	char *at = copy;
	int argc = 0;
	bool done;

	*g = (struct got){0};
	snprintf(copy, sizeof(copy), "verb%s%s", line[0] ? " " : "", line);
	while (at != NULL)
		argv[argc++] = strsep(&at, " ");
	argv[argc] = NULL;
	done = options_parse(
	    argc, argv, options, ARRAY_LEN(options), &g->words, &e);
	if (!done) {
		words_free(&g->words);
		words_free(&g->many);
	}
	return done;
}

static void
done_with(struct got *g)
{
	words_free(&g->words);
	words_free(&g->many);
}

TEST(options_and_words_mix)
{
	struct got g;

	CHECK(parse(&g, "a --flag b --text=t=1 --set x=1 c --set=y -- --z"));
	CHECK(g.flag);
	CHECK_STR(str_from(g.text), "t=1");
	if (CHECK_EQ(g.words.n, 4))
		CHECK_STR(str_from(g.words.at[3]), "--z");
	if (CHECK_EQ(g.many.n, 2))
		CHECK_STR(str_from(g.many.at[1]), "y");
	done_with(&g);
	CHECK(parse(&g, "-o x - -1"));
	CHECK_STR(str_from(g.text), "x");
	CHECK_EQ(g.words.n, 2);
	done_with(&g);
	CHECK(parse(&g, ""));
	CHECK_EQ(g.words.n, 0);
	done_with(&g);
}

TEST(wrong_options_are_named)
{
	static const struct {
		const char *line, *name;
	} rows[] = {{"--nope", "'--nope'"}, {"--nope=3 x", "'--nope'"},
	    {"-x", "'-x'"}, {"--text", "--text needs"},
	    {"--flag=1", "--flag takes no"}, {"--text a --text b", "twice"},
	    {"-o", "-o needs"}, {"--text --flag", "--text needs"},
	    {"--fla", "'--fla'"}};
	struct got g;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(!parse(&g, rows[i].line));
		CHECK_EQ(e.code, ERR_USAGE);
		if (!CHECK(strstr(e.text, rows[i].name) != NULL))
			printf("  %s\n", e.text);
	}
}

TEST(counts_of_words)
{
	struct got g;

	CHECK(parse(&g, "a b"));
	CHECK(options_words(&g.words, 2, 2, &e));
	CHECK(!options_words(&g.words, 3, 3, &e));
	CHECK(!options_words(&g.words, 0, 1, &e));
	CHECK(strstr(e.text, "'b'") != NULL);
	done_with(&g);
}

TEST(every_verb_explains_itself)
{
	const struct verb *v;
	size_t i;

	for (i = 0; verbs[i] != NULL; i++) {
		v = verbs[i];
		CHECK(verb_named(v->name) == v);
		CHECK(v->run != NULL && strlen(v->summary) > 5);
		CHECK(str_starts(str_from(v->usage), str_from(v->name)));
		CHECK(str_ends(str_from(v->help), STR("\n")));
	}
	CHECK(verb_named("nothing") == NULL);
}

static const char *
put(const char *text)
{
	static char out[256];
	FILE *f = fmemopen(out, sizeof(out), "w");

	memset(out, 0, sizeof(out));
	verb_put(f, text);
	(void)fclose(f);
	return out;
}

TEST(text_for_terminals)
{
	CHECK_STR(str_from(put("a\033[1m\n")), "a\\x1b[1m\\x0a");
	CHECK_STR(str_from(put("M\xc3\xbcller")), "M\xc3\xbcller");
	CHECK_STR(str_from(put("\xff\xc3")), "\\xff\\xc3");
	CHECK_STR(str_from(put("\xc2\x9b")), "\\x9b");
	CHECK_STR(str_from(put("\xe2\x80\xae")), "\\u202e");
}

static const char *
name_of(const char *text, size_t max)
{
	static struct buf b;

	buf_fini(&b);
	buf_init(&b, 256);
	filename_add(&b, 0, str_from(text), max);
	filename_end(&b, 0, "none");
	return buf_cstr(&b);
}

TEST(names_are_portable)
{
	static const struct {
		const char *text, *name;
	} rows[] = {{"Doe^John", "Doe_John"},
	    {"../../etc/passwd", "etc_passwd"}, {"..", "none"}, {"", "none"},
	    {"  a  b ", "a_b"}, {"CON", "CON_"}, {"lpt1", "lpt1_"},
	    {"com10", "com10"}, {"-rf", "rf"}, {".hidden", "hidden"},
	    {"M\xc3\xbcller", "Muller"}, {"M\xc3\x9cLLER", "MULLER"},
	    {"\xc3\x89mile", "Emile"}, {"\xe5\xb1\xb1\xe7\x94\xb0", "none"},
	    {"a\xff\xff"
	     "b",
		"a_b"},
	    {"Łoś ŁOŚ", "Los_LOS"}, {"Æble ÆBLE", "Aeble_AEBL"},
	    {"a\\b:c*d?e", "a_b_c_d_e"}, {"12345678901234", "1234567890"},
	    {"123456789_1", "123456789"}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(str_from(name_of(rows[i].text,
			      10 + (rows[i].name[0] == 'e' ? 10 : 0))),
		    rows[i].name);
}

TEST(numbers_in_names)
{
	struct buf b;

	buf_init(&b, 256);
	filename_number(&b, 0, STR("7 "), 4);
	buf_u8(&b, '/');
	filename_number(&b, b.n, STR("12345"), 4);
	buf_u8(&b, '/');
	filename_number(&b, b.n, STR("-3"), 4);
	CHECK_STR(buf_str(&b), "0007/12345/3");
	buf_fini(&b);
}

static const char *
take(struct filenames *n, struct buf *b, const char *path)
{
	buf_clear(b);
	buf_text(b, path);
	CHECK(filenames_take(n, b, ".x", &e));
	return buf_cstr(b);
}

TEST(no_two_names_are_alike)
{
	struct filenames n;
	struct buf b;
	int i;

	buf_init(&b, 64);
	filenames_init(&n);
	CHECK_STR(str_from(take(&n, &b, "d/a")), "d/a.x");
	CHECK_STR(str_from(take(&n, &b, "d/a")), "d/a_2.x");
	CHECK_STR(str_from(take(&n, &b, "d/A")), "d/A_3.x");
	CHECK_STR(str_from(take(&n, &b, "d/b_2")), "d/b_2.x");
	CHECK_STR(str_from(take(&n, &b, "d/b")), "d/b.x");
	CHECK_STR(str_from(take(&n, &b, "d/b")), "d/b_3.x");
	CHECK_STR(str_from(take(&n, &b, "e/a")), "e/a.x");
	for (i = 4; i < 5000; i++)
		take(&n, &b, "d/a");
	CHECK_STR(buf_str(&b), "d/a_4999.x");
	filenames_clear(&n);
	CHECK_STR(str_from(take(&n, &b, "d/a")), "d/a.x");
	buf_clear(&b);
	buf_fill(&b, 'y', 63);
	CHECK(!filenames_take(&n, &b, ".x", &e));
	filenames_fini(&n);
	buf_fini(&b);
}

TEST_MAIN
