/*
 * Patients that are corrected and merged, in the worklist and in the archive;
 * undone; and all of it made anew by a rebuild of the index.
 */
#include "worklist.h"

#include "store/worklist/merge.h"
#include "store/worklist/mpps.h"

#define ADT(event, id)                                                         \
	"MSH|^~\\&|APP|FAC|||20260101||ADT^" event "|" id "|P|2.5\r"

static int object_number;

/* An object of a patient: its own study, or one that is there. */
static void
put_in(const char *study, const char *id, const char *issuer, const char *name)
{
	struct object_result out;
	char text[2][32];
	struct sample s;

	snprintf(text[0], 32, "1.9.%d", ++object_number);
	snprintf(text[1], 32, "1.8.%d", object_number);
	s = (struct sample){
	    .instance = text[0],
	    .sop_class = UID_CTImageStorage,
	    .study = study != NULL ? study : text[1],
	    .series = text[1],
	    .patient = id,
	    .issuer = issuer[0] != '\0' ? issuer : NULL,
	    .name = name,
	    .birth = object_number % 3 == 0 ? "19700101" : "",
	    .sex = object_number % 4 == 0 ? "F" : NULL,
	    .modality = "CT",
	};
	if (!CHECK(archive_put(&t, &s, &out)))
		printf("%s\n", t.e.text);
}

static void
put(const char *id, const char *issuer, const char *name)
{
	put_in(NULL, id, issuer, name);
}

/* Rows that fit, as "name of the patient/number of studies". */
static void
check_patient(const char *id, const char *issuer, const char *expected)
{
	const struct condition conditions[] = {
	    {.column = COLUMN_PatientID,
		.kind = CONDITION_IS,
		.a = str_from(id)},
	    {.column = COLUMN_IssuerOfPatientID,
		.kind = CONDITION_IS,
		.a = str_from(issuer)},
	};
	struct search s = {.level = LEVEL_PATIENT,
	    .conditions = conditions,
	    .count = issuer[0] != '\0' ? 2 : 1,
	    .want = {[COLUMN_PatientName] = true,
		[COLUMN_IssuerOfPatientID] = true},
	    .want_patient = true};
	struct index_row *rows;
	struct index_counts counts;
	char found[256] = "";
	size_t n, i, at = 0;

	CHECK(index_search(t.store, &s, 0, &t.arena, &rows, &n, &t.e));
	for (i = 0; i < n; i++) {
		struct str own = rows[i].value[COLUMN_IssuerOfPatientID];

		if (!str_eq(own, str_from(issuer)))
			continue;
		CHECK(index_patient_counts(
		    t.store, rows[i].patient, &counts, &t.e));
		at += (size_t)snprintf(found + at, sizeof(found) - at,
		    "%.*s/%llu", STR_ARG(rows[i].value[COLUMN_PatientName]),
		    (unsigned long long)counts.studies);
	}
	CHECK_STR(str_from(found), expected);
}

static char *
dump_items(void)
{
	size_t n, i, f;
	struct item *items = list_all(&n);
	struct buf b;
	char *text;

	buf_init(&b, 16 * MIB);
	for (i = 0; i < n; i++) {
		buf_printf(&b, "%lld %d", (long long)items[i].id,
		    (int)items[i].status);
		for (f = 0; f < FIELD_COUNT; f++) {
			buf_u8(&b, '|');
			buf_add(&b, items[i].value[f]);
		}
		buf_u8(&b, '\n');
	}
	text = must_strdup(buf_cstr(&b));
	buf_fini(&b);
	return text;
}

/* Frees both; shows the first line that differs. */
static bool
same(char *now, char *then)
{
	struct str a = str_from(now), b = str_from(then), x, y;
	bool equal = strcmp(now, then) == 0;

	while (!equal && str_split(&a, '\n', &x) && str_split(&b, '\n', &y))
		if (!str_eq(x, y)) {
			printf(
			    "now  %.*s\nthen %.*s\n", STR_ARG(x), STR_ARG(y));
			break;
		}
	free(now);
	free(then);
	return equal;
}

