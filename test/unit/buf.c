/*
 * Buffers: growth, the cap, patches, dropping, the view for libraries.
 */
#include "base/buf.h"
#include "base/limit.h"
#include "test.h"

TEST(numbers_in_both_orders)
{
	struct buf b;

	buf_init(&b, 100);
	buf_u8(&b, 1);
	buf_u16le(&b, 0x0302);
	buf_u16be(&b, 0x0405);
	buf_u32le(&b, 0x09080706);
	buf_u32be(&b, 0x0a0b0c0d);
	CHECK(str_eq(buf_str(&b), STR("\1\2\3\4\5\6\7\10\11\12\13\14\15")));
	buf_set_u16be(&b, 0, 0xfffe);
	buf_set_u32be(&b, 2, 0x41424344);
	buf_set_u32le(&b, 9, 0x45464748);
	CHECK(str_eq(buf_str(&b), STR("\xff\xfe\x41\x42\x43\x44\7\10\11HGFE")));
	CHECK(!b.over);
	buf_fini(&b);
}

TEST(text_and_format)
{
	struct buf b;
	int i;

	buf_init(&b, 10000);
	CHECK_STR(str_from(buf_cstr(&b)), "");
	CHECK(buf_str(&b).p != NULL);
	for (i = 0; i < 500; i++)
		buf_printf(&b, "%d,", i);
	buf_text(&b, "end");
	CHECK(str_starts(buf_str(&b), STR("0,1,2,3,")));
	CHECK(str_ends(str_from(buf_cstr(&b)), STR("498,499,end")));
	CHECK_EQ(strlen(buf_cstr(&b)), b.n);
	buf_clear(&b);
	CHECK_STR(str_from(buf_cstr(&b)), "");
	buf_add(&b, str_from(NULL));
	CHECK_EQ(b.n, 0);
	buf_fini(&b);
	buf_fini(&b);
}

TEST(cap_is_exact)
{
	struct buf b;

	buf_init(&b, 5);
	buf_text(&b, "12345");
	CHECK(!b.over);
	CHECK_STR(str_from(buf_cstr(&b)), "12345");
	buf_u8(&b, '6');
	CHECK(b.over);
	CHECK_STR(buf_str(&b), "12345");
	buf_clear(&b);
	buf_text(&b, "123");
	buf_text(&b, "456");
	CHECK(b.over);
	/* What would fit is dropped as well: no text with a hole. */
	buf_text(&b, "4");
	CHECK_STR(buf_str(&b), "123");
	CHECK(buf_space(&b, 1) == NULL);
	buf_clear(&b);
	buf_printf(&b, "%s", "12345");
	CHECK(!b.over);
	buf_clear(&b);
	buf_printf(&b, "%s", "123456");
	CHECK(b.over);
	CHECK_EQ(b.n, 0);
	buf_fini(&b);
}

TEST(cap_of_zero)
{
	struct buf b;

	buf_init(&b, 0);
	buf_text(&b, "");
	CHECK(!b.over);
	buf_u8(&b, 1);
	CHECK(b.over);
	CHECK_EQ(buf_str(&b).n, 0);
	buf_fini(&b);
}

TEST(huge_asks_allocate_nothing)
{
	struct buf b;

	buf_init(&b, 1 * MIB);
	buf_u8(&b, 1);
	buf_fill(&b, 0, SIZE_MAX);
	CHECK(b.over);
	CHECK(b.room < 1024);
	buf_clear(&b);
	buf_u8(&b, 1);
	CHECK(buf_space(&b, SIZE_MAX - 1) == NULL);
	CHECK(b.over && b.room < 1024);
	buf_fini(&b);
}

TEST(patches_of_dropped_bytes_are_dropped)
{
	struct buf b;
	size_t at;

	buf_init(&b, 4);
	buf_u16le(&b, 1);
	at = b.n;
	buf_u32le(&b, 0);
	buf_set_u32le(&b, at, 7);
	buf_set_u32be(&b, at, 7);
	buf_set_u16be(&b, at, 7);
	CHECK(b.over);
	CHECK_EQ(b.n, 2);
	buf_fini(&b);
}

TEST(space_and_filled)
{
	struct buf b;
	uint8_t *p;

	buf_init(&b, 1000);
	p = buf_space(&b, 1000);
	if (!CHECK(p != NULL))
		return;
	memset(p, 'x', 1000);
	buf_filled(&b, 1000);
	CHECK_EQ(b.n, 1000);
	CHECK(buf_space(&b, 0) != NULL);
	CHECK(!b.over);
	buf_fini(&b);
}

TEST(drop_and_shrink)
{
	struct buf b;

	buf_init(&b, 1 * MIB);
	buf_fill(&b, 'a', 5000);
	buf_text(&b, "tail");
	buf_drop(&b, 5000);
	CHECK_STR(buf_str(&b), "tail");
	buf_shrink(&b, 2);
	CHECK_STR(buf_str(&b), "tail");
	CHECK_EQ(b.room, 4);
	CHECK_STR(str_from(buf_cstr(&b)), "tail");
	buf_drop(&b, 4);
	buf_drop(&b, 0);
	buf_shrink(&b, 0);
	CHECK(b.p == NULL && b.room == 0);
	buf_text(&b, "again");
	CHECK_STR(buf_str(&b), "again");
	buf_fini(&b);
}

TEST(growth_doubles)
{
	struct buf b;
	size_t i, moves = 0, room = 0;

	buf_init(&b, 16 * MIB);
	for (i = 0; i < 100000; i++) {
		buf_u8(&b, (uint8_t)i);
		if (b.room != room)
			moves++;
		room = b.room;
	}
	CHECK(moves < 12);
	for (i = 0; i < 100000 && b.p[i] == (uint8_t)i; i++)
		continue;
	CHECK_EQ(i, 100000);
	buf_fini(&b);
}

TEST_MAIN
