/*
 * The data set parser: events as a line of text, compared for each case, and
 * the same for every way to cut the bytes in two and for one byte at a time.
 */
#include "dicom/parse.h"

#include "base/buf.h"
#include "dicom/build.h"
#include "test.h"

#include <sys/mman.h>

#define ITEM      TAG(0xfffe, 0xe000)
#define ITEM_END  TAG(0xfffe, 0xe00d)
#define SQ_END    TAG(0xfffe, 0xe0dd)
#define UNDEFINED LENGTH_UNDEFINED

/* Inputs longer than this are not cut at every place. */
#define CUTS_MAX 600

static const struct syntax implicit = {
    UID_ImplicitVRLittleEndian, false, false, false, false};
static const struct syntax little = {
    UID_ExplicitVRLittleEndian, true, false, false, false};
static const struct syntax big = {
    UID_ExplicitVRBigEndian, true, true, false, false};
static const struct syntax deflated = {
    UID_DeflatedExplicitVRLittleEndian, true, false, true, false};
static const struct syntax jpeg = {
    UID_JPEGBaseline8Bit, true, false, false, true};

/*
 * What happened, for instance "<00080005 CS 4>'abcd'." for an element and its
 * value, "<00081140 SQ u>{...}]" for a sequence of one item, "*'ab'." for a
 * fragment.
 */
struct record {
	struct buf text;
	bool in_value;
	unsigned depth; /* of the last element */
	uint64_t offset;
	bool big_endian, explicit_vr;
};

static void
close_quote(struct record *r)
{
	if (r->in_value)
		buf_text(&r->text, "'");
	r->in_value = false;
}

static bool
on_element(void *ctx, const struct parse_element *at, struct err *e)
{
	struct record *r = ctx;

	(void)e;
	buf_printf(&r->text, "<%08x %s ", at->tag, vr_name(at->vr));
	if (at->length == UNDEFINED)
		buf_text(&r->text, "u>");
	else
		buf_printf(&r->text, "%u>", at->length);
	r->depth = at->depth;
	r->offset = at->offset;
	r->big_endian = at->big_endian;
	r->explicit_vr = at->explicit_vr;
	return true;
}

static bool
on_value(void *ctx, struct str part, struct err *e)
{
	struct record *r = ctx;
	size_t i;

	(void)e;
	must(part.n > 0);
	if (!r->in_value)
		buf_text(&r->text, "'");
	r->in_value = true;
	for (i = 0; i < part.n; i++) {
		if (part.p[i] > 0x20 && part.p[i] < 0x7f)
			buf_u8(&r->text, part.p[i]);
		else
			buf_printf(&r->text, "%02x", part.p[i]);
	}
	return true;
}

static bool
on_value_end(void *ctx, struct err *e)
{
	struct record *r = ctx;

	(void)e;
	close_quote(r);
	buf_text(&r->text, ".");
	return true;
}

static bool
on_item(void *ctx, bool fragment, uint32_t length, struct err *e)
{
	struct record *r = ctx;

	(void)e;
	(void)length;
	buf_text(&r->text, fragment ? "*" : "{");
	return true;
}

static bool
on_item_end(void *ctx, struct err *e)
{
	struct record *r = ctx;

	(void)e;
	buf_text(&r->text, "}");
	return true;
}

static bool
on_sequence_end(void *ctx, struct err *e)
{
	struct record *r = ctx;

	(void)e;
	buf_text(&r->text, "]");
	return true;
}

static const struct parse_events recording = {
    .element = on_element,
    .value = on_value,
    .value_end = on_value_end,
    .item = on_item,
    .item_end = on_item_end,
    .sequence_end = on_sequence_end,
};

static const struct parse_events none;

/* Feed bytes[0 .. cut), then the rest: whole for step 0, else in steps. */
static enum err_code
run_cut(struct syntax syntax, struct str bytes, size_t cut, size_t step,
    struct record *r, struct syntax *real, struct err *e)
{
	struct parse *p = parse_new(syntax, &recording, r);
	bool ok = parse_feed(p, str_of(bytes.p, cut), e);
	size_t n;

	for (; ok && cut < bytes.n; cut += n) {
		n = step > 0 && step < bytes.n - cut ? step : bytes.n - cut;
		ok = parse_feed(p, str_of(bytes.p + cut, n), e);
	}
	ok = ok && parse_end(p, e);
	*real = parse_syntax(p);
	if (ok && !syntax.deflated)
		CHECK_EQ(parse_bytes(p), bytes.n);
	parse_free(&p);
	close_quote(r);
	return ok ? ERR_NONE : e->code;
}

