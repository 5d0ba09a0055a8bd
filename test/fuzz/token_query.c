/*
 * Token queries and descriptions of any bytes: what is asked is one line of
 * UTF-8 without control characters, and an answer has as many lines as it
 * should, whatever stands in them.
 *
 * Input: a byte that chooses character set and form, the query up to a
 * line feed, the description.
 */
#include "service/hl7/token_query.h"

#include "base/limit.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
count(struct str s, uint8_t c)
{
	size_t i, n = 0;

	for (i = 0; i < s.n; i++)
		n += s.p[i] == c;
	return n;
}

static void
check_text(struct str text)
{
	size_t i;

	must(utf8_valid(text));
	for (i = 0; i < text.n; i++)
		must(text.p[i] >= ' ' && text.p[i] != 0x7f);
}

static void
check_answer(struct str s, bool form_2023)
{
	must(s.n > 2 && s.p[0] == 0x10);
	must(count(s, 0x10) == 1 && count(s, 0x0b) == 0 && count(s, 0x1c) == 0);
	must(count(s, '\n') == 0);
	must(count(s, '\r') == (form_2023 ? 5 : 9));
	must(str_ends(s, STR("\r\r")));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const sets[] = {"UTF-8", "8859/1", "8859/8",
	    "ISO IR87", "ISO IR159", "GB18030", "BIG-5", "KS X 1001", "UTF-16",
	    "UNICODE UTF-16", "SHIFT_JIS", "ASCII", "EUC-JP", "CNS 11643", "",
	    "UTF-32"};
	struct token_study v[2] = {{.study = "1.2.3", .token = "T"},
	    {.study = "1.2.4", .token = "U", .date = "20200101"}};
	const char *set;
	struct arena a;
	struct buf out;
	struct str in;
	bool old;

	if (size < 1 || size > 4096)
		return 0;
	set = sets[data[0] & 15];
	old = (data[0] & 16) != 0;
	in = str_of(data + 1, size - 1);
	arena_init(&a, MIB);
	check_text(token_query_text(str_of(in.p, str_find(in, '\n')), set, &a));
	arena_fini(&a);
	in.n -= str_find(in, '\n');
	in.p += size - 1 - in.n;
	v[0].description = v[1].description = in;
	buf_init(&out, MIB);
	token_query_put(&out, v, 2, old, set);
	check_answer(buf_str(&out), old);
	buf_fini(&out);
	return 0;
}