/* What a rebuild makes of the files and what was told is what is there. */
static void
check_reindex(void)
{
	char *before = archive_dump(&t);
	struct rebuild_result out;

	CHECK(store_reindex(t.store, NULL, NULL, &out, &t.e));
	CHECK(same(archive_dump(&t), before));
}

static void
order(const char *number, const char *id, const char *name)
{
	static int messages;
	char text[512];

	snprintf(text, sizeof(text),
	    HEAD("o%d") "PID|||%s||%s\rORC|NW|P%s\r"
			"OBR|1|P%s||X||||||||||||||A%s|R1|S1\r",
	    ++messages, id, name, number, number, number);
	CHECK(take(text));
}

static const char *
patient_of(size_t item)
{
	size_t n;
	struct item *items = list_all(&n);

	return CHECK(item < n)
		   ? arena_cstr(&t.arena, items[item].value[FIELD_PatientID])
		   : "";
}

TEST(corrections_reach_the_archive)
{
	if (!archive_begin(&t))
		return;
	put("ID1", "", "DOE^J");
	put("ID1", "", "DOE^J");
	put("ID2", "", "ROE^R");
	CHECK(take(ADT("A08", "1") "PID|||ID1||D\xc3\x96"
				   "E^JANE||19510224|F\r"));
	check_patient("ID1", "",
	    "D\xc3\x96"
	    "E^JANE/2");
	check_patient("ID2", "", "ROE^R/1");
	CHECK_EQ(archive_int(&t,
		     "SELECT count(*) FROM patient WHERE PatientSex = 'F' AND"
		     " PatientBirthDate = '19510224'"),
	    1);
	/* Found by the new name, no longer by the old one. */
	CHECK_EQ(archive_int(
		     &t, "SELECT count(*) FROM name_key WHERE value = 'doe^j'"),
	    0);
	check_reindex();
	/* "" takes away; a value that is not there changes nothing. */
	CHECK(take(ADT("A31", "2") "PID|||ID1|||||\"\"\r"));
	CHECK_EQ(archive_int(&t,
		     "SELECT count(*) FROM patient WHERE PatientSex = '' AND"
		     " PatientBirthDate = '19510224'"),
	    1);
	/* Whoever is not there yet comes under the name that was told. */
	CHECK(take(ADT("A04", "3") "PID|||ID7||TOLD^T\r"));
	put("ID7", "", "SAID^S");
	check_patient("ID7", "", "TOLD^T/1");
	check_reindex();
	/* Files are what they were. */
	CHECK(archive_reopen(&t));
	check_patient("ID7", "", "TOLD^T/1");
	archive_end(&t);
}

TEST(issuers_are_kept_apart)
{
	if (!archive_begin(&t))
		return;
	put("ID1", "A", "OF^A");
	put("ID1", "B", "OF^B");
	put("ID1", "", "OF^NONE");
	CHECK(take(ADT("A08", "1") "PID|||ID1^^^A||NEW^A\r"));
	check_patient("ID1", "A", "NEW^A/1");
	check_patient("ID1", "B", "OF^B/1");
	check_patient("ID1", "", "NEW^A/1");
	CHECK(take(ADT("A08", "2") "PID|||ID1^^^B||NEW^B\r"));
	check_patient("ID1", "A", "NEW^A/1");
	check_patient("ID1", "B", "NEW^B/1");
	/* Who can tell? */
	check_patient("ID1", "", "OF^NONE/1");
	check_reindex();
	/* Within one issuer; then as the message says. */
	put("ID2", "A", "TWO^A");
	put("ID2", "B", "TWO^B");
	CHECK(take(ADT("A40", "3") "PID|||ID2^^^A\rMRG|ID1^^^A\r"));
	check_patient("ID2", "A", "TWO^A/2");
	check_patient("ID1", "A", "");
	check_patient("ID1", "B", "NEW^B/1");
	check_patient("ID2", "", "OF^NONE/1");
	check_reindex();
	CHECK(take(ADT("A40", "4") "PID|||ID2^^^A\rMRG|ID1^^^B\r"));
	check_patient("ID2", "A", "TWO^A/3");
	check_patient("ID2", "B", "TWO^B/1");
	check_reindex();
	archive_end(&t);
}