static void
same_when_cut(struct syntax syntax, struct str bytes, size_t cut, size_t step,
    enum err_code want, struct buf *text, const char *why)
{
	struct record r = {0};
	struct err e = {0};
	struct syntax real;

	buf_init(&r.text, 1 * MIB);
	CHECK_EQ(run_cut(syntax, bytes, cut, step, &r, &real, &e), want);
	CHECK_STR(buf_str(&r.text), buf_cstr(text));
	CHECK_STR(str_from(e.text), why);
	buf_fini(&r.text);
}

/* Parse and compare: the events, and the error ("" for none), which is
 * searched for in the message. */
static struct syntax
expect_in(struct syntax syntax, struct buf *bytes, const char *events,
    enum err_code code, const char *why)
{
	struct record r = {0};
	struct err e = {0};
	struct syntax real;
	size_t cut;

	buf_init(&r.text, 1 * MIB);
	must(!bytes->over);
	CHECK_EQ(run_cut(syntax, buf_str(bytes), 0, 0, &r, &real, &e), code);
	CHECK_STR(buf_str(&r.text), events);
	if (!CHECK(
		strstr(e.text, why) != NULL && (*why != '\0') == (code != 0)))
		printf("message: %s\n", e.text);
	same_when_cut(syntax, buf_str(bytes), 0, 1, code, &r.text, e.text);
	for (cut = 1; cut < bytes->n && cut < CUTS_MAX; cut++)
		same_when_cut(
		    syntax, buf_str(bytes), cut, 0, code, &r.text, e.text);
	buf_fini(&r.text);
	buf_fini(bytes);
	return real;
}

static void
expect(struct syntax syntax, struct buf *bytes, const char *events)
{
	expect_in(syntax, bytes, events, ERR_NONE, "");
}

static void
expect_malformed(struct syntax syntax, struct buf *bytes, const char *events,
    const char *why)
{
	expect_in(syntax, bytes, events, ERR_MALFORMED, why);
}

static struct buf
start(void)
{
	struct buf b;

	buf_init(&b, 64 * MIB);
	return b;
}

static void
put(struct buf *b, uint32_t tag, enum vr vr, const char *text,
    struct syntax syntax)
{
	build_element(b, tag, vr, str_from(text), syntax);
}

/* Hexadecimal digits, spaces between them. */
static void
hex(struct buf *b, const char *digits)
{
	unsigned v = 0, half = 0;

	for (; *digits != '\0'; digits++) {
		if (*digits == ' ')
			continue;
		v = v << 4 | (unsigned)(*digits <= '9' ? *digits - '0'
						       : *digits - 'a' + 10);
		if (++half % 2 == 0)
			buf_u8(b, (uint8_t)v);
	}
}

TEST(nothing)
{
	struct buf b = start();

	expect(little, &b, "");
	b = start();
	expect(deflated, &b, "");
}

TEST(explicit_little_endian)
{
	struct buf b = start();

	hex(&b, "0800 0500 4353 0400 61626364");
	hex(&b, "0900 1010 4f42 0000 02000000 6566");
	hex(&b, "1000 1000 504e 0000");
	expect(little, &b,
	    "<00080005 CS 4>'abcd'.<00091010 OB 2>'ef'.<00100010 PN 0>.");
}

TEST(implicit_little_endian)
{
	struct buf b = start();

	hex(&b, "0800 0500 04000000 61626364");
	hex(&b, "0900 1000 02000000 6566");
	hex(&b, "0900 1010 02000000 6768");
	hex(&b, "1000 0000 04000000 01020304");
	hex(&b, "1000 1000 00000000");
	expect(implicit, &b,
	    "<00080005 CS 4>'abcd'.<00090010 LO 2>'ef'.<00091010 UN 2>'gh'."
	    "<00100000 UL 4>'01020304'.<00100010 PN 0>.");
}

TEST(explicit_big_endian)
{
	struct buf b = start();

	hex(&b, "0008 0005 4353 0004 61626364");
	hex(&b, "0009 1010 4f42 0000 00000002 6566");
	hex(&b, "0040 0275 5351 0000 00000012 fffe e000 0000000a");
	hex(&b, "0028 0010 5553 0002 0102");
	expect(big, &b,
	    "<00080005 CS 4>'abcd'.<00091010 OB 2>'ef'."
	    "<00400275 SQ 18>{<00280010 US 2>'0102'.}]");
}

