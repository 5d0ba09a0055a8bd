/*
 * Listings: the same rows in the same order, whatever the size of the pages and
 * whatever leads, also where many rows share the keys of the order.
 */
#include "archive.h"

#define STUDIES 40
#define ROWS    64

static bool
fill(struct archive *t)
{
	char uid[32], study[32], name[32], patient[32], date[16], hour[8];
	struct sample s = {.sop_class = UID_CTImageStorage, .modality = "CT"};
	struct object_result out;
	int i;

	if (!archive_begin(t))
		return false;
	s.instance = uid;
	s.study = s.series = study;
	s.name = name;
	s.patient = patient;
	s.date = date;
	s.time = hour;
	for (i = 0; i < STUDIES; i++) {
		snprintf(uid, sizeof(uid), "1.2.%d.1", i);
		snprintf(study, sizeof(study), "1.2.%d", i);
		snprintf(name, sizeof(name), "Family%d^Anna", i * 7 % 5);
		snprintf(patient, sizeof(patient), "P%d", i * 11 % 13);
		snprintf(date, sizeof(date), "2026010%d", i * 3 % 4 + 1);
		snprintf(hour, sizeof(hour), "1%d", i * 5 % 3);
		if (!CHECK(archive_put(t, &s, &out)))
			return false;
	}
	return true;
}

/* All pages of a size; how many rows there were. */
static size_t
read_all(
    struct archive *t, const struct search *s, struct listing l, int64_t *ids)
{
	struct index_row *rows;
	struct listing last;
	size_t n, i, sum = 0;

	do {
		if (!CHECK(index_list(
			t->store, s, &l, &t->arena, &rows, &n, &last, &t->e)))
			return 0;
		if (!CHECK(n <= l.max && sum + n <= ROWS))
			return 0;
		for (i = 0; i < n; i++)
			ids[sum++] = rows[i].id;
		l.after_id = last.after_id;
		l.after_a = last.after_a;
		l.after_b = last.after_b;
	} while (l.after_id != 0);
	return sum;
}

static void
check_pages(struct archive *t, const struct search *s, enum index_order order,
    bool down)
{
	static const size_t sizes[] = {1, 2, 7, 19, STUDIES, ROWS};
	int64_t one[ROWS], ids[ROWS];
	struct listing l = {.order = order, .descending = down};
	size_t n, i, k;

	l.max = LIMIT_ROWS;
	n = read_all(t, s, l, one);
	CHECK(n > 0);
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		l.max = sizes[i];
		CHECK_EQ(read_all(t, s, l, ids), n);
		for (k = 0; k < n; k++)
			if (!CHECK_EQ(ids[k], one[k]))
				printf("order %d, %d, pages of %zu, row %zu\n",
				    (int)order, down, sizes[i], k);
	}
	for (k = 1; order == ORDER_ARRIVED && k < n; k++)
		CHECK(down ? one[k] < one[k - 1] : one[k] > one[k - 1]);
}

TEST(pages_of_any_size_are_one_list)
{
	static const struct condition conditions[] = {
	    {.column = COLUMN_PatientName,
		.kind = CONDITION_PREFIX,
		.a = STR("family")},
	    {.column = COLUMN_PatientName,
		.kind = CONDITION_PATTERN,
		.a = STR("*mily3*")},
	    {.column = COLUMN_StudyDate,
		.kind = CONDITION_RANGE,
		.a = STR("20260102"),
		.b = STR("20260103")},
	    {.column = COLUMN_PatientID, .kind = CONDITION_IS, .a = STR("P4")},
	};
	struct search s = {.want = {[COLUMN_PatientName] = true}};
	struct archive t;
	size_t i;
	int order, down;

	if (!fill(&t))
		return;
	for (i = 0; i <= ARRAY_LEN(conditions); i++)
		for (order = ORDER_ARRIVED; order <= ORDER_ID; order++)
			for (down = 0; down < 2; down++) {
				s.conditions = &conditions[i];
				s.count = i < ARRAY_LEN(conditions);
				s.level = LEVEL_STUDY;
				check_pages(
				    &t, &s, (enum index_order)order, down != 0);
				s.level = LEVEL_PATIENT;
				if (order == ORDER_DATE || i == 2)
					continue;
				check_pages(
				    &t, &s, (enum index_order)order, down != 0);
			}
	archive_end(&t);
}

TEST_MAIN
