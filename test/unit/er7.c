/*
 * HL7 messages: splitting, delimiters, character sets, escapes.
 */
#include "hl7/er7.h"

#include "base/limit.h"
#include "hl7/encoding.h"
#include "test.h"

static struct arena arena;
static struct er7_message message;
static struct err err;

static bool
parse(struct str bytes)
{
	arena_fini(&arena);
	arena_init(&arena, 64 * MIB);
	return er7_parse(&arena, bytes, "UTF-8", &message, &err);
}

static struct str
get(const char *segment, unsigned position, unsigned component)
{
	return er7_get(&arena, &message, segment, position, component);
}

TEST(counts_as_hl7_does)
{
	CHECK(parse(STR("MSH|^~\\&|APP|FAC|||20260101||ORM^O01|77|P|2.3\r"
			"PID|||ID1^^^ISS~ID2||DOE^JOHN&X\r")));
	CHECK_EQ(message.n, 2);
	CHECK_STR(get("MSH", 1, 0), "|");
	CHECK_STR(get("MSH", 2, 0), "^~\\&");
	CHECK_STR(get("MSH", 3, 1), "APP");
	CHECK_STR(get("MSH", 9, 2), "O01");
	CHECK_STR(get("MSH", 10, 1), "77");
	CHECK_STR(get("PID", 3, 1), "ID1");
	CHECK_STR(get("PID", 3, 4), "ISS");
	CHECK_STR(get("PID", 5, 0), "DOE^JOHN&X");
	CHECK_STR(er7_subcomponent(&message, get("PID", 5, 2), 2), "X");
	CHECK_STR(get("PID", 99, 1), "");
	CHECK_STR(get("PV1", 3, 1), "");
	CHECK_EQ(er7_repetitions(
		     &message, er7_field(er7_find(&message, "PID", NULL), 3)),
	    2);
}

TEST(own_delimiters)
{
	CHECK(parse(STR("MSH$%*!@$APP\rPID$$$A%B*C@D$x!S!y\r")));
	CHECK_STR(get("PID", 3, 2), "B");
	CHECK_STR(get("PID", 4, 0), "x%y");
	/* No escape character: a backslash is one. */
	CHECK(parse(STR("MSH|^~|APP\rPID|a\\F\\b\r")));
	CHECK_STR(get("PID", 1, 0), "a\\F\\b");
	CHECK(!parse(STR("MSH|^^\\&|APP\r")));
	CHECK(!parse(STR("MSHA^~\\&|APP\r")));
	CHECK(!parse(STR("MSH")));
	CHECK(!parse(STR("")));
	CHECK(!parse(STR("PID|1\r")));
}

TEST(line_ends)
{
	CHECK(parse(STR("MSH|^~\\&|A\r\nPID|1\n\nOBX|1||x|y\rand more\rZ\r"
			"NTE|2\0\0")));
	CHECK_EQ(message.n, 4);
	CHECK_STR(get("OBX", 4, 0), "y\nand more\nZ");
	CHECK_STR(get("NTE", 1, 0), "2");
	CHECK(parse(STR("\xef\xbb\xbfMSH|^~\\&|A\rpid|low\r")));
	CHECK_STR(get("PID", 1, 0), "low");
}

TEST(escapes)
{
	CHECK(parse(STR("MSH|^~\\&|A|||||||||||||||8859/1\r"
			"PID|a\\F\\\\S\\\\T\\\\R\\\\E\\|x\\.br\\y\\.sp2\\z|"
			"\\X0D0A\\|C:\\DIR\\file|\\XC7\\\\XC3\\|\\H\\b\\N\\|"
			"\\Q\\|end\\\r")));
	CHECK_STR(get("PID", 1, 0), "a|^&~\\");
	CHECK_STR(get("PID", 2, 0), "x\ny\n\nz");
	CHECK_STR(get("PID", 3, 0), "\n");
	CHECK_STR(get("PID", 4, 0), "C:\\DIR\\file");
	CHECK_STR(get("PID", 5, 0), "\xc3\x87\xc3\x83");
	CHECK_STR(get("PID", 6, 0), "b");
	CHECK_STR(get("PID", 7, 0), "\\Q\\");
	CHECK_STR(get("PID", 8, 0), "end\\");
}