TEST(sequences_of_defined_length)
{
	struct buf b = start();

	hex(&b, "0800 4011 5351 0000 2c000000");
	hex(&b, "feff 00e0 0c000000 0800 5011 5549 0400 312e3200");
	hex(&b, "feff 00e0 00000000");
	hex(&b, "feff 00e0 08000000 0800 5511 5549 0000");
	put(&b, TAG_PatientID, VR_LO, "x", little);
	expect(little, &b,
	    "<00081140 SQ 44>{<00081150 UI 4>'1.200'.}{}{<00081155 UI 0>.}]"
	    "<00100020 LO 2>'x20'.");
}

TEST(sequences_of_undefined_length)
{
	struct buf b = start();

	hex(&b, "0800 4011 5351 0000 ffffffff");
	hex(&b, "feff 00e0 ffffffff 0800 5011 5549 0000");
	hex(&b, "0800 4011 5351 0000 ffffffff feff dde0 00000000");
	hex(&b, "feff 0de0 00000000");
	hex(&b, "feff 00e0 08000000 0800 5511 5549 0000");
	hex(&b, "feff dde0 00000000");
	put(&b, TAG_PatientID, VR_LO, "x", little);
	expect(little, &b,
	    "<00081140 SQ u>{<00081150 UI 0>.<00081140 SQ u>]}"
	    "{<00081155 UI 0>.}]<00100020 LO 2>'x20'.");
}

TEST(empty_sequences)
{
	struct buf b = start();

	hex(&b, "0800 4011 5351 0000 00000000");
	hex(&b, "0800 4011 5351 0000 ffffffff feff dde0 00000000");
	expect(little, &b, "<00081140 SQ 0>]<00081140 SQ u>]");
	b = start();
	hex(&b, "0800 4011 00000000");
	hex(&b, "0900 4011 ffffffff feff dde0 00000000");
	expect(implicit, &b, "<00081140 SQ 0>]<00091140 SQ u>]");
}

TEST(depth_and_offset)
{
	struct record r = {0};
	struct buf b = start();
	struct err e = {0};
	struct syntax real;

	buf_init(&r.text, KIB);
	hex(&b, "0800 0500 4353 0000 0800 4011 5351 0000 ffffffff");
	hex(&b, "feff 00e0 ffffffff 0800 4011 5351 0000 ffffffff");
	hex(&b, "feff 00e0 ffffffff 0800 5011 5549 0000");
	run_cut(little, buf_str(&b), 0, 0, &r, &real, &e);
	CHECK_EQ(r.depth, 2);
	CHECK_EQ(r.offset, 8 + 12 + 8 + 12 + 8);
	CHECK(r.explicit_vr && !r.big_endian);
	buf_fini(&r.text);
	buf_fini(&b);
}

TEST(odd_lengths)
{
	struct buf b = start();

	hex(&b, "0800 0500 4353 0300 616263");
	hex(&b, "0800 4011 5351 0000 11000000");
	hex(&b, "feff 00e0 09000000 0800 5511 5549 0100 31");
	hex(&b, "1000 1000 504e 0000");
	expect(little, &b,
	    "<00080005 CS 3>'abc'.<00081140 SQ 17>{<00081155 UI 1>'1'.}]"
	    "<00100010 PN 0>.");
}

TEST(group_lengths_that_lie)
{
	struct buf b = start();

	hex(&b, "0800 0000 554c 0400 ffff0000 0800 0500 4353 0000");
	expect(little, &b, "<00080000 UL 4>'ffff0000'.<00080005 CS 0>.");
}

TEST(elements_out_of_order_and_twice)
{
	struct buf b = start();

	hex(&b, "1000 2000 4c4f 0000 0800 0500 4353 0000 1000 2000 4c4f 0000");
	expect(little, &b, "<00100020 LO 0>.<00080005 CS 0>.<00100020 LO 0>.");
}

TEST(unknown_vr)
{
	struct buf b = start();

	put(&b, TAG_Modality, VR_CS, "CT", little);
	/* Letters: 32-bit length, as all new VRs, unless that cannot be. */
	hex(&b, "0900 1010 5a5a 0000 02000000 6162");
	hex(&b, "0900 1110 5a5a 0200 6364");
	hex(&b, "0900 1210 5a5a 0000 ffffffff feff dde0 00000000");
	expect(little, &b,
	    "<00080060 CS 2>'CT'.<00091010 UN 2>'ab'.<00091011 UN 2>'cd'."
	    "<00091012 UN u>]");
}

