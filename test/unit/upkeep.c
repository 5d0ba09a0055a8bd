/*
 * What goes by itself: the first day that stays, and that the others go.
 */
#include "archive.h"
#include "service/hl7/upkeep.h"
#include "store/worklist/item.h"

static const char *
day(int y, int m, int d, unsigned days, unsigned months)
{
	struct tm t = {.tm_year = y - 1900,
	    .tm_mon = m - 1,
	    .tm_mday = d,
	    .tm_hour = 0,
	    .tm_min = 30,
	    .tm_isdst = -1};
	static char out[9];
	const struct upkeep_config c = {days, months};

	upkeep_day((int64_t)mktime(&t) * 1000, &c, out);
	return out;
}

TEST(the_first_day_that_stays)
{
	CHECK_STR(str_from(day(2026, 11, 21, 7, 0)), "20261114");
	CHECK_STR(str_from(day(2026, 3, 5, 14, 0)), "20260219");
	CHECK_STR(str_from(day(2026, 1, 3, 7, 0)), "20251227");
	CHECK_STR(str_from(day(2026, 11, 21, 0, 1)), "20261021");
	CHECK_STR(str_from(day(2026, 3, 31, 0, 1)), "20260228");
	CHECK_STR(str_from(day(2024, 3, 31, 0, 1)), "20240229");
	CHECK_STR(str_from(day(2026, 5, 31, 0, 3)), "20260228");
	CHECK_STR(str_from(day(2026, 1, 31, 0, 3)), "20251031");
	CHECK_STR(str_from(day(2026, 2, 1, 0, 3)), "20251101");
}

static void
add(struct archive *t, const char *id, const char *date)
{
	struct item_rules rules = {.uid_for = "all"};
	struct item item = {.status = STATUS_SCHEDULED};
	int64_t number;

	item.value[FIELD_PatientID] = str_from(id);
	item.value[FIELD_PatientName] = STR("Doe^Jane");
	item.value[FIELD_RequestedProcedureID] = STR("R");
	item.value[FIELD_ScheduledProcedureStepStartDate] = str_from(date);
	CHECK(item_new(t->store, &rules, &item, &number, &t->e));
}

static size_t
count(struct archive *t)
{
	return (size_t)archive_int(t, "SELECT count(*) FROM item");
}

TEST(a_change_of_the_setting_takes_effect)
{
	const struct upkeep_config never = {0, 0}, week = {7, 0};
	struct upkeep *u;
	struct archive t;
	int64_t until;
	char today[9];

	if (!archive_begin(&t))
		return;
	upkeep_day(clock_utc_ms(), &never, today);
	add(&t, "old", "20200101");
	add(&t, "today", today);
	add(&t, "later", "29991231");
	add(&t, "none", "");
	CHECK(upkeep_open(&u, t.store, &never, &t.e));
	upkeep_configure(u, &never);
	CHECK_EQ(count(&t), 4);
	upkeep_configure(u, &week);
	until = clock_mono_ms() + 60000;
	while (count(&t) == 4 && clock_mono_ms() < until)
		clock_sleep_ms(5);
	upkeep_close(&u);
	CHECK_EQ(count(&t), 3);
	CHECK_EQ(archive_int(
		     &t, "SELECT count(*) FROM item WHERE PatientID = 'old'"),
	    0);
	archive_end(&t);
}

TEST_MAIN