/* Lines of a text that look like the names of segments. */
TEST(lines_of_three_letters)
{
	CHECK(parse(STR("MSH|^~\\&|A\rOBX|1|TX|||Bones:\nNil\nCTA\nend\n"
			"OBX\nZAB\nNTE|1||so\rit\ris\rPV1\rDOG\r")));
	CHECK_STR(get("OBX", 5, 0), "Bones:\nNil\nCTA\nend");
	CHECK_STR(get("NTE", 3, 0), "so\nit\nis");
	CHECK_EQ(message.n, 7);
}

TEST(character_sets)
{
	CHECK(parse(STR("MSH|^~\\&|A|||||||||||||||8859/1\rPID|\xe4\r")));
	CHECK_STR(get("PID", 1, 0), "\xc3\xa4");
	CHECK(!message.lossy);
	/* A trail byte of Shift_JIS that looks like a backslash. */
	CHECK(parse(STR("MSH|^~\\&|A|||||||||||||||ISO IR14\r"
			"PID|\x83\x5c^x\r")));
	CHECK_STR(get("PID", 1, 1), "\xe3\x82\xbd");
	CHECK_STR(get("PID", 1, 2), "x");
	CHECK(parse(STR("MSH|^~\\&|A|||||||||||||||8859/1~ISO IR87\r"
			"PID|\\M2442\\;3ED\\C2842\\^T\r")));
	CHECK_STR(get("PID", 1, 1), "\xe5\xb1\xb1\xe7\x94\xb0");
	CHECK_STR(get("PID", 1, 2), "T");
	CHECK(parse(STR("M\0S\0H\0|\0^\0~\0\\\0&\0|\0\xc4\0\r\0")));
	CHECK_STR(get("MSH", 3, 0), "\xc3\x84");
	CHECK(parse(STR("MSH|^~\\&|\xff\rPID|1\r")));
	CHECK(message.lossy);
	CHECK(strcmp(encoding_name(STR("ISO-8859-15")), "ISO-8859-15") == 0);
	CHECK(strcmp(encoding_name(STR("windows-1253")), "WINDOWS-1253") == 0);
	CHECK(encoding_name(STR("nothing")) == NULL);
}

/* MSH-18 repeated: the first may be left out, and is ASCII then; the others
 * come by the escape sequences of ISO 2022. */
