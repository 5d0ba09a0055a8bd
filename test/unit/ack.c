/*
 * Acknowledgements: original and enhanced mode, versions, delimiters.
 */
#include "hl7/ack.h"

#include "base/limit.h"
#include "test.h"

static struct arena arena;
static struct ack_out out;
static const struct ack_config config = {"OUR", "FAC", "20260101120000", "7"};
static const struct order_problem problem = {
    false, 101, "PID", 1, 3, "PID-3 is empty: the patient has no ID"};

static void
answer(const char *message, enum ack_code code)
{
	struct er7_message m;
	struct err e;

	arena_fini(&arena);
	arena_init(&arena, 8 * MIB);
	out = (struct ack_out){0};
	if (CHECK(er7_parse(&arena, str_from(message), "UTF-8", &m, &e)))
		ack_build(&arena, &m, code,
		    code == ACK_ACCEPT ? NULL : &problem, &config, &out);
}

TEST(original_mode)
{
	answer("MSH|^~\\&|APP^1.2^ISO|HIS|PACS|HOSP|x||ORM^O01|c1|P|2.3.1\r",
	    ACK_ACCEPT);
	CHECK_EQ(out.n, 1);
	CHECK_STR(out.text[0],
	    "MSH|^~\\&|PACS|HOSP|APP^1.2^ISO|HIS|20260101120000||"
	    "ACK^O01^ACK|7|P|2.3.1\rMSA|AA|c1\r");
	answer("MSH|^~\\&|APP|HIS||||| ORM|c1|P|2.2\r", ACK_ERROR);
	CHECK_STR(out.text[0],
	    "MSH|^~\\&|OUR|FAC|APP|HIS|20260101120000||ACK|7|P|2.2\r"
	    "MSA|AE|c1|PID-3 is empty: the patient has no ID\r"
	    "ERR|PID^1^3^101&Required field missing&HL70357\r");
	answer("MSH$%*!@$APP$HIS$$$$$ORM%O01$$P$2.5\r", ACK_REJECT);
	CHECK_STR(out.text[0],
	    "MSH$%*!@$OUR$FAC$APP$HIS$20260101120000$$ACK%O01%ACK$7$P$2.5\r"
	    "MSA$AR$$PID-3 is empty: the patient has no ID\r"
	    "ERR$$PID%1%3$101%Required field missing%HL70357$E$$$$"
	    "PID-3 is empty: the patient has no ID\r");
}

TEST(enhanced_mode)
{
	static const struct {
		const char *rules;
		enum ack_code code;
		const char *want; /* the codes */
	} cases[] = {
	    {"AL|AL", ACK_ACCEPT, "CAAA"},
	    {"AL|NE", ACK_ACCEPT, "CA"},
	    {"NE|AL", ACK_ACCEPT, "AA"},
	    {"NE|NE", ACK_ACCEPT, ""},
	    {"NE|NE", ACK_ERROR, ""},
	    {"ER|ER", ACK_ACCEPT, ""},
	    {"ER|ER", ACK_ERROR, "CEAE"},
	    {"SU|SU", ACK_ACCEPT, "CAAA"},
	    {"SU|SU", ACK_REJECT, ""},
	    {"AL|", ACK_ACCEPT, "CA"},
	    {"|AL", ACK_ACCEPT, "AA"},
	    {"NE|", ACK_ACCEPT, "AA"},
	    {"|NE", ACK_ACCEPT, ""},
	    {"Y|N", ACK_ACCEPT, "AA"},
	    {"\"\"|\"\"", ACK_ERROR, "AE"},
	};
	char message[200], codes[8];
	size_t i, j, at;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(message, sizeof(message),
		    "MSH|^~\\&|A|B|||||ORM^O01|c|P|2.5|||%s\r", cases[i].rules);
		answer(message, cases[i].code);
		for (j = 0, at = 0; j < out.n; j++) {
			const uint8_t *msa =
			    memmem(out.text[j].p, out.text[j].n, "\rMSA|", 5);

			if (!CHECK(msa != NULL))
				return;
			codes[at++] = (char)msa[5];
			codes[at++] = (char)msa[6];
		}
		codes[at] = '\0';
		CHECK_STR(str_from(codes), cases[i].want);
	}
}

TEST(unreadable)
{
	arena_fini(&arena);
	arena_init(&arena, 8 * MIB);
	ack_build_unreadable(&arena, STR("MSH|^^^^|APP|HIS|||||ORM|c9|P|2.5\r"),
	    &problem, &config, &out);
	CHECK_EQ(out.n, 1);
	CHECK(str_starts(out.text[0], STR("MSH|^~\\&|OUR|FAC|APP|HIS|")));
	CHECK(memmem(out.text[0].p, out.text[0].n, "MSA|AR|c9|", 10) != NULL);
	ack_build_unreadable(&arena, STR("nobody"), &problem, &config, &out);
	CHECK_EQ(out.n, 0);
	ack_build_unreadable(&arena, STR(""), &problem, &config, &out);
	CHECK_EQ(out.n, 0);
}

TEST(charset_and_reading)
{
	struct er7_message m;
	struct str id, why;
	char code[3];
	struct err e;

	answer(
	    "MSH|^~\\&|\xc4PP|B|||||ORM^O01|c|P|2.5||||||8859/1\r", ACK_ERROR);
	CHECK(memmem(out.text[0].p, out.text[0].n, "|\xc4PP|", 5) != NULL);
	CHECK(memmem(out.text[0].p, out.text[0].n, "|8859/1\r", 8) != NULL);
	CHECK(er7_parse(&arena, out.text[0], "UTF-8", &m, &e));
	CHECK(ack_read(&arena, &m, code, &id, &why));
	CHECK_STR(str_from(code), "AE");
	CHECK_STR(id, "c");
	CHECK_STR(why, problem.text);
	CHECK(er7_parse(&arena, STR("MSH|^~\\&|A\rPID|1\r"), "UTF-8", &m, &e));
	CHECK(!ack_read(&arena, &m, code, &id, &why));
	arena_fini(&arena);
}

TEST_MAIN