TEST(a_merge)
{
	char *archive, *items;
	size_t n;

	if (!archive_begin(&t))
		return;
	put("OLD", "", "DOE^J");
	put("NEW", "", "DOE^JANE");
	put("OLD", "", "DOE^J");
	order("1", "OLD", "DOE^J");
	order("2", "NEW", "DOE^JANE");
	archive = archive_dump(&t);
	items = dump_items();
	CHECK(take(ADT("A40", "1") "PID|||NEW||DOE^JANE\rMRG|OLD\r"));
	check_patient("NEW", "", "DOE^JANE/3");
	check_patient("OLD", "", "");
	CHECK_STR(str_from(patient_of(0)), "NEW");
	check_reindex();
	/* Once more, as another message. */
	CHECK(take(ADT("A40", "2") "PID|||NEW\rMRG|OLD\r"));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM patient_alias"), 1);
	CHECK(take(ADT("A37", "3") "PID|||NEW\rPID|||OLD\r"));
	CHECK(same(archive_dump(&t), archive));
	CHECK(same(dump_items(), items));
	check_reindex();
	/* They are two already. */
	CHECK(take(ADT("A37", "4") "PID|||NEW\rPID|||OLD\r"));
	/* One and the same. */
	CHECK(!take(ADT("A40", "5") "PID|||NEW\rMRG|NEW\r"));
	CHECK_EQ(sent.outcome, ITEM_REFUSED);
	CHECK_EQ(sent.refused.code, 205);
	CHECK_STR(str_from(sent.refused.segment), "MRG");
	(void)list_all(&n);
	CHECK_EQ(n, 2);
	archive_end(&t);
}

static void
check_item(size_t item, const char *id, const char *name, const char *sex)
{
	size_t n;
	struct item *items = list_all(&n);

	if (!CHECK(item < n))
		return;
	CHECK_STR(items[item].value[FIELD_PatientID], id);
	CHECK_STR(items[item].value[FIELD_PatientName], name);
	CHECK_STR(items[item].value[FIELD_PatientSex], sex);
}

/* PID says whom he is now, as in an A08; who was merged gets back what was his.
 */
TEST(a_merge_tells_of_who_stays)
{
	if (!archive_begin(&t))
		return;
	put("OLD", "", "DOE^J");
	put("NEW", "", "DOE^JANE");
	order("1", "OLD", "DOE^J");
	order("2", "NEW", "DOE^JANE");
	CHECK(take(ADT("A40", "1") "PID|||NEW||ROE^JANE||19700101|F\r"
				   "MRG|OLD\r"));
	check_patient("NEW", "", "ROE^JANE/2");
	CHECK_EQ(archive_int(&t,
		     "SELECT count(*) FROM patient WHERE PatientSex = 'F' AND"
		     " PatientBirthDate = '19700101'"),
	    1);
	check_item(0, "NEW", "ROE^JANE", "F");
	check_item(1, "NEW", "ROE^JANE", "F");
	check_reindex();
	/* What was told of who stays is true without the merge. */
	CHECK(take(ADT("A37", "2") "PID|||NEW\rPID|||OLD\r"));
	check_item(0, "OLD", "DOE^J", "");
	check_item(1, "NEW", "ROE^JANE", "F");
	check_patient("OLD", "", "DOE^J/1");
	check_patient("NEW", "", "ROE^JANE/1");
	check_reindex();
	/* Nothing is told of one who is merged with himself. */
	CHECK(!take(ADT("A40", "3") "PID|||NEW||NO^NO\rMRG|NEW\r"));
	check_patient("NEW", "", "ROE^JANE/1");
	check_item(1, "NEW", "ROE^JANE", "F");
	/* Two into one, and another pair. */
	CHECK(take(ADT("A40", "4") "PID|||A||ALL^OF\rMRG|OLD\rMRG|NEW\r"
				   "PID|||B||BE^B\rMRG|C\r"));
	check_patient("A", "", "ALL^OF/2");
	check_item(0, "A", "ALL^OF", "");
	check_item(1, "A", "ALL^OF", "F");
	archive_end(&t);
}