TEST(character_sets_by_escape)
{
	static const char *const japanese[] = {"~ISO IR87", "ASCII~ISO IR87",
	    "ISO IR87", "ISO IR6~ISO IR87~ISO IR159", "ISO IR14~ISO IR87"};
	char text[200];
	size_t i;

	for (i = 0; i < ARRAY_LEN(japanese); i++) {
		snprintf(text, sizeof(text),
		    "MSH|^~\\&|A|||||||||||||||%s\r"
		    "PID|\x1b$B;3ED\x1b(J^~\\F\\|\x1b$BB@O:\x1b(B^T|Z\r",
		    japanese[i]);
		CHECK(parse(str_from(text)));
		CHECK(!message.lossy);
		CHECK_STR(get("PID", 1, 1), "\xe5\xb1\xb1\xe7\x94\xb0");
		CHECK_STR(
		    er7_text(&arena, &message,
			er7_repetition(&message,
			    er7_field(er7_find(&message, "PID", NULL), 1), 2)),
		    "|");
		CHECK_STR(get("PID", 2, 1), "\xe5\xa4\xaa\xe9\x83\x8e");
		CHECK_STR(get("PID", 2, 2), "T");
		CHECK_STR(get("PID", 3, 0), "Z");
	}
	/* Names of senders whose bytes look like separators. */
	CHECK(parse(STR("MSH|^~\\&|\x1b$BIB1!J|\x1b(B|\x1b$BJ|<M\x1b(B||||||"
			"||||||||~ISO IR87\rPID|\x1b$B;3ED\x1b(B\r")));
	CHECK_STR(get("PID", 1, 1), "\xe5\xb1\xb1\xe7\x94\xb0");
	CHECK_STR(get("MSH", 4, 1), "\xe6\x94\xbe\xe5\xb0\x84");
	CHECK(parse(STR("MSH|^~\\&|\x83\x7c|||||||||||||||ISO IR14\r"
			"PID|\x83\x5c\r")));
	CHECK_STR(get("MSH", 3, 1), "\xe3\x83\x9d");
	CHECK_STR(get("PID", 1, 1), "\xe3\x82\xbd");
	CHECK(parse(STR("MSH|^~\\&|\xe4|||||||||||||||8859/1\rPID|\xe4\r")));
	CHECK_STR(get("MSH", 3, 1), "\xc3\xa4");
	/* Half-width kana of eight bits beside it; a set left open ends with
	 * its segment. */
	CHECK(parse(STR("MSH|^~\\&|A|||||||||||||||ISO IR14~ISO IR87\r"
			"PID|\xd4\xcf\xc0\xde|\x1b$B;3ED\rORC|x\r")));
	CHECK_STR(get("PID", 1, 0),
	    "\xef\xbe\x94\xef\xbe\x8f\xef\xbe\x80\xef\xbe\x9e");
	CHECK_STR(get("PID", 2, 0), "\xe5\xb1\xb1\xe7\x94\xb0");
	CHECK_STR(get("ORC", 1, 0), "x");
	CHECK(parse(STR("MSH|^~\\&|A|||||||||||||||~KS X 1001\r"
			"PID|\x1b$)C\xc8\xab^x\r")));
	CHECK_STR(get("PID", 1, 1), "\xed\x99\x8d");
	CHECK(parse(STR("MSH|^~\\&|A|||||||||||||||ASCII~8859/5\r"
			"PID|\xb8\x1b-F\xd0\x1b?\r")));
	CHECK_STR(get("PID", 1, 0), "\xd0\x98\xce\xa0\x1b?");
}

/* What is said to be UTF-8 and has not one letter of it. */
TEST(character_set_that_is_wrong)
{
	struct err e;

	arena_reset(&arena);
	CHECK(er7_parse(&arena,
	    STR("MSH|^~\\&|A|||||||||||||||UNICODE UTF-8\rPID|\xe4\r"),
	    "8859/1", &message, &e));
	CHECK_STR(get("PID", 1, 0), "\xc3\xa4");
	CHECK(er7_parse(&arena,
	    STR("MSH|^~\\&|A|||||||||||||||UNICODE UTF-8\r"
		"PID|\xc3\xa4|\xc3\r"),
	    "8859/1", &message, &e));
	CHECK_STR(get("PID", 1, 0), "\xc3\xa4");
	CHECK(message.lossy);
	/* Nothing is said: UTF-8 if it is that, else as it is set. */
	CHECK(er7_parse(&arena, STR("MSH|^~\\&|A\rPID|\xc3\xa4|\xc5\x81\r"),
	    "8859/1", &message, &e));
	CHECK_STR(get("PID", 1, 0), "\xc3\xa4");
	CHECK_STR(get("PID", 2, 0), "\xc5\x81");
	CHECK(er7_parse(&arena, STR("MSH|^~\\&|A\rPID|\xc3\xa4|\xe4\r"),
	    "8859/1", &message, &e));
	CHECK_STR(get("PID", 1, 0), "\xc3\x83\xc2\xa4");
	/* Letters of other sets stand so beside each other. */
	CHECK(er7_parse(&arena, STR("MSH|^~\\&|A\rPID|\xc3\xb3\r"), "ISO IR166",
	    &message, &e));
	CHECK_STR(get("PID", 1, 0), "\xe0\xb8\xa3\xe0\xb8\x93");
	CHECK(strcmp(encoding_name(STR("CP850")), "IBM850") == 0);
	CHECK(strcmp(encoding_name(STR("koi8-r")), "KOI8-R") == 0);
	CHECK(encoding_name(STR("CP999")) == NULL);
}