TEST(blank_vr)
{
	struct buf b = start();

	put(&b, TAG_Modality, VR_CS, "CT", little);
	/* No letters: 16-bit length, with the VR of the dictionary. */
	hex(&b, "0900 1010 3f3f 0200 6162");
	hex(&b, "2800 2001 2020 0200 0000");
	hex(&b, "2800 2001 2020 0000");
	hex(&b, "2800 2001 0000 0200 0000");
	put(&b, TAG_PatientID, VR_LO, "x", little);
	expect(little, &b,
	    "<00080060 CS 2>'CT'.<00091010 UN 2>'ab'.<00280120 US 2>'0000'."
	    "<00280120 US 0>.<00280120 US 2>'0000'.<00100020 LO 2>'x20'.");
}

TEST(implicit_element_in_explicit_data_set)
{
	struct buf b = start();

	put(&b, TAG_Modality, VR_CS, "CT", little);
	hex(&b, "1000 1000 04000000 61626364");
	hex(&b, "0800 4011 ffffffff feff 00e0 ffffffff");
	hex(&b, "0800 5011 02000000 3120 feff 0de0 00000000");
	hex(&b, "feff dde0 00000000");
	put(&b, TAG_PatientID, VR_LO, "x", little);
	expect(little, &b,
	    "<00080060 CS 2>'CT'.<00100010 PN 4>'abcd'."
	    "<00081140 SQ u>{<00081150 UI 2>'120'.}]<00100020 LO 2>'x20'.");
}

/* A length of 512 KiB has zeros where the VR should be. */
TEST(implicit_pixel_data_in_explicit_data_set)
{
	struct buf b = start();
	struct parse *p = parse_new(little, &none, NULL);
	struct err e;

	put(&b, TAG_Modality, VR_CS, "CT", little);
	hex(&b, "e07f 1000 00000800");
	buf_fill(&b, 1, 512 * KIB);
	CHECK(parse_feed(p, buf_str(&b), &e) && parse_end(p, &e));
	CHECK_EQ(parse_elements(p), 2);
	parse_free(&p);
	buf_fini(&b);
}

TEST(explicit_label_but_implicit)
{
	struct buf b = start();
	struct syntax real;

	hex(&b, "0800 0500 0a000000 49534f5f495220313030");
	hex(&b, "1000 1000 02000000 6162");
	real = expect_in(little, &b,
	    "<00080005 CS 10>'ISO_IR20100'.<00100010 PN 2>'ab'.", ERR_NONE, "");
	CHECK(!real.explicit_vr);
	CHECK(
	    real.uid != NULL && !strcmp(real.uid, UID_ImplicitVRLittleEndian));

	/* An empty first element tells nothing. */
	b = start();
	hex(&b, "0800 0500 00000000 1000 1000 02000000 6162");
	real = expect_in(
	    little, &b, "<00080005 CS 0>.<00100010 PN 2>'ab'.", ERR_NONE, "");
	CHECK(!real.explicit_vr);

	b = start();
	hex(&b, "0800 0500 02000000 6162 e07f 1000 ffffffff");
	hex(&b, "feff 00e0 02000000 6162 feff dde0 00000000");
	real = expect_in(jpeg, &b, "<00080005 CS 2>'ab'.<7fe00010 OW u>*'ab'.]",
	    ERR_NONE, "");
	CHECK(!real.explicit_vr && real.encapsulated);
	CHECK(real.uid != NULL && !strcmp(real.uid, UID_JPEGBaseline8Bit));
}

TEST(implicit_label_but_explicit)
{
	struct buf b = start();
	struct syntax real;

	put(&b, TAG_Modality, VR_CS, "CT", little);
	put(&b, TAG_PatientID, VR_LO, "x", little);
	real = expect_in(implicit, &b,
	    "<00080060 CS 2>'CT'.<00100020 LO 2>'x20'.", ERR_NONE, "");
	CHECK(real.explicit_vr);
	CHECK(
	    real.uid != NULL && !strcmp(real.uid, UID_ExplicitVRLittleEndian));

	b = start();
	put(&b, TAG_PatientID, VR_LO, "x", little);
	real = expect_in(implicit, &b, "<00100020 LO 2>'x20'.", ERR_NONE, "");
	CHECK(real.explicit_vr);
}

static void
check_implicit(struct buf *b)
{
	struct parse *p = parse_new(implicit, &none, NULL);
	struct err e;

	CHECK(parse_feed(p, buf_str(b), &e) && parse_end(p, &e));
	CHECK_EQ(parse_elements(p), 1);
	CHECK(!parse_syntax(p).explicit_vr);
	parse_free(&p);
	buf_fini(b);
}

