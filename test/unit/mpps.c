/*
 * Performed procedure steps and the items they are about: exams before their
 * order, items that go, and the plans of what each order asks.
 */
#include "worklist.h"

#include "store/worklist/mpps.h"

static struct mpps_outcome outcome;

static enum order_status told;

static bool
tell(void *ctx, struct db *db, const struct item *now, struct err *e)
{
	(void)ctx;
	(void)db;
	(void)e;
	told = now->status;
	return true;
}

static bool
create(const char *uid, const char *patient, struct mpps_step step)
{
	struct mpps m = {.patient_id = str_from(patient),
	    .data = STR(""),
	    .steps = &step,
	    .step_count = 1};

	(void)str_copy(m.uid, sizeof(m.uid), str_from(uid));
	return mpps_create(t.store, &m, NULL, &outcome, &t.e);
}

static bool
end(const char *uid, enum mpps_state state, bool wrong)
{
	struct mpps m;

	if (!CHECK(mpps_find(t.store, uid, &t.arena, &m, &t.e)))
		return false;
	m.state = state;
	m.wrong_entry = wrong;
	return mpps_update(t.store, &m, NULL, &outcome, &t.e);
}

#define OBR "OBR|1|P1||X^Head||||||||||||||A1|R1|S1||||CT\r"

TEST(exam_before_its_order)
{
	struct mpps *kept;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(create("1.1", "ID1",
	    (struct mpps_step){.study = STR("1.2.9"), .accession = STR("A1")}));
	CHECK_EQ(outcome.linked, 0);
	CHECK(mpps_unscheduled(t.store, 10, &t.arena, &kept, &n, &t.e));
	CHECK(n == 1 && strcmp(kept[0].uid, "1.1") == 0);
	CHECK(take(HEAD("1") PATIENT "ORC|NW|P1\r" OBR));
	CHECK_EQ(only_status(), STATUS_STARTED);
	CHECK(mpps_unscheduled(t.store, 10, &t.arena, &kept, &n, &t.e));
	CHECK_EQ(n, 0);
	CHECK(end("1.1", MPPS_COMPLETED, false));
	CHECK_EQ(outcome.changed, 1);
	CHECK_EQ(only_status(), STATUS_COMPLETED);
	/* Another patient's order is another one. */
	CHECK(create("1.2", "ID7",
	    (struct mpps_step){
		.study = STR("1.2.10"), .accession = STR("A7")}));
	CHECK(take(HEAD("2") PATIENT "ORC|NW|P2\r"
				     "OBR|1|P2||X||||||||||||||A7|R7|S7\r"));
	CHECK(mpps_unscheduled(t.store, 10, &t.arena, &kept, &n, &t.e));
	CHECK_EQ(n, 1);
	archive_end(&t);
}

/* Who asked to be told of exams is told of one that the order came after. */
TEST(a_late_order_is_told_of)
{
	static const struct item_watch watch = {.changed = tell};
	struct item_rules with_watch = rules;
	struct item item = {0};
	int64_t id;

	if (!archive_begin(&t))
		return;
	with_watch.watch = &watch;
	CHECK(create("1.1", "ID1",
	    (struct mpps_step){.study = STR("1.2.9"), .accession = STR("A1")}));
	CHECK(end("1.1", MPPS_COMPLETED, false));
	item.value[FIELD_PatientID] = STR("ID1");
	item.value[FIELD_PatientName] = STR("DOE^J");
	item.value[FIELD_RequestedProcedureID] = STR("R1");
	CHECK(item_new(t.store, &with_watch, &item, &id, &t.e));
	CHECK_EQ(told, STATUS_NONE);
	CHECK(item_find(t.store, id, &t.arena, &item, &t.e));
	item.value[FIELD_AccessionNumber] = STR("A1");
	CHECK(item_edit(t.store, &with_watch, &item, &t.e));
	CHECK_EQ(told, STATUS_COMPLETED);
	archive_end(&t);
}

TEST(an_order_gets_its_number_later)
{
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT
	    "ORC|NW|P1\rOBR|1|P1||X^Head|||||||||||||||R1|S1||||CT\r"));
	CHECK(create("1.1", "ID1",
	    (struct mpps_step){.study = STR("1.2.9"), .accession = STR("A1")}));
	CHECK(end("1.1", MPPS_COMPLETED, false));
	CHECK_EQ(only_status(), STATUS_SCHEDULED);
	CHECK(take(HEAD("2") PATIENT "ORC|XO|P1\r" OBR));
	(void)list_all(&n);
	CHECK_EQ(n, 1);
	CHECK_EQ(only_status(), STATUS_COMPLETED);
	archive_end(&t);
}

TEST(conflicts)
{
	struct mpps a, b;

	if (!archive_begin(&t))
		return;
	CHECK(create("1.1", "ID1", (struct mpps_step){.study = STR("1.2.9")}));
	CHECK(!create("1.1", "ID1", (struct mpps_step){.study = STR("1.2.9")}));
	CHECK_EQ(t.e.code, ERR_CONFLICT);
	CHECK(mpps_find(t.store, "1.1", &t.arena, &a, &t.e));
	CHECK(mpps_find(t.store, "1.1", &t.arena, &b, &t.e));
	CHECK(mpps_update(t.store, &a, NULL, &outcome, &t.e));
	CHECK(!mpps_update(t.store, &b, NULL, &outcome, &t.e));
	CHECK_EQ(t.e.code, ERR_CONFLICT);
	CHECK(end("1.1", MPPS_DISCONTINUED, false));
	CHECK(!end("1.1", MPPS_COMPLETED, false));
	CHECK(!mpps_find(t.store, "1.9", &t.arena, &b, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	archive_end(&t);
}

/* Numbers of items are used again: what goes leaves no link. */
TEST(an_item_that_goes)
{
	struct item *items;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT "ORC|NW|P1\r" OBR));
	CHECK(create("1.1", "ID1",
	    (struct mpps_step){.study = STR("1"), .accession = STR("A1")}));
	CHECK_EQ(outcome.linked, 1);
	items = list_all(&n);
	CHECK(n == 1 && item_delete(t.store, items[0].id, &t.e));
	CHECK(take(HEAD("2") "PID|||ID2||ROE^R\rORC|NW|P2\r"
			     "OBR|1|P2||X||||||||||||||A2|R2|S2\r"));
	CHECK(end("1.1", MPPS_COMPLETED, false));
	CHECK_EQ(outcome.linked, 0);
	CHECK_EQ(only_status(), STATUS_SCHEDULED);
	archive_end(&t);
}

TEST(wrong_entry_beside_a_right_one)
{
	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT "ORC|NW|P1\r" OBR));
	CHECK(create("1.1", "ID1",
	    (struct mpps_step){.study = STR("1"), .accession = STR("A1")}));
	CHECK(create("1.2", "ID1",
	    (struct mpps_step){.study = STR("1"), .accession = STR("A1")}));
	CHECK(end("1.1", MPPS_DISCONTINUED, true));
	CHECK_EQ(only_status(), STATUS_STARTED);
	CHECK(end("1.2", MPPS_DISCONTINUED, true));
	CHECK_EQ(only_status(), STATUS_SCHEDULED);
	archive_end(&t);
}

TEST_MAIN
