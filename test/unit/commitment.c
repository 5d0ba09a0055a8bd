/*
 * Storage commitment without a network: references to and from data sets and
 * text, rows of the table, looking into the archive.
 */
#include "archive.h"

#include "service/commitment/report.h"
#include "service/commitment/result.h"
#include "store/table/commitment.h"
#include "store/table/job.h"

#define TRANSACTION "1.2.9.1"

static struct reference three[] = {
    {.sop_class = {(const uint8_t *)"1.2.840.10008.5.1.4.1.1.2", 25},
	.sop_instance = {(const uint8_t *)"1.2.7.1", 7}},
    {.sop_class = {(const uint8_t *)"1.2.840.10008.5.1.4.1.1.4", 25},
	.sop_instance = {(const uint8_t *)"1.2.7.2", 7}},
    {.sop_class = {(const uint8_t *)"1.2.840.10008.5.1.4.1.1.4", 25},
	.sop_instance = {(const uint8_t *)"1.2.7.33", 8}},
};

static struct references
make(uint16_t first, uint16_t second, uint16_t third)
{
	struct references r = {.at = three, .n = 3};

	(void)str_copy(r.transaction, sizeof(r.transaction), STR(TRANSACTION));
	three[0].reason = first;
	three[1].reason = second;
	three[2].reason = third;
	return r;
}

static const struct reference *
find(const struct references *r, const char *uid)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (str_eq_text(r->at[i].sop_instance, uid))
			return &r->at[i];
	return NULL;
}

TEST(action_there_and_back)
{
	static const char *const syntaxes[] = {UID_ImplicitVRLittleEndian,
	    UID_ExplicitVRLittleEndian, UID_ExplicitVRBigEndian,
	    UID_DeflatedExplicitVRLittleEndian};
	struct references r = make(0, 0x0110, 0), got;
	struct syntax syntax;
	struct arena a;
	struct buf out;
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_LEN(syntaxes); i++) {
		syntax = syntax_of(str_from(syntaxes[i]));
		arena_init(&a, REFERENCES_ARENA);
		buf_init(&out, LIMIT_IDENTIFIER);
		CHECK(references_write_action(&a, &r, syntax, &out, &e));
		if (CHECK(references_read_action(
			&a, buf_str(&out), syntax, &got, &e))) {
			CHECK_STR(str_from(got.transaction), TRANSACTION);
			CHECK_EQ(got.n, 3);
			CHECK_STR(got.at[2].sop_instance, "1.2.7.33");
			CHECK_STR(
			    got.at[1].sop_class, "1.2.840.10008.5.1.4.1.1.4");
			CHECK_EQ(got.at[1].reason, 0);
		}
		buf_fini(&out);
		arena_fini(&a);
	}
}

TEST(event_there_and_back)
{
	struct syntax syntax = syntax_of(STR(UID_ImplicitVRLittleEndian));
	struct references r = make(0x0112, 0, 0x0119), got;
	const struct reference *at;
	struct arena a;
	struct buf out;
	struct err e;

	arena_init(&a, REFERENCES_ARENA);
	buf_init(&out, LIMIT_IDENTIFIER);
	CHECK_EQ(references_failed(&r), 2);
	CHECK(references_write_event(&a, &r, "FILEROOM", syntax, &out, &e));
	CHECK(references_read_event(&a, buf_str(&out), syntax, &got, &e));
	CHECK_EQ(got.n, 3);
	CHECK_EQ(references_failed(&got), 2);
	at = find(&got, "1.2.7.33");
	CHECK(at != NULL && at->reason == 0x0119);
	at = find(&got, "1.2.7.2");
	CHECK(at != NULL && at->reason == 0);
	buf_fini(&out);
	arena_fini(&a);
}

TEST(what_was_not_answered_has_failed)
{
	struct references asked = make(0, 0, 0), got;
	struct reference answer[3] = {three[0], three[1], three[1]};

	/* The second is named twice: as kept, and as failed. */
	answer[2].reason = 0x0213;
	got = (struct references){.at = answer, .n = 3};
	references_merge(&asked, &got);
	CHECK_EQ(asked.at[0].reason, 0);
	CHECK_EQ(asked.at[1].reason, 0x0213);
	CHECK_EQ(asked.at[2].reason, 0x0110);
}