/* Both ways, and parted: they are two, whichever merge was the last. */
TEST(parted_after_a_reversal)
{
	struct journal_entry one;
	char *archive, *items;

	if (!archive_begin(&t))
		return;
	put("OLD", "", "DOE^J");
	put("NEW", "", "DOE^JANE");
	order("1", "OLD", "DOE^J");
	archive = archive_dump(&t);
	items = dump_items();
	CHECK(take(ADT("A40", "1") "PID|||NEW\rMRG|OLD\r"));
	CHECK(take(ADT("A40", "2") "PID|||OLD\rMRG|NEW\r"));
	CHECK(take(ADT("A37", "3") "PID|||NEW\rPID|||OLD\r"));
	CHECK(same(archive_dump(&t), archive));
	CHECK(same(dump_items(), items));
	CHECK(take(ADT("A37", "4") "PID|||NEW\rPID|||OLD\r"));
	CHECK(journal_find(t.store, sent.journal_id, &t.arena, &one, &t.e));
	CHECK(strstr(one.reason, "no merge") != NULL);
	archive_end(&t);
}

/* What is told of one who is merged says nothing of whom he is merged into, and
 * holds when he is himself again. */
TEST(news_of_who_is_merged)
{
	if (!archive_begin(&t))
		return;
	put("OLD", "", "DOE^J");
	put("NEW", "", "DOE^JANE");
	order("1", "OLD", "DOE^J");
	order("2", "NEW", "DOE^JANE");
	CHECK(take(ADT("A40", "1") "PID|||NEW||ROE^JANE\rMRG|OLD\r"));
	CHECK(take(ADT("A08", "2") "PID|||OLD||ROE^JIM||19600101|M\r"));
	check_item(0, "NEW", "ROE^JANE", "M");
	check_item(1, "NEW", "ROE^JANE", "");
	check_patient("NEW", "", "ROE^JANE/2");
	CHECK(take(ADT("A37", "3") "PID|||NEW\rPID|||OLD\r"));
	check_item(0, "OLD", "ROE^JIM", "M");
	check_item(1, "NEW", "ROE^JANE", "");
	check_patient("OLD", "", "ROE^JIM/1");
	check_reindex();
	archive_end(&t);
}

/* Items have the values of whom they are led to, wherever that is. */
TEST(values_along_a_chain)
{
	struct merge *list;
	struct item item;
	int64_t ids[3];
	size_t n;

	if (!archive_begin(&t))
		return;
	order("1", "A", "A^A");
	CHECK(take(ADT("A40", "1") "PID|||B||B^B|||F\rMRG|A\r"));
	CHECK(take(ADT("A40", "2") "PID|||C||C^C\rMRG|B\r"));
	check_item(0, "C", "C^C", "F");
	/* The other way round, and that undone. */
	CHECK(take(ADT("A40", "3") "PID|||A\rMRG|C\r"));
	check_item(0, "A", "A^A", "");
	CHECK(take(ADT("A08", "4") "PID|||A||A^NEW\r"));
	CHECK(merge_list(t.store, 0, 10, &t.arena, &list, &n, &t.e));
	if (!CHECK_EQ(n, 3))
		return;
	for (n = 0; n < 3; n++)
		ids[n] = list[n].id;
	CHECK(merge_undo(t.store, ids[0], &t.e));
	check_item(0, "C", "C^C", "F");
	/* The order says something of A, not of B. */
	CHECK(take(HEAD("5") "PID|||A|||||M\rORC|XO|P1\rOBR|1|P1\r"));
	check_item(0, "C", "C^C", "F");
	CHECK(merge_undo(t.store, ids[1], &t.e));
	check_item(0, "B", "B^B", "F");
	CHECK(merge_undo(t.store, ids[2], &t.e));
	check_item(0, "A", "A^NEW", "M");
	/* By hand it is another's for good. */
	CHECK(take(ADT("A40", "6") "PID|||B||B^B\rMRG|A\r"));
	item = *list_all(&n);
	item.value[FIELD_PatientID] = STR("Z");
	CHECK(item_edit(t.store, &rules, &item, &t.e));
	CHECK(take(ADT("A37", "7") "PID|||B\rPID|||A\r"));
	check_item(0, "Z", "B^B", "F");
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM item_told"), 0);
	archive_end(&t);
}

