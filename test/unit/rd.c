/*
 * The reader: numbers, slices, sub-readers, and that nothing is ever read
 * past the end, whatever the length asked for.
 */
#include "base/rd.h"
#include "test.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

TEST(numbers)
{
	struct str s = str_of(bytes, 8);
	bool bad = false;
	struct rd r;

	r = rd_over(s, &bad);
	CHECK_EQ(rd_u8(&r), 1);
	CHECK_EQ(rd_u16le(&r), 0x0302);
	CHECK_EQ(rd_u32le(&r), 0x07060504);
	CHECK_EQ(rd_left(&r), 1);
	r = rd_over(s, &bad);
	CHECK_EQ(rd_u16be(&r), 0x0102);
	CHECK_EQ(rd_u32be(&r), 0x03040506);
	r = rd_over(s, &bad);
	CHECK_EQ(rd_u64le(&r), 0x0807060504030201);
	CHECK(!rd_more(&r));
	r = rd_over(s, &bad);
	CHECK_EQ(rd_u64be(&r), 0x0102030405060708);
	CHECK(!bad);
}

TEST(high_bytes_do_not_extend_signs)
{
	static const uint8_t ff[8] = {255, 255, 255, 255, 255, 255, 255, 255};
	bool bad = false;
	struct rd r = rd_over(str_of(ff, 8), &bad);

	CHECK(rd_u32le(&r) == 0xffffffffU);
	CHECK(rd_u16be(&r) == 0xffffU);
	r = rd_over(str_of(ff, 8), &bad);
	CHECK(rd_u64be(&r) == UINT64_MAX);
}

TEST(past_the_end_is_sticky)
{
	bool bad = false;
	struct rd r = rd_over(str_of(bytes, 3), &bad);

	CHECK_EQ(rd_u32le(&r), 0);
	CHECK(bad);
	CHECK_EQ(rd_u8(&r), 0);
	CHECK_EQ(rd_take(&r, 1).n, 0);
	CHECK_EQ(rd_rest(&r).n, 0);
	CHECK_EQ(rd_left(&r), 0);
	CHECK(!rd_more(&r));
}

TEST(huge_lengths)
{
	bool bad = false;
	struct rd r = rd_over(str_of(bytes, 9), &bad), sub;

	rd_skip(&r, 1);
	CHECK_EQ(rd_take(&r, SIZE_MAX).n, 0);
	CHECK(bad);
	bad = false;
	rd_skip(&r, SIZE_MAX - 3);
	CHECK(bad);
	bad = false;
	sub = rd_sub(&r, 9);
	CHECK(bad);
	CHECK_EQ(rd_left(&sub), 0);
	bad = false;
	CHECK_EQ(rd_take(&r, 8).n, 8);
	CHECK(!bad);
}

TEST(sub_readers_share_the_flag)
{
	bool bad = false;
	struct rd r = rd_over(str_of(bytes, 9), &bad), sub, inner;

	sub = rd_sub(&r, 4);
	CHECK_EQ(rd_left(&r), 5);
	inner = rd_sub(&sub, 2);
	CHECK_EQ(rd_u16be(&inner), 0x0102);
	CHECK_EQ(rd_u16be(&sub), 0x0304);
	CHECK_EQ(rd_u8(&r), 5);
	CHECK(!bad);
	CHECK_EQ(rd_u8(&inner), 0);
	CHECK(bad);
	CHECK_EQ(rd_u8(&r), 0);
	CHECK(!rd_more(&r));
}

TEST(empty_input)
{
	bool bad = false;
	struct rd r = rd_over(str_from(NULL), &bad);

	CHECK_EQ(rd_left(&r), 0);
	CHECK(!rd_more(&r));
	CHECK_EQ(rd_take(&r, 0).n, 0);
	CHECK_EQ(rd_rest(&r).n, 0);
	CHECK(!bad);
	rd_u8(&r);
	CHECK(bad);
}

TEST(an_empty_value_is_not_a_missing_one)
{
	bool bad = false;
	struct rd r = rd_over(str_of(bytes, 1), &bad);

	CHECK(rd_take(&r, 0).p != NULL);
	CHECK(rd_take(&r, 2).p == NULL);
}

/* Every operation at every distance from the end: the flag says exactly
 * whether it fitted. */
TEST(every_length)
{
	static const size_t sizes[] = {1, 2, 2, 4, 4, 8, 8};
	size_t left, op;

	for (left = 0; left <= 9; left++) {
		for (op = 0; op < ARRAY_LEN(sizes); op++) {
			uint8_t *copy = must_alloc(left);
			bool bad = false;
			struct rd r;

			memcpy(copy, bytes, left);
			r = rd_over(str_of(copy, left), &bad);
			switch (op) {
			case 0:
				rd_u8(&r);
				break;
			case 1:
				rd_u16le(&r);
				break;
			case 2:
				rd_u16be(&r);
				break;
			case 3:
				rd_u32le(&r);
				break;
			case 4:
				rd_u32be(&r);
				break;
			case 5:
				rd_u64le(&r);
				break;
			default:
				rd_u64be(&r);
			}
			CHECK_EQ(bad, left < sizes[op]);
			free(copy);
		}
	}
}

TEST_MAIN
