/*
 * The job queue: every transition, what a crash leaves, order and pauses,
 * items in pages, another process beside.
 */
#include "archive.h"
#include "store/table/job.h"

#define NOBODY NULL, 0

static int64_t
add(struct archive *t, const char *node, size_t items)
{
	struct job j = {.detail = STR("{}")};
	struct job_item *v = must_zalloc((items + 1) * sizeof(*v));
	int64_t id;
	size_t i;

	memcpy(j.kind, "send", 5);
	(void)str_copy(j.node, sizeof(j.node), str_from(node));
	for (i = 0; i < items; i++)
		snprintf(v[i].name, sizeof(v[i].name), "1.2.%zu", i);
	CHECK(job_add(t->store, &j, v, items, &id, &t->e));
	free(v);
	return id;
}

static struct job
find(struct archive *t, int64_t id)
{
	struct job j;

	if (!CHECK(job_find(t->store, id, &t->arena, &j, &t->e)))
		printf("%s\n", t->e.text);
	return j;
}

/* The id of the job taken, or 0. */
static int64_t
take(struct archive *t, const char (*busy)[17], size_t n, int64_t *wait_ms)
{
	struct job j;
	bool found;

	if (!CHECK(job_take(
		t->store, busy, n, &t->arena, &j, &found, wait_ms, &t->e)))
		printf("%s\n", t->e.text);
	if (found)
		CHECK_EQ(j.state, JOB_RUNNING);
	return found ? j.id : 0;
}

static void
end(struct archive *t, int64_t id, enum job_state state, int64_t pause_ms)
{
	struct job j = find(t, id);

	j.state = state;
	j.next_ms = clock_utc_ms() + pause_ms;
	j.attempts++;
	snprintf(j.error, sizeof(j.error), "no answer");
	CHECK(job_end(t->store, &j, &t->e));
}

static void
note(struct archive *t, int64_t id, const char *name, bool done, bool failed)
{
	struct job_item i = {.done = done, .failed = failed, .got = 3};

	(void)str_copy(i.name, sizeof(i.name), str_from(name));
	if (failed)
		memcpy(i.error, "refused", 8);
	CHECK(job_item_done(t->store, id, &i, &t->e));
}