TEST(right_labels_stay)
{
	struct buf b = start();
	struct syntax real;

	put(&b, TAG_PatientID, VR_LO, "x", little);
	real = expect_in(little, &b, "<00100020 LO 2>'x20'.", ERR_NONE, "");
	CHECK(real.explicit_vr);
	/* A length that reads as "LO", which is not the VR of this tag. */
	b = start();
	hex(&b, "1000 1000 4c4f0000");
	buf_fill(&b, 'a', 0x4f4c);
	check_implicit(&b);
	b = start();
	put(&b, TAG_PatientID, VR_LO, "x", implicit);
	real = expect_in(implicit, &b, "<00100020 LO 2>'x20'.", ERR_NONE, "");
	CHECK(!real.explicit_vr);
}

/* CP-246. */
TEST(un_of_undefined_length)
{
	static const char *inside = "feff 00e0 ffffffff 0800 5011 02000000 3120"
				    "feff 0de0 00000000 feff dde0 00000000";
	struct buf b = start();

	put(&b, TAG_Modality, VR_CS, "CT", little);
	hex(&b, "0900 1010 554e 0000 ffffffff");
	hex(&b, inside);
	put(&b, TAG_PatientID, VR_LO, "x", little);
	expect(little, &b,
	    "<00080060 CS 2>'CT'.<00091010 UN u>{<00081150 UI 2>'120'.}]"
	    "<00100020 LO 2>'x20'.");

	b = start();
	put(&b, TAG_Modality, VR_CS, "CT", big);
	hex(&b, "0009 1010 554e 0000 ffffffff");
	hex(&b, inside);
	put(&b, TAG_PatientID, VR_LO, "x", big);
	expect(big, &b,
	    "<00080060 CS 2>'CT'.<00091010 UN u>{<00081150 UI 2>'120'.}]"
	    "<00100020 LO 2>'x20'.");

	/* Against the standard explicit inside: decided in each item. */
	b = start();
	hex(&b, "0900 1010 554e 0000 ffffffff feff 00e0 ffffffff");
	put(&b, TAG_ReferencedSOPClassUID, VR_UI, "1", little);
	put(&b, TAG_PatientID, VR_LO, "x", little);
	hex(&b, "feff 0de0 00000000 feff dde0 00000000");
	put(&b, TAG_PatientID, VR_LO, "x", little);
	expect(little, &b,
	    "<00091010 UN u>{<00081150 UI 2>'100'.<00100020 LO 2>'x20'.}]"
	    "<00100020 LO 2>'x20'.");
}

TEST(un_of_defined_length_is_a_value)
{
	struct buf b = start();

	hex(&b, "0900 1010 554e 0000 08000000 feff 00e0 00000000");
	expect(little, &b, "<00091010 UN 8>'feff00e000000000'.");
}

TEST(delimiters_with_lengths)
{
	struct buf b = start();

	hex(&b, "0800 4011 5351 0000 ffffffff feff 00e0 ffffffff");
	hex(&b, "feff 0de0 10000000 feff dde0 ffffffff");
	put(&b, TAG_PatientID, VR_LO, "x", little);
	expect(little, &b, "<00081140 SQ u>{}]<00100020 LO 2>'x20'.");
}

TEST(delimiters_missing_at_the_end_of_a_defined_length)
{
	struct buf b = start();

	hex(&b, "0800 4011 5351 0000 10000000 feff 00e0 ffffffff");
	hex(&b, "0800 5011 5549 0000");
	put(&b, TAG_PatientID, VR_LO, "x", little);
	expect(little, &b,
	    "<00081140 SQ 16>{<00081150 UI 0>.}]<00100020 LO 2>'x20'.");

	b = start();
	hex(&b, "0800 4011 5351 0000 1c000000 feff 00e0 14000000");
	hex(&b, "0800 4011 5351 0000 ffffffff feff 00e0 ffffffff");
	put(&b, TAG_PatientID, VR_LO, "x", little);
	expect(little, &b,
	    "<00081140 SQ 28>{<00081140 SQ u>{}]}]<00100020 LO 2>'x20'.");
}

TEST(zero_padding_behind_the_last_element)
{
	struct buf b;
	size_t n;

	for (n = 1; n < 40; n++) {
		b = start();
		put(&b, TAG_PatientID, VR_LO, "x", little);
		buf_fill(&b, 0, n);
		expect(little, &b, "<00100020 LO 2>'x20'.");
		b = start();
		put(&b, TAG_PatientID, VR_LO, "x", implicit);
		buf_fill(&b, 0, n);
		expect(implicit, &b, "<00100020 LO 2>'x20'.");
		b = start();
		put(&b, TAG_PatientID, VR_LO, "x", little);
		buf_fill(&b, 0, n + 8);
		buf_u8(&b, 1);
		expect_malformed(little, &b, "<00100020 LO 2>'x20'.",
		    "behind the end of the data set");
	}
	b = start();
	buf_fill(&b, 0, 4);
	expect_malformed(little, &b, "", "inside of the header");
	b = start();
	hex(&b, "0800 4011 5351 0000 10000000 feff 00e0 ffffffff");
	buf_fill(&b, 0, 8);
	expect_in(
	    little, &b, "<00081140 SQ 16>{<00000000 UL 0>.}]", ERR_NONE, "");
}