TEST(text_there_and_back)
{
	static const char *const wrong[] = {"1.2 1.2 0", "1.2 1.2 x\n",
	    "1.2 1.2 65536\n", "1.2 1.2\n", "1.2  0\n", "\n", "1.2 ../x 0\n",
	    "1.2 1.2 0 0\n"};
	struct references r = make(0, 0x0110, 0x0119), got;
	struct arena a;
	struct buf out;
	struct err e;
	size_t i;

	arena_init(&a, MIB);
	buf_init(&out, MIB);
	references_to_text(&r, &out);
	CHECK(references_of_text(&a, buf_str(&out), &got, &e));
	CHECK_EQ(got.n, 3);
	CHECK_EQ(got.at[2].reason, 0x0119);
	CHECK_STR(got.at[2].sop_instance, "1.2.7.33");
	CHECK(references_of_text(&a, STR(""), &got, &e));
	CHECK_EQ(got.n, 0);
	for (i = 0; i < ARRAY_LEN(wrong); i++) {
		CHECK(!references_of_text(&a, str_from(wrong[i]), &got, &e));
		CHECK_EQ(e.code, ERR_CORRUPT);
	}
	buf_fini(&out);
	arena_fini(&a);
}

static struct commitment
row(const char *ae, const char *transaction, bool ours)
{
	struct commitment c = {.ours = ours,
	    .job = 7,
	    .asked_ms = clock_utc_ms(),
	    .items = STR("1.2.840.10008.5.1.4.1.1.2 1.2.7.1 0\n")};

	(void)str_copy(c.ae, sizeof(c.ae), str_from(ae));
	(void)str_copy(
	    c.transaction, sizeof(c.transaction), str_from(transaction));
	(void)str_copy(c.title, sizeof(c.title), STR("FILEROOM_E"));
	(void)str_copy(c.address, sizeof(c.address), STR("192.0.2.1"));
	return c;
}