static void
exam(const char *uid, const char *patient, const char *accession)
{
	struct mpps_step step = {.accession = str_from(accession)};
	struct mpps m = {.patient_id = str_from(patient),
	    .data = STR(""),
	    .steps = &step,
	    .step_count = 1};
	struct mpps_outcome outcome;

	(void)str_copy(m.uid, sizeof(m.uid), str_from(uid));
	CHECK(mpps_create(t.store, &m, NULL, &outcome, &t.e));
}

#define EXAMS_OF(id)                                                           \
	archive_int(&t, "SELECT count(*) FROM mpps WHERE PatientID = '" id "'")

/* Exams go along, and find the orders of whom they are now. */
TEST(exams_go_along)
{
	if (!archive_begin(&t))
		return;
	exam("1.1", "OLD", "A1");
	exam("1.2", "OTHER", "A8");
	CHECK(take(ADT("A40", "1") "PID|||NEW^^^H\rMRG|OLD^^^H\r"));
	exam("1.3", "OLD", "A2");
	CHECK_EQ(EXAMS_OF("NEW"), 2);
	CHECK_EQ(EXAMS_OF("OTHER"), 1);
	order("1", "NEW", "DOE^J");
	order("2", "NEW", "DOE^J");
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM mpps_item"), 2);
	CHECK(take(ADT("A40", "2") "PID|||LAST\rMRG|NEW\r"));
	CHECK_EQ(EXAMS_OF("LAST"), 2);
	CHECK(take(ADT("A37", "3") "PID|||LAST\rPID|||NEW\r"));
	CHECK_EQ(EXAMS_OF("NEW"), 2);
	CHECK(take(ADT("A37", "4") "PID|||OLD^^^H\rPID|||NEW^^^H\r"));
	CHECK_EQ(EXAMS_OF("OLD"), 2);
	CHECK_EQ(
	    archive_int(&t, "SELECT count(*) FROM mpps WHERE said_id <> ''"),
	    0);
	/* An order that was here first is found when they are one. */
	exam("1.4", "OLD", "A3");
	order("3", "NEW", "DOE^J");
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM mpps_item"), 2);
	CHECK(take(ADT("A40", "5") "PID|||NEW^^^H\rMRG|OLD^^^H\r"));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM mpps_item"), 3);
	archive_end(&t);
}