TEST(zeros_alone_are_no_data_set)
{
	struct buf b = start();

	buf_fill(&b, 0, 4000);
	expect_malformed(little, &b, "", "begins with zeros");
	b = start();
	buf_fill(&b, 0, 8);
	expect_malformed(implicit, &b, "", "begins with zeros");
}

TEST(trailing_padding_element)
{
	struct buf b = start();

	put(&b, TAG_PatientID, VR_LO, "x", little);
	hex(&b, "fcff fcff 4f42 0000 02000000 0000");
	expect(little, &b, "<00100020 LO 2>'x20'.<fffcfffc OB 2>'0000'.");
}

TEST(encapsulated_pixel_data)
{
	static const char *inside =
	    "feff 00e0 00000000 feff 00e0 0a000000 6162 feff dde0 00000000"
	    "feff 00e0 01000000 63 feff dde0 00000000";
	static const char *events = "*.*'abfeffdde000000000'.*'c'.]";
	char want[128];
	struct buf b;

	/* Marked OW, and in a syntax that has no fragments. */
	snprintf(want, sizeof(want), "<7fe00010 OB u>%s<00100020 LO 2>'x20'.",
	    events);
	b = start();
	hex(&b, "e07f 1000 4f42 0000 ffffffff");
	hex(&b, inside);
	put(&b, TAG_PatientID, VR_LO, "x", little);
	expect(jpeg, &b, want);
	snprintf(want, sizeof(want), "<7fe00010 OW u>%s", events);
	b = start();
	hex(&b, "e07f 1000 4f57 0000 ffffffff");
	hex(&b, inside);
	expect(little, &b, want);
	b = start();
	hex(&b, "e07f 1000 ffffffff");
	hex(&b, inside);
	expect(implicit, &b, want);
	snprintf(want, sizeof(want), "<7fe00010 UN u>%s", events);
	b = start();
	hex(&b, "e07f 1000 554e 0000 ffffffff");
	hex(&b, inside);
	expect(jpeg, &b, want);
	/* Its delimiter is missing at the end of the item around it. */
	b = start();
	hex(&b, "8800 0002 5351 0000 1e000000 feff 00e0 16000000");
	hex(&b, "e07f 1000 4f42 0000 ffffffff feff 00e0 02000000 6162");
	expect(jpeg, &b, "<00880200 SQ 30>{<7fe00010 OB u>*'ab'.]}]");
}

TEST(values_that_are_cut_off)
{
	struct buf b = start();

	hex(&b, "1000 2000 4c4f 0400 616263");
	expect_malformed(
	    little, &b, "<00100020 LO 4>'abc'", "(0010,0020) is 1 bytes short");
	b = start();
	hex(&b, "e07f 1000 4f57 0000 feffffff 6162");
	expect_malformed(little, &b, "<7fe00010 OW 4294967294>'ab'",
	    "(7fe0,0010) is 4294967292 bytes short");
	b = start();
	hex(&b, "1000 2000 4c4f 0000 1000 2000 4c");
	expect_malformed(
	    little, &b, "<00100020 LO 0>.", "header behind (0010,0020)");
	b = start();
	hex(&b, "e07f 1000 4f57 0000 feff");
	expect_malformed(little, &b, "", "inside of the header");
}

TEST(sequences_that_are_cut_off)
{
	struct buf b = start();

	hex(&b, "0800 4011 5351 0000 ffffffff");
	expect_malformed(
	    little, &b, "<00081140 SQ u>", "inside of sequence (0008,1140)");
	b = start();
	hex(&b, "0800 4011 5351 0000 ffffffff feff 00e0 ffffffff");
	expect_malformed(
	    little, &b, "<00081140 SQ u>{", "inside of sequence (0008,1140)");
	b = start();
	hex(&b, "0800 4011 5351 0000 10000000 feff 00e0 00000000");
	expect_malformed(
	    little, &b, "<00081140 SQ 16>{}", "inside of sequence (0008,1140)");
	b = start();
	hex(&b, "e07f 1000 4f42 0000 ffffffff feff 00e0 02000000 6162");
	expect_malformed(jpeg, &b, "<7fe00010 OB u>*'ab'.",
	    "inside of sequence (7fe0,0010)");
}

