/*
 * Text in any character set: the input is a value of (0008,0005), a line feed
 * and the text. Whatever they are, the output is valid UTF-8 without NUL and
 * ESC, no more than three times as long, and the same each time; what can be
 * encoded again, with code extensions or without, decodes to the same.
 */
#include "base/limit.h"
#include "base/utf8.h"
#include "dicom/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_arena(
    struct str charset, struct str text, bool person_name, struct str want)
{
	struct arena a;
	struct str got;

	arena_init(&a, 4 * MIB);
	got = charset_to_utf8(&a, charset, text, person_name);
	must(a.over || str_eq(got, want));
	arena_fini(&a);
}

static void
check_round_trip(struct str charset, struct str utf8)
{
	struct buf encoded, decoded;
	bool lossy;

	buf_init(&encoded, 64 * MIB);
	buf_init(&decoded, 64 * MIB);
	if (charset_encode(charset, utf8, &encoded)) {
		charset_decode(
		    charset, buf_str(&encoded), false, &decoded, &lossy);
		must(str_eq(buf_str(&decoded), utf8));
		must(!lossy);
	} else {
		must(encoded.n == 0);
	}
	buf_fini(&encoded);
	buf_fini(&decoded);
}

static void
check_extended(struct str charset, struct str utf8, bool person_name)
{
	struct buf encoded, decoded;

	buf_init(&encoded, 64 * MIB);
	buf_init(&decoded, 64 * MIB);
	if (charset_encode_2022(charset, utf8, person_name, &encoded)) {
		charset_decode(
		    charset, buf_str(&encoded), person_name, &decoded, NULL);
		must(str_eq(buf_str(&decoded), utf8));
	} else {
		must(encoded.n == 0);
	}
	buf_fini(&encoded);
	buf_fini(&decoded);
}

static void
check(struct str charset, struct str text, bool person_name)
{
	struct buf out, again;
	struct str got;
	bool lossy, lossy_again;

	buf_init(&out, 64 * MIB);
	buf_init(&again, 64 * MIB);
	charset_decode(charset, text, person_name, &out, &lossy);
	charset_decode(charset, text, person_name, &again, &lossy_again);
	got = buf_str(&out);
	must(!out.over && got.n <= 3 * text.n);
	must(utf8_valid(got));
	must(str_find(got, 0) == got.n && str_find(got, 0x1b) == got.n);
	must(str_eq(got, buf_str(&again)) && lossy == lossy_again);
	check_arena(charset, text, person_name, got);
	check_round_trip(charset, got);
	check_extended(charset, got, person_name);
	buf_fini(&out);
	buf_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = str_of(data, size), charset, text;
	size_t n = str_find(all, '\n');

	if (n == size)
		return 0;
	charset = str_of(data, n);
	text = str_of(data + n + 1, size - n - 1);
	(void)charset_known(charset);
	check(charset, text, true);
	check(charset, text, false);
	return 0;
}