TEST(rows)
{
	struct commitment c = row("CT1", "1.2.9.1", false), got;
	int64_t first, second, other;
	struct archive t;

	if (!archive_begin(&t))
		return;
	CHECK(commitment_put(t.store, &c, &first, &t.e));
	c = row("CT1", "1.2.9.2", false);
	CHECK(commitment_put(t.store, &c, &second, &t.e));
	c = row("CT1", "1.2.9.1", true);
	CHECK(commitment_put(t.store, &c, &other, &t.e));
	CHECK(archive_crash(&t));
	CHECK(commitment_find(
	    t.store, false, "CT1", "1.2.9.1", &t.arena, &got, &t.e));
	CHECK_EQ(got.id, first);
	CHECK_STR(str_from(got.title), "FILEROOM_E");
	CHECK_STR(str_from(got.address), "192.0.2.1");
	CHECK_STR(got.items, "1.2.840.10008.5.1.4.1.1.2 1.2.7.1 0\n");
	CHECK(!commitment_find(
	    t.store, false, "CT2", "1.2.9.1", &t.arena, &got, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	/* In their order; ours are not told to anybody. */
	CHECK(commitment_next(t.store, "CT1", 0, &t.arena, &got, &t.e));
	CHECK_EQ(got.id, first);
	CHECK(commitment_known(t.store, first, STR("x"), false, &t.e));
	CHECK(commitment_sent(t.store, first, 5, &t.e));
	CHECK(commitment_get(t.store, first, &t.arena, &got, &t.e));
	CHECK(got.known_ms > 0 && got.sent_ms == 5 && got.told_ms == 0);
	CHECK(commitment_told(t.store, first, &t.e));
	CHECK(commitment_next(t.store, "CT1", 0, &t.arena, &got, &t.e));
	CHECK_EQ(got.id, second);
	CHECK(!commitment_next(t.store, "CT1", second, &t.arena, &got, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(commitment_of_job(t.store, 7, 0, &t.arena, &got, &t.e));
	CHECK_EQ(got.id, second);
	CHECK(commitment_of_job(t.store, 7, second, &t.arena, &got, &t.e));
	CHECK(got.id == other && got.ours);
	archive_end(&t);
}

/* Who was told of the last one is not taken to be told of this one. */
TEST(a_transaction_again_has_another_number)
{
	struct commitment c = row("CT1", "1.2.9.1", false), got;
	int64_t first, second;
	struct archive t;

	if (!archive_begin(&t))
		return;
	CHECK(commitment_put(t.store, &c, &first, &t.e));
	CHECK(commitment_put(t.store, &c, &second, &t.e));
	CHECK(first != second);
	CHECK(!commitment_told(t.store, first, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(commitment_next(t.store, "CT1", 0, &t.arena, &got, &t.e));
	CHECK_EQ(got.id, second);
	archive_end(&t);
}

TEST(so_many_and_no_more)
{
	struct commitment c;
	struct archive t;
	char uid[65];
	int64_t id;
	int i;

	if (!archive_begin(&t))
		return;
	for (i = 0; i <= LIMIT_COMMITMENTS; i++) {
		snprintf(uid, sizeof(uid), "1.2.9.%d", i);
		c = row("CT1", uid, false);
		if (!commitment_put(t.store, &c, &id, &t.e))
			break;
	}
	CHECK_EQ(i, LIMIT_COMMITMENTS);
	CHECK_EQ(t.e.code, ERR_LIMIT);
	/* What it asked before may be asked again; others may ask. */
	c = row("CT1", "1.2.9.0", false);
	CHECK(commitment_put(t.store, &c, &id, &t.e));
	c = row("CT2", "1.2.9.0", false);
	CHECK(commitment_put(t.store, &c, &id, &t.e));
	archive_end(&t);
}

static void
store_one(struct archive *t, const char *uid)
{
	struct sample s = {.instance = uid,
	    .sop_class = UID_CTImageStorage,
	    .study = "1.2.3",
	    .series = "1.2.4",
	    .pixels = 100};
	struct object_result result;

	CHECK(archive_put(t, &s, &result));
}

TEST(looking_into_the_archive)
{
	struct references r = make(1, 1, 1);
	struct verify v = {.store = NULL};
	struct archive t;

	if (!archive_begin(&t))
		return;
	v.store = t.store;
	store_one(&t, "1.2.7.1");
	store_one(&t, "1.2.7.2");
	CHECK(verify_references(&v, &r, &t.e));
	CHECK_EQ(r.at[0].reason, 0);
	CHECK_EQ(r.at[1].reason, STATUS_ClassInstanceConflict);
	CHECK_EQ(r.at[2].reason, STATUS_NoSuchInstance);
	/* A second look at the rows only adds reasons. */
	v.rows_only = true;
	r = make(STATUS_ProcessingFailure, 0, 0);
	CHECK(verify_references(&v, &r, &t.e));
	CHECK_EQ(r.at[0].reason, STATUS_ProcessingFailure);
	CHECK_EQ(r.at[1].reason, STATUS_ClassInstanceConflict);
	v.rows_only = false;
	store_set_read_only(t.store, "a flush has failed");
	CHECK(!verify_references(&v, &r, &t.e));
	CHECK_EQ(t.e.code, ERR_IO);
	archive_end(&t);
}

static bool
result(struct archive *t, const char *ae, const struct references *r)
{
	struct syntax syntax = syntax_of(STR(UID_ExplicitVRLittleEndian));
	struct buf out;
	bool ok;

	buf_init(&out, MIB);
	CHECK(
	    references_write_event(&t->arena, r, "PACS", syntax, &out, &t->e));
	ok = result_take(t->store, ae, buf_str(&out), syntax, &t->arena, &t->e);
	buf_fini(&out);
	return ok;
}

TEST(results_of_others)
{
	struct commitment c = row("PACS", TRANSACTION, true), got;
	struct references r = make(0x0112, 0, 0);
	struct archive t;
	int64_t id;

	if (!archive_begin(&t))
		return;
	CHECK(!result(&t, "PACS", &r));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(commitment_put(t.store, &c, &id, &t.e));
	CHECK(!result(&t, "OTHER", &r));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(result(&t, "PACS", &r));
	/* The first counts. */
	r = make(0, 0, 0);
	CHECK(result(&t, "PACS", &r));
	CHECK(commitment_get(t.store, id, &t.arena, &got, &t.e));
	CHECK(got.known_ms != 0);
	CHECK_STR(got.items, "1.2.840.10008.5.1.4.1.1.2 1.2.7.1 274\n");
	archive_end(&t);
}

TEST_MAIN