TEST(lengths_that_leave_their_parent)
{
	struct buf b = start();

	hex(&b, "0800 4011 5351 0000 10000000 feff 00e0 0c000000");
	expect_malformed(little, &b, "<00081140 SQ 16>",
	    "item of 12 bytes leaves its sequence (0008,1140)");
	b = start();
	hex(&b, "0800 4011 5351 0000 10000000 feff 00e0 08000000");
	hex(&b, "0800 5011 5549 0200 3100");
	expect_malformed(little, &b, "<00081140 SQ 16>{",
	    "(0008,1150) of 2 bytes leaves its item");
	b = start();
	hex(&b, "0800 4011 5351 0000 1c000000 feff 00e0 14000000");
	hex(&b, "0800 4011 5351 0000 fcffffff feff 00e0 ffffffff");
	expect_malformed(little, &b, "<00081140 SQ 28>{",
	    "(0008,1140) of 4294967292 bytes leaves its item");
	b = start();
	hex(&b, "0800 4011 5351 0000 0d000000 feff 00e0 05000000 0102030405");
	expect_malformed(little, &b, "<00081140 SQ 13>{", "leaves its item");
	b = start();
	hex(&b, "0800 4011 5351 0000 04000000 feff 00e0 00000000");
	expect_malformed(little, &b, "<00081140 SQ 4>", "leaves its item");
	b = start();
	hex(&b, "0800 4011 5351 0000 10000000 feff 00e0 08000000");
	hex(&b, "0900 5011 4f42 0000 00000000");
	expect_malformed(little, &b, "<00081140 SQ 16>{", "leaves its item");
}

TEST(items_and_delimiters_out_of_place)
{
	static const char *marks[] = {"feff 00e0 00000000",
	    "feff 0de0 00000000", "feff dde0 00000000", "feff 1234 00000000"};
	struct buf b;
	size_t i;

	for (i = 0; i < ARRAY_LEN(marks); i++) {
		b = start();
		hex(&b, "0800 0500 4353 0000");
		hex(&b, marks[i]);
		expect_malformed(
		    little, &b, "<00080005 CS 0>.", "outside of a sequence");
		b = start();
		hex(&b, "0800 4011 5351 0000 ffffffff");
		hex(&b, "feff 00e0 10000000 0800 5011 5549 0000");
		hex(&b, marks[i]);
		expect_malformed(little, &b, "<00081140 SQ u>{<00081150 UI 0>.",
		    "no place, in sequence (0008,1140)");
	}
	b = start();
	hex(&b, "0800 4011 5351 0000 ffffffff feff 0de0 00000000");
	expect_malformed(little, &b, "<00081140 SQ u>", "no place");
	b = start();
	hex(&b, "0800 4011 5351 0000 10000000 feff dde0 00000000");
	expect_malformed(little, &b, "<00081140 SQ 16>", "no place");
	b = start();
	hex(&b, "0800 4011 5351 0000 ffffffff feff 00e0 ffffffff");
	hex(&b, "feff dde0 00000000");
	expect_malformed(little, &b, "<00081140 SQ u>{", "no place");
	b = start();
	hex(&b, "0800 4011 5351 0000 ffffffff 0800 5011 5549 0000");
	expect_malformed(little, &b, "<00081140 SQ u>",
	    "(0008,1150) outside of an item, in sequence (0008,1140)");
	b = start();
	hex(&b, "e07f 1000 4f42 0000 ffffffff feff 00e0 ffffffff");
	expect_malformed(jpeg, &b, "<7fe00010 OB u>", "has no length");
	b = start();
	hex(&b, "0900 1010 5554 0000 ffffffff feff dde0 00000000");
	expect_malformed(
	    little, &b, "", "(0009,1010) with VR UT has no length");
}

/* n sequences in each other, all with one item. */
static void
nest(struct buf *b, size_t n, bool defined)
{
	size_t i;

	for (i = 0; i < n; i++) {
		build_header(b, TAG_ReferencedImageSequence, VR_SQ,
		    defined ? (uint32_t)((n - i - 1) * 20 + 8) : UNDEFINED,
		    little);
		build_header(b, ITEM, VR_NONE,
		    defined ? (uint32_t)((n - i - 1) * 20) : UNDEFINED, little);
	}
	for (i = 0; i < n && !defined; i++) {
		build_header(b, ITEM_END, VR_NONE, 0, little);
		build_header(b, SQ_END, VR_NONE, 0, little);
	}
}