TEST(kept)
{
	struct archive t;
	struct job j;
	int64_t id, version, later, wait;

	if (!archive_begin(&t))
		return;
	CHECK(job_version(t.store, &version, &t.e));
	id = add(&t, "PACS", 3);
	CHECK(job_version(t.store, &later, &t.e));
	CHECK(later != version);
	CHECK(archive_reopen(&t));
	j = find(&t, id);
	CHECK_STR(str_from(j.kind), "send");
	CHECK_STR(str_from(j.node), "PACS");
	CHECK_STR(j.detail, "{}");
	CHECK_EQ(j.state, JOB_WAITING);
	CHECK_EQ(j.total, 3);
	CHECK_EQ(j.attempts, 0);
	CHECK(!j.listed);
	CHECK(j.created_ms > 0 && j.next_ms == j.created_ms);
	CHECK(job_listed(t.store, id, &t.e));
	CHECK(find(&t, id).listed);
	CHECK_EQ(take(&t, NOBODY, &wait), id);
	CHECK_EQ(take(&t, NOBODY, &wait), 0);
	CHECK(wait == INT64_MAX);
	end(&t, id, JOB_DONE, 0);
	j = find(&t, id);
	CHECK_EQ(j.state, JOB_DONE);
	CHECK(j.ended_ms > 0);
	CHECK_EQ(j.attempts, 1);
	CHECK(!job_find(t.store, id + 1, &t.arena, &j, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	archive_end(&t);
}

TEST(items)
{
	struct archive t;
	struct job_item *v, twice[2] = {{.name = "1.2.7"}, {.name = "1.2.99"}};
	char after[65] = "";
	size_t n, seen = 0;
	struct job j;
	int64_t id;

	if (!archive_begin(&t))
		return;
	id = add(&t, "PACS", 25);
	CHECK(job_add_items(t.store, id, twice, 2, &t.e));
	CHECK_EQ(find(&t, id).total, 26);
	for (;;) {
		CHECK(
		    job_items(t.store, id, after, 10, &t.arena, &v, &n, &t.e));
		seen += n;
		if (n < 10)
			break;
		memcpy(after, v[n - 1].name, sizeof(after));
	}
	CHECK_EQ(seen, 26);
	CHECK_STR(str_from(v[n - 1].name), "1.2.99");
	CHECK(job_items(t.store, id, "1.2.9", 2, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 2);
	/* In the order of adding, not of text. */
	CHECK_STR(str_from(v[0].name), "1.2.10");

	note(&t, id, "1.2.0", true, false);
	note(&t, id, "1.2.0", true, false);
	note(&t, id, "1.2.1", false, true);
	note(&t, id, "1.2.1", true, false);
	note(&t, id, "1.2.2", false, false);
	note(&t, id, "1.2.strange", true, false);
	j = find(&t, id);
	CHECK_EQ(j.done, 1);
	CHECK_EQ(j.failed, 1);
	CHECK(job_items(t.store, id, "", 100, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 24);
	CHECK_STR(str_from(v[0].name), "1.2.2");
	CHECK(job_items_all(t.store, id, "", 100, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 26);
	CHECK(v[0].done && !v[0].failed && v[0].got == 3);
	CHECK(v[1].failed && !v[1].done);
	CHECK_STR(str_from(v[1].error), "refused");
	archive_end(&t);
}

TEST(crash)
{
	struct archive t;
	struct job_item *v;
	struct job j;
	int64_t id, other, wait;
	size_t n;

	if (!archive_begin(&t))
		return;
	id = add(&t, "PACS", 3);
	other = add(&t, "CT", 0);
	CHECK_EQ(take(&t, NOBODY, &wait), id);
	note(&t, id, "1.2.0", true, false);
	CHECK_EQ(take(&t, NOBODY, &wait), other);
	end(&t, other, JOB_FAILED, 0);
	CHECK(archive_crash(&t));
	CHECK(job_recover(t.store, &t.e));
	j = find(&t, id);
	CHECK_EQ(j.state, JOB_WAITING);
	CHECK_EQ(j.attempts, 0);
	CHECK_EQ(j.done, 1);
	CHECK_EQ(find(&t, other).state, JOB_FAILED);
	CHECK_EQ(take(&t, NOBODY, &wait), id);
	CHECK(job_items(t.store, id, "", 9, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 2);
	archive_end(&t);
}

TEST(order_and_pauses)
{
	static const char busy[2][17] = {"A", "B"};
	struct archive t;
	int64_t first, second, b, wait, began;
	struct job j;

	if (!archive_begin(&t))
		return;
	first = add(&t, "A", 0);
	second = add(&t, "A", 0);
	b = add(&t, "B", 0);
	CHECK(job_due(t.store, "A"));
	CHECK(!job_due(t.store, "C"));
	CHECK_EQ(take(&t, busy, 2, &wait), 0);
	/* Whoever is busy does not say when to look again: its end does. */
	CHECK(wait == INT64_MAX);
	CHECK_EQ(take(&t, busy, 1, &wait), b);
	CHECK_EQ(take(&t, busy + 1, 1, &wait), first);
	CHECK_EQ(take(&t, NOBODY, &wait), second);
	began = clock_mono_ms();
	end(&t, first, JOB_WAITING, 60000);
	end(&t, second, JOB_WAITING, 90000);
	CHECK_EQ(take(&t, NOBODY, &wait), 0);
	/* Less what has passed meanwhile. */
	CHECK(wait >= 59000 - (clock_mono_ms() - began) && wait <= 60000);
	CHECK_EQ(find(&t, first).attempts, 1);
	CHECK_STR(str_from(find(&t, first).error), "no answer");
	CHECK(!job_due(t.store, "A"));
	CHECK(job_retry(t.store, second, &t.e));
	CHECK_EQ(find(&t, second).attempts, 0);
	CHECK_EQ(take(&t, NOBODY, &wait), second);
	/* The clock was in the year 2100 when this one was added. */
	memcpy(&j, &(struct job){.next_ms = 4102444800000}, sizeof(j));
	CHECK(job_add(t.store, &j, NULL, 0, &b, &t.e));
	CHECK(job_cancel(t.store, first, &t.e));
	CHECK_EQ(take(&t, NOBODY, &wait), 0);
	CHECK(wait > 0 && wait <= JOB_PAUSE_MAX_MS);
	CHECK(find(&t, b).next_ms <= clock_utc_ms() + JOB_PAUSE_MAX_MS);
	archive_end(&t);
}

TEST(cancel_and_retry)
{
	static const enum job_state ends[] = {JOB_DONE, JOB_FAILED};
	struct archive t;
	int64_t id, wait;
	size_t i;

	if (!archive_begin(&t))
		return;
	CHECK(!job_cancel(t.store, 77, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(!job_retry(t.store, 77, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(job_cancelled(t.store, 77));
	for (i = 0; i < ARRAY_LEN(ends); i++) {
		id = add(&t, "A", 2);
		CHECK_EQ(take(&t, NOBODY, &wait), id);
		CHECK(!job_cancelled(t.store, id));
		CHECK(!job_retry(t.store, id, &t.e));
		CHECK_EQ(t.e.code, ERR_CONFLICT);
		note(&t, id, "1.2.0", false, true);
		end(&t, id, ends[i], 0);
		CHECK(!job_cancel(t.store, id, &t.e));
		CHECK_EQ(t.e.code, ERR_CONFLICT);
	}
	CHECK_EQ(find(&t, id).failed, 1);
	CHECK(job_retry(t.store, id, &t.e));
	CHECK_EQ(find(&t, id).failed, 0);
	CHECK_EQ(find(&t, id).ended_ms, 0);
	CHECK_EQ(take(&t, NOBODY, &wait), id);
	/* Cancelled while it runs: the end of the attempt changes nothing. */
	CHECK(job_cancel(t.store, id, &t.e));
	CHECK(job_cancelled(t.store, id));
	end(&t, id, JOB_WAITING, 0);
	CHECK_EQ(find(&t, id).state, JOB_CANCELLED);
	/* Nor when it waits for its next run by then. */
	CHECK(job_retry(t.store, id, &t.e));
	CHECK(job_cancelled(t.store, id));
	end(&t, id, JOB_DONE, 0);
	CHECK_EQ(find(&t, id).state, JOB_WAITING);
	archive_end(&t);
}

TEST(draft)
{
	struct archive t;
	struct job j = {.kind = "fetch", .node = "A", .state = JOB_DRAFT};
	struct job_item item = {.name = "1.2.3", .expected = 7}, *v;
	int64_t id, wait;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(job_add(t.store, &j, NULL, 0, &id, &t.e));
	CHECK_EQ(take(&t, NOBODY, &wait), 0);
	CHECK(job_recover(t.store, &t.e));
	CHECK(job_add_items(t.store, id, &item, 1, &t.e));
	CHECK(job_start(t.store, id, &t.e));
	CHECK(!job_start(t.store, id, &t.e));
	CHECK_EQ(t.e.code, ERR_CONFLICT);
	CHECK_EQ(take(&t, NOBODY, &wait), id);
	CHECK(job_items(t.store, id, "", 9, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 1);
	CHECK_EQ(v[0].expected, 7);
	/* What a program left that died while it added. */
	CHECK(job_add(t.store, &j, &item, 1, &id, &t.e));
	archive_exec(&t, "UPDATE job SET created = 1 WHERE state = 5");
	CHECK(job_recover(t.store, &t.e));
	j = find(&t, id);
	CHECK_EQ(j.state, JOB_FAILED);
	CHECK(strstr(j.error, "whole") != NULL);
	archive_end(&t);
}

TEST(lists_and_clear)
{
	struct archive t;
	struct job *v;
	int64_t id, old, wait;
	size_t n;

	if (!archive_begin(&t))
		return;
	old = add(&t, "A", 3);
	CHECK_EQ(take(&t, NOBODY, &wait), old);
	end(&t, old, JOB_DONE, 0);
	id = add(&t, "B", 3);
	CHECK(job_list(t.store, -1, 10, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 2);
	CHECK_EQ(v[0].id, id);
	CHECK(job_list(t.store, JOB_DONE, 10, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 1);
	CHECK_EQ(v[0].id, old);
	CHECK(job_list(t.store, -1, 1, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 1);
	CHECK(job_clear(t.store, 5, &n, &t.e));
	CHECK_EQ(n, 0);
	CHECK(job_clear(t.store, INT64_MAX, &n, &t.e));
	CHECK_EQ(n, 1);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM job_item"), 3);
	CHECK_EQ(find(&t, id).state, JOB_WAITING);
	/* Numbers are not used again. */
	CHECK(job_cancel(t.store, id, &t.e));
	CHECK(job_clear(t.store, INT64_MAX, NULL, &t.e));
	CHECK(add(&t, "C", 0) > id);
	archive_end(&t);
}

/* Pages cost the same everywhere, and clearing is done in pieces. Made in SQL:
 * this is about reading. */
TEST(large)
{
	struct archive t;
	struct job_item *v;
	int64_t id, began;
	size_t n;

	if (!archive_begin(&t))
		return;
	id = add(&t, "A", 0);
	archive_exec(&t,
	    "INSERT INTO job_item (job, seq, name, state, expected, got, error)"
	    " WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c"
	    " WHERE x < 300000) SELECT 1, x, '1.2.840.' || x, 0, 0, 0, ''"
	    " FROM c");
	began = clock_mono_ms();
	CHECK(job_items(
	    t.store, id, "1.2.840.299990", 500, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 10);
	CHECK(clock_mono_ms() - began < 20000);
	CHECK(job_cancel(t.store, id, &t.e));
	CHECK(job_clear(t.store, INT64_MAX, &n, &t.e));
	CHECK_EQ(n, 1);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM job_item"), 0);
	archive_end(&t);
}

TEST(second_process)
{
	struct store_config config = {.server = false};
	struct job j = {.kind = "send", .node = "B"};
	int64_t id, other, before, after, wait;
	struct store *verb;
	struct archive t;

	if (!archive_begin(&t))
		return;
	id = add(&t, "A", 1);
	CHECK_EQ(take(&t, NOBODY, &wait), id);
	CHECK(job_version(t.store, &before, &t.e));
	config.folder = t.folder;
	CHECK(store_open(&verb, &config, &t.e));
	CHECK(job_cancel(verb, id, &t.e));
	CHECK(job_add(verb, &j, NULL, 0, &other, &t.e));
	store_close(&verb);
	CHECK(job_version(t.store, &after, &t.e));
	CHECK(after != before);
	CHECK(job_cancelled(t.store, id));
	CHECK_EQ(take(&t, NOBODY, &wait), other);
	archive_end(&t);
}

TEST_MAIN