TEST(what_comes_late_goes_along)
{
	size_t n;
	struct item *items;

	if (!archive_begin(&t))
		return;
	put("NEW", "", "DOE^JANE");
	order("1", "OLD", "DOE^J");
	CHECK(take(ADT("A40", "1") "PID|||NEW\rMRG|OLD\r"));
	/* A study of the old ID, another image of it, a study begun before. */
	put_in("1.2.1", "OLD", "", "DOE^J");
	put_in("1.2.1", "OLD", "", "DOE^J");
	check_patient("NEW", "", "DOE^JANE/2");
	check_patient("OLD", "", "");
	/* Orders of the old ID: the one that is there, and a new one. */
	order("1", "OLD", "DOE^J");
	order("2", "OLD", "DOE^J");
	items = list_all(&n);
	CHECK_EQ(n, 2);
	CHECK_STR(items[0].value[FIELD_PatientID], "NEW");
	CHECK_STR(items[1].value[FIELD_PatientID], "NEW");
	check_reindex();
	/* Another process writes, or we start anew. */
	CHECK(archive_reopen(&t));
	put("OLD", "", "DOE^J");
	check_patient("NEW", "", "DOE^JANE/3");
	/* What came late goes back under the ID it has. */
	CHECK(take(ADT("A37", "2") "PID|||OLD\rPID|||NEW\r"));
	check_patient("NEW", "", "DOE^JANE/1");
	check_patient("OLD", "", "DOE^J/2");
	items = list_all(&n);
	CHECK_STR(items[0].value[FIELD_PatientID], "OLD");
	CHECK_STR(items[1].value[FIELD_PatientID], "OLD");
	put("OLD", "", "DOE^J");
	check_patient("OLD", "", "DOE^J/3");
	check_reindex();
	archive_end(&t);
}

/* A new order, and a change, under the old ID do not put the old name beside
 * the new ID. */
TEST(late_orders_have_the_name_of_who_stays)
{
	if (!archive_begin(&t))
		return;
	order("1", "OLD", "OLD^A");
	CHECK(take(ADT("A08", "1") "PID|||MID||MID^A|||F\r"));
	CHECK(take(ADT("A40", "2") "PID|||MID\rMRG|OLD\r"));
	CHECK(take(ADT("A40", "3") "PID|||NEW||NEW^A\rMRG|MID\r"));
	order("2", "OLD", "OLD^B");
	check_item(1, "NEW", "NEW^A", "F");
	CHECK(take(HEAD("X1") "PID|||OLD||OLD^C||19500101\rORC|XO|P1\r"
			      "OBR|1|P1\r"));
	check_item(0, "NEW", "NEW^A", "");
	CHECK(take(ADT("A37", "4") "PID|||NEW\rPID|||MID\r"));
	check_item(1, "MID", "MID^A", "F");
	CHECK(take(ADT("A37", "5") "PID|||MID\rPID|||OLD\r"));
	check_item(0, "OLD", "OLD^C", "");
	check_item(1, "OLD", "OLD^B", "");
	archive_end(&t);
}