static void
check_nested(size_t n, bool defined, enum err_code want)
{
	struct parse *p = parse_new(little, &none, NULL);
	struct buf b = start();
	struct err e = {0};
	bool ok;

	nest(&b, n, defined);
	must(!b.over);
	ok = parse_feed(p, buf_str(&b), &e) && parse_end(p, &e);
	CHECK_EQ(ok, want == ERR_NONE);
	CHECK_EQ(e.code, want);
	CHECK(ok || strstr(e.text, "nested deeper than 64") != NULL);
	if (!ok) {
		CHECK(parse_elements(p) == LIMIT_SQ_DEPTH + 1);
		CHECK(!parse_feed(p, STR("x"), &e) && e.code == ERR_LIMIT);
		CHECK(!parse_end(p, &e) && e.code == ERR_LIMIT);
	}
	parse_free(&p);
	buf_fini(&b);
}

TEST(nested_sequences)
{
	size_t n;

	check_nested(LIMIT_SQ_DEPTH, true, ERR_NONE);
	check_nested(LIMIT_SQ_DEPTH, false, ERR_NONE);
	check_nested(LIMIT_SQ_DEPTH + 1, true, ERR_LIMIT);
	check_nested(LIMIT_SQ_DEPTH + 1, false, ERR_LIMIT);
	for (n = 100; n <= 1000000; n *= 10) {
		check_nested(n, true, ERR_LIMIT);
		check_nested(n, false, ERR_LIMIT);
	}
}

TEST(too_many_elements)
{
	static uint8_t block[8 * 4096];
	struct parse *p = parse_new(implicit, &none, NULL);
	struct err e = {0};
	size_t i, fed = 0;

	for (i = 0; i < sizeof(block); i += 8)
		memcpy(block + i, "\x10\0\x20\0\0\0\0\0", 8);
	while (parse_feed(p, str_of(block, sizeof(block)), &e))
		fed += 4096;
	CHECK_EQ(e.code, ERR_LIMIT);
	CHECK_EQ(fed, LIMIT_ELEMENTS / 4096 * 4096);
	CHECK(strstr(e.text, "4000000 elements") != NULL);
	parse_free(&p);
}

/* Values are handed on and never looked at: the pages are not even there. */
TEST(too_many_bytes)
{
	const size_t room = 1 * GIB;
	void *pages = mmap(NULL, room, PROT_READ,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	static const uint8_t header[] = {
	    9, 0, 16, 16, 'O', 'B', 0, 0, 0, 0, 0, 0xc0};
	struct parse *p = parse_new(little, &none, NULL);
	struct err e = {0};
	unsigned i, fed = 0;
	bool ok = true;

	must(pages != MAP_FAILED);
	while (ok) {
		ok = parse_feed(p, str_of(header, sizeof(header)), &e);
		for (i = 0; ok && i < 3; i++) {
			ok = parse_feed(p, str_of(pages, room), &e);
			fed += ok;
		}
	}
	CHECK_EQ(e.code, ERR_LIMIT);
	CHECK_EQ(fed, 63);
	parse_free(&p);
	munmap(pages, room);
}

static bool
refuse_element(void *ctx, const struct parse_element *at, struct err *e)
{
	(void)ctx;
	return at->tag == TAG_PatientName || fail(e, ERR_CANCELLED, "enough");
}

TEST(an_event_ends_the_parse)
{
	static const struct parse_events events = {.element = refuse_element};
	struct parse *p = parse_new(little, &events, NULL);
	struct buf b = start();
	struct err e = {0};

	put(&b, TAG_PatientName, VR_PN, "DOE", little);
	put(&b, TAG_PatientID, VR_LO, "x", little);
	CHECK(!parse_feed(p, buf_str(&b), &e));
	CHECK_EQ(e.code, ERR_CANCELLED);
	CHECK_STR(str_from(e.text), "enough");
	CHECK(!parse_feed(p, STR("x"), &e));
	CHECK_EQ(e.code, ERR_CANCELLED);
	parse_free(&p);
	buf_fini(&b);
}

TEST(deflated)
{
	struct buf plain = start(), b = start(), cut = start();
	struct dataset *ds;
	struct arena arena;
	struct err e;

	arena_init(&arena, 1 * MIB);
	put(&plain, TAG_Modality, VR_CS, "CT", little);
	must(dataset_read(&arena, buf_str(&plain), little, 100, 0, &ds, &e));
	must(build_dataset(&b, ds, deflated, &e));
	buf_add(&cut, str_of(b.p, 4));
	expect(deflated, &b, "<00080060 CS 2>'CT'.");
	expect_malformed(deflated, &cut, "", "cut off");
	buf_fini(&plain);
	arena_fini(&arena);
}

TEST_MAIN