TEST(split_batches)
{
	struct str rest = STR(
		       "FHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&|A\rPID|1\rMSH|^~\\&|B\r"
		       "BTS|2\rFTS|1\r"),
		   one;

	CHECK(er7_split(&rest, &one));
	CHECK_STR(one, "MSH|^~\\&|A\rPID|1\r");
	CHECK(er7_split(&rest, &one));
	CHECK_STR(one, "MSH|^~\\&|B\r");
	CHECK(!er7_split(&rest, &one));
	rest = STR("\x0bMSH|^~\\&|A\r\x1c\r\x0bMSH|^~\\&|B\r\x1c\r");
	CHECK(er7_split(&rest, &one));
	CHECK_STR(one, "MSH|^~\\&|A\r");
	CHECK(er7_split(&rest, &one));
	CHECK_STR(one, "MSH|^~\\&|B\r");
	CHECK(!er7_split(&rest, &one));
	rest = STR("nothing of the kind");
	CHECK(!er7_split(&rest, &one));
}

/* As files have them: line ends of any kind, wrappers within wrappers, text
 * that names them. */
TEST(split_files)
{
	struct str
	    rest = STR(
		"\xef\xbb\xbf\r\n"
		"FHS|^~\\&|A\r\nBHS|^~\\&|A\r\nMSH|^~\\&|A\r\n"
		"NTE|1||BTS FTS MSH\r\nBTSX|1\r\nBTS|1\r\nBHS|^~\\&\r\n"
		"MSH#^~\\&#B\nPID#1\n\n\nMSH|^~\\&|C\nBTS\nFTS|2\nrubbish\n"),
	    one;

	CHECK(er7_split(&rest, &one));
	CHECK_STR(one, "MSH|^~\\&|A\r\nNTE|1||BTS FTS MSH\r\nBTSX|1\r\n");
	CHECK(er7_split(&rest, &one));
	CHECK_STR(one, "MSH#^~\\&#B\nPID#1\n\n\n");
	CHECK(er7_split(&rest, &one));
	CHECK_STR(one, "MSH|^~\\&|C\n");
	CHECK(!er7_split(&rest, &one));
	rest = STR("FHS|^~\\&\rBHS|^~\\&\rBTS|0\rFTS|1\r");
	CHECK(!er7_split(&rest, &one));
}

TEST(escape_and_back)
{
	static const char text[] = "a|b^c~d\\e&f\ng \xc3\xa4";
	struct buf out;

	buf_init(&out, 1000);
	buf_text(&out, "MSH|^~\\&|");
	er7_escape(&out, &er7_usual, str_from(text));
	buf_text(&out, "|UNICODE\r");
	CHECK(parse(buf_str(&out)));
	CHECK_STR(get("MSH", 3, 0), text);
	/* What would delete, and what would end a frame. */
	buf_clear(&out);
	er7_escape(&out, &er7_usual, STR(" \"\""));
	CHECK(!er7_is_delete(buf_str(&out)));
	CHECK_STR(buf_str(&out), " \\X22\\\"");
	buf_clear(&out);
	er7_escape(&out, &er7_usual, STR("\x0b\x1c"));
	CHECK_STR(buf_str(&out), "\\X0B\\\\X1C\\");
	buf_fini(&out);
}

TEST(limits)
{
	struct buf out;
	int i;

	buf_init(&out, 64 * MIB);
	buf_text(&out, "MSH|^~\\&|A\r");
	for (i = 0; i < LIMIT_HL7_SEGMENTS; i++)
		buf_text(&out, "NTE|1\r");
	CHECK(!parse(buf_str(&out)));
	CHECK_EQ(err.code, ERR_LIMIT);
	buf_clear(&out);
	buf_text(&out, "MSH|^~\\&|A\rPID");
	buf_fill(&out, '|', LIMIT_HL7_FIELDS + 1);
	CHECK(!parse(buf_str(&out)));
	CHECK_EQ(err.code, ERR_LIMIT);
	buf_fini(&out);
	arena_fini(&arena);
}

TEST_MAIN