TEST(chains_and_reversals)
{
	struct merge *list;
	char *first;
	int64_t id;
	size_t n;

	if (!archive_begin(&t))
		return;
	put("A", "", "A^A");
	put("B", "", "B^B");
	put("C", "", "C^C");
	order("1", "A", "A^A");
	first = archive_dump(&t);
	CHECK(take(ADT("A40", "1") "PID|||B\rMRG|A\r"));
	CHECK(take(ADT("A36", "2") "PID|||C\rMRG|B\r"));
	check_patient("C", "", "C^C/3");
	CHECK_STR(str_from(patient_of(0)), "C");
	/* The other way round: A stays, and so do those that led to it. */
	CHECK(take(ADT("A40", "3") "PID|||A\rMRG|C\r"));
	check_patient("A", "", "A^A/3");
	CHECK_STR(str_from(patient_of(0)), "A");
	check_reindex();
	CHECK(merge_list(t.store, 0, 10, &t.arena, &list, &n, &t.e));
	if (!CHECK_EQ(n, 3))
		return;
	CHECK_STR(list[0].prior_id, "C");
	CHECK_STR(list[0].patient_id, "A");
	CHECK(list[0].journal_id > 0 && !list[0].ended && list[2].ended);
	CHECK(merge_undo(t.store, list[0].id, &t.e));
	check_patient("C", "", "C^C/3");
	check_reindex();
	CHECK(!merge_undo(t.store, list[0].id, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	/* The first one before the second. */
	CHECK(merge_undo(t.store, list[2].id, &t.e));
	check_patient("A", "", "A^A/1");
	check_patient("C", "", "C^C/2");
	CHECK_STR(str_from(patient_of(0)), "A");
	CHECK(merge_undo(t.store, list[1].id, &t.e));
	CHECK(same(archive_dump(&t), first));
	/* By hand. */
	CHECK(!merge_new(
	    t.store, STR("A"), STR(""), STR("A"), STR("X"), &id, &t.e));
	CHECK_EQ(t.e.code, ERR_USAGE);
	CHECK(merge_new(
	    t.store, STR("A"), STR(""), STR("B"), STR(""), &id, &t.e));
	CHECK(id > 0);
	check_patient("B", "", "B^B/2");
	archive_end(&t);
}

/* Merges within two issuers may lead those without one round in a circle: they
 * are themselves then, with what was told of them alone. */
TEST(circles)
{
	struct merge *last;
	size_t n;

	if (!archive_begin(&t))
		return;
	put("A", "", "A^A");
	order("1", "D", "D^D");
	CHECK(take(ADT("A40", "1") "PID|||B\rMRG|A\r"));
	CHECK(take(ADT("A40", "2") "PID|||A\rMRG|C\r"));
	CHECK(take(ADT("A40", "3") "PID|||B||B^B|||F\rMRG|D\r"));
	check_patient("B", "", "B^B/1");
	check_item(0, "B", "B^B", "F");
	CHECK(take(ADT("A40", "4") "PID|||C^^^Y\rMRG|B^^^Y\r"));
	check_patient("A", "", "A^A/1");
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM patient"), 1);
	check_item(0, "D", "D^D", "");
	check_reindex();
	CHECK(merge_list(t.store, 0, 1, &t.arena, &last, &n, &t.e));
	CHECK(n == 1 && merge_undo(t.store, last->id, &t.e));
	check_patient("B", "", "B^B/1");
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM patient"), 1);
	check_item(0, "B", "B^B", "F");
	archive_end(&t);
}

/* One of several merges in a message cannot be: none is made. */
TEST(whole_or_not_at_all)
{
	char *before;

	if (!archive_begin(&t))
		return;
	put("A", "", "A^A");
	put("B", "", "B^B");
	before = archive_dump(&t);
	CHECK(!take(ADT("A40", "1") "PID|||B\rMRG|A\rPID|||B\rMRG|B\r"));
	CHECK_EQ(sent.refused.code, 205);
	CHECK(same(archive_dump(&t), before));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM patient_alias"), 0);
	/* Counts kept in memory have not been undone with it. */
	put("A", "", "A^A");
	CHECK_EQ(archive_int(&t,
		     "SELECT sum(NumberOfStudyRelatedInstances) FROM study"),
	    3);
	archive_end(&t);
}

static bool
delete_one(struct upsert *u, void *ctx, struct err *e)
{
	return upsert_delete(u, *(int64_t *)ctx, e);
}

static void
delete_study(const char *uid)
{
	char sql[256];
	int64_t id;

	snprintf(sql, sizeof(sql),
	    "SELECT i.id FROM instance i JOIN series e ON e.id = i.series"
	    " JOIN study s ON s.id = e.study WHERE s.StudyInstanceUID = '%s'",
	    uid);
	id = archive_int(&t, sql);
	CHECK(commit_run(t.store->commit, true, delete_one, &id, &t.e) ==
	      COMMIT_DONE);
}

/* A study, and then the patient, goes; what was made of them goes too. */
TEST(deletions_after_a_merge)
{
	if (!archive_begin(&t))
		return;
	put_in("1.2.1", "OLD", "", "DOE^J");
	put_in("1.2.2", "NEW", "", "");
	CHECK(take(ADT("A40", "1") "PID|||NEW\rMRG|OLD\r"));
	check_patient("NEW", "", "DOE^J/2");
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM patient_said"), 2);
	delete_study("1.2.2");
	check_patient("NEW", "", "DOE^J/1");
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM patient_said"), 1);
	delete_study("1.2.1");
	check_patient("NEW", "", "");
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM patient"), 0);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM patient_said"), 0);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM name_key"), 0);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM word"), 0);
	archive_end(&t);
}

static uint64_t state;

static unsigned
pick(unsigned n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(state >> 33) % n;
}

static const char *const ids[] = {"A", "B", "C", "D"};
static const char *const issuers[] = {"", "", "X", "Y"};

static void
random_correction(int number)
{
	static const char *const names[] = {"ONE^X", "TWO^X", "\"\"", ""};
	static const char *const sexes[] = {"F", "M", "\"\"", ""};
	char text[512];

	snprintf(text, sizeof(text),
	    ADT("A08", "%d") "PID|||%s^^^%s||%s|||%s\r", number, ids[pick(4)],
	    issuers[pick(4)], names[pick(4)], sexes[pick(4)]);
	CHECK(take(text));
}

/* Whether there is one merge more. */
static bool
random_merge(int number)
{
	static const char count[] = "SELECT max(id) FROM patient_alias";
	int64_t before = archive_int(&t, count);
	char text[512];

	snprintf(text, sizeof(text),
	    ADT("A40", "%d") "PID|||%s^^^%s\rMRG|%s^^^%s\r", number,
	    ids[pick(4)], issuers[pick(4)], ids[pick(4)], issuers[pick(4)]);
	(void)take(text);
	return archive_int(&t, count) != before;
}

/* One that is there comes again, of another patient or called otherwise. */
static void
random_replacement(void)
{
	static const char *const names[] = {"", "P^Q", "V^W"};
	int last = object_number;

	if (last == 0)
		return;
	object_number = (int)pick((unsigned)last);
	put(ids[pick(4)], issuers[pick(4)], names[pick(3)]);
	object_number = last;
}

static void
random_things(void)
{
	static const char *const names[] = {"", "P^Q", "R^S", "T^U"};
	char number[16];
	int i;

	for (i = 0; i < 40; i++) {
		if (i % 3 == 0)
			random_replacement();
		switch (pick(4)) {
		case 0:
			random_correction(i);
			break;
		case 1:
			(void)random_merge(i);
			break;
		default:
			put(ids[pick(4)], issuers[pick(4)], names[pick(4)]);
		}
		if (pick(4) != 0)
			continue;
		snprintf(number, sizeof(number), "%d", i);
		order(number, ids[pick(4)], "Z^Z");
	}
}

#define MERGES 10

static void
undo_one(char *archive, char *worklist)
{
	struct merge *list;
	size_t n;

	CHECK(merge_list(t.store, 0, 1, &t.arena, &list, &n, &t.e));
	CHECK(n == 1 && merge_undo(t.store, list[0].id, &t.e));
	CHECK(same(archive_dump(&t), archive));
	CHECK(same(dump_items(), worklist));
}

static void
merge_and_undo(void)
{
	char *archives[MERGES], *worklists[MERGES];
	int i, n = 0;

	for (i = 0; i < MERGES; i++) {
		archives[n] = archive_dump(&t);
		worklists[n] = dump_items();
		if (random_merge(1000 + i)) {
			n++;
			continue;
		}
		free(archives[n]);
		free(worklists[n]);
	}
	check_reindex();
	while (n-- > 0)
		undo_one(archives[n], worklists[n]);
}

/* Whatever comes in whatever order: the rows follow from the files and from
 * what was told, and undoing backwards gives each state again. */
TEST(any_order)
{
	int round;

	for (round = 0; round < 6; round++) {
		state = (uint64_t)round * 7919 + 1;
		object_number = 0;
		if (!archive_begin(&t))
			return;
		/* Studies of several patients are part of it. */
		log_level_set(LOG_ERROR + 1);
		store_set_duplicate(t.store, DUPLICATE_REPLACE);
		random_things();
		check_reindex();
		merge_and_undo();
		check_reindex();
		archive_end(&t);
	}
}

TEST_MAIN
