/*
 * Reports: kept with their study, replaced, refused in words.
 */
#include "worklist.h"

#include "store/worklist/merge.h"
#include "store/worklist/report.h"

#define ORU(id)                                                                \
	"MSH|^~\\&|RIS|FAC|||20260101||ORU^R01|" id "|P|2.5\r"                 \
	"PID|||ID1||DOE^JANE\r"
/* "%PDF-1.4\n%%EOF\n" */
#define PDF    "JVBERi0xLjQKJSVFT0YK"
#define STUDY  "OBX|1|RP|113014^DICOM Study^DCM||1.2.1\r"
#define STUDY2 "OBX|1|RP|113014^DICOM Study^DCM||1.2.2\r"

static struct report *
list(const char *study, size_t *n)
{
	struct report *r;

	CHECK(report_list(t.store, str_from(study), 10, &t.arena, &r, n, &t.e));
	return r;
}

static void
put(const char *study, const char *patient, const char *accession)
{
	static int number;
	struct object_result out;
	char uid[32];
	struct sample s = {.instance = uid,
	    .sop_class = UID_CTImageStorage,
	    .study = study,
	    .series = "1.3",
	    .patient = patient,
	    .accession = accession};

	snprintf(uid, sizeof(uid), "1.9.%d", ++number);
	CHECK(archive_put(&t, &s, &out));
}

/* A message about two exams, with two documents of one of them. */
TEST(several_in_one_message)
{
	struct report *r, one;
	size_t n;

	if (!archive_begin(&t))
		return;
	put("1.2.1", "ID1", "A1");
	put("1.2.2", "ID1", "A2");
	CHECK(take(ORU("1") "OBR|1|P1|F1|X^Chest||||||||||||||A1|||||||P\r"
			    "OBX|1|TX|||Chest.\r"
			    "OBX|2|ED|PDF||^application^pdf^Base64^" PDF "\r"
			    "OBX|3|ED|PDF||^application^pdf^Hex^"
			    "255044462D312E340A25\\.br\\25454F460A\r"
			    "OBR|2|P2|F2|Y^Foot||||||||||||||A2|||||||P\r"
			    "OBX|1|TX|||Foot.\r"));
	r = list("1.2.1", &n);
	if (!CHECK_EQ(n, 2))
		return;
	CHECK_EQ(r[0].text_size, 0);
	CHECK(report_find(t.store, r[0].id, &t.arena, &one, &t.e));
	CHECK_STR(one.pdf, "%PDF-1.4\n%%EOF\n");
	CHECK(report_find(t.store, r[1].id, &t.arena, &one, &t.e));
	CHECK_STR(one.text, "Chest.");
	CHECK_STR(one.pdf, "%PDF-1.4\n%%EOF\n");
	r = list("1.2.2", &n);
	if (!CHECK_EQ(n, 1))
		return;
	CHECK(report_find(t.store, r[0].id, &t.arena, &one, &t.e));
	CHECK_STR(one.text, "Foot.");
	/* A new one of the first replaces both of its rows, not the other. */
	CHECK(take(ORU("2") "OBR|1|P1|F1|X^Chest||||||||||||||A1|||||||F\r"
			    "OBX|1|TX|||Chest, final.\r"));
	(void)list("1.2.1", &n);
	CHECK_EQ(n, 1);
	(void)list("1.2.2", &n);
	CHECK_EQ(n, 1);
	archive_end(&t);
}

TEST(kept_and_replaced)
{
	struct report *r, one;
	int64_t first;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(
	    ORU("1") "OBR|1|P1|F1|71020^Chest|||||||||||||||||||||P\r" STUDY
		     "OBX|2|TX|GDT^Findings||No\\F\\thing.~Second line\r"
		     "OBX|3|ED|PDF||^application^pdf^Base64^" PDF "\r"));
	r = list("1.2.1", &n);
	if (!CHECK_EQ(n, 1))
		return;
	first = r[0].id;
	CHECK_STR(r[0].title, "Chest");
	CHECK_STR(r[0].status, "P");
	CHECK_STR(r[0].patient_id, "ID1");
	CHECK_EQ(r[0].pdf_size, 15);
	CHECK_EQ(r[0].journal_id, sent.journal_id);
	CHECK_EQ(r[0].text.n, 0);
	CHECK(report_find(t.store, first, &t.arena, &one, &t.e));
	CHECK_STR(one.pdf, "%PDF-1.4\n%%EOF\n");
	CHECK_STR(one.text, "No|thing.\nSecond line");
	CHECK_EQ(one.text_size, one.text.n);
	/* The same order: final now, and it need not name the study again. */
	CHECK(take(ORU("2") "OBR|1|P1|F1|71020^Chest||||||||||||||A1"
			    "|||||||F\rOBX|2|TX|GDT||Final.\r"));
	r = list("1.2.1", &n);
	if (!CHECK_EQ(n, 1))
		return;
	CHECK_STR(r[0].status, "F");
	CHECK_EQ(r[0].pdf_size, 0);
	CHECK(!report_find(t.store, first, &t.arena, &one, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	/* Another order is another report; the newest comes first. */
	CHECK(take(
	    ORU("3") "OBR|1||F2|71020^Other\r" STUDY "OBX|2|TX|GDT||More.\r"));
	r = list("1.2.1", &n);
	CHECK(n == 2 && str_eq(r[0].title, STR("Other")));
	/* The same message again is not a second one. */
	CHECK(!take(
	    ORU("3") "OBR|1||F2|71020^Other\r" STUDY "OBX|2|TX|GDT||More.\r"));
	(void)list("1.2.1", &n);
	CHECK_EQ(n, 2);
	(void)list("1.2.2", &n);
	CHECK_EQ(n, 0);
	/* A rebuild of the index keeps them. */
	{
		struct rebuild_result out;

		CHECK(store_reindex(t.store, NULL, NULL, &out, &t.e));
	}
	(void)list("1.2.1", &n);
	CHECK_EQ(n, 2);
	archive_end(&t);
}

/* The number that the worklist knows: not the first place, but the order's. */
TEST(by_the_number_of_the_order)
{
	struct report *r;
	struct item item;
	size_t n;

	if (!archive_begin(&t))
		return;
	put("1.2.1", "ID1", "P1");
	CHECK(take("MSH|^~\\&|RIS|FAC|||20260101||ORM^O01|1|P|2.5\r"
		   "PID|||ID1||DOE^JANE\rORC|NW|P1\rOBR|1|P1||C^D\r"));
	CHECK(take(ORU("2") "OBR|1|P1|F1|C^D||||||||||||||CT|||||||F\r"
			    "OBX|1|TX|||Text\r"));
	r = list("1.2.1", &n);
	if (CHECK_EQ(n, 1))
		CHECK_STR(r[0].accession, "P1");
	CHECK(item_find(t.store, 1, &t.arena, &item, &t.e));
	CHECK_EQ(item.status, STATUS_COMPLETED);
	/* The order's accession number is none of the report's numbers. */
	CHECK(take("MSH|^~\\&|RIS|FAC|||20260101||ORM^O01|3|P|2.5\r"
		   "PID|||ID1||DOE^JANE\rORC|NW|P2|F2\r"
		   "OBR|1|P2|F2|C^D||||||||||||||A2|R2\r"));
	CHECK(take(ORU("4") "OBR|1||F2|C^D|||||||||||||||||||||F\r"
			    "OBX|1|TX|||Text\r"));
	put("1.2.2", "ID1", "A2");
	(void)list("1.2.2", &n);
	CHECK_EQ(n, 1);
	CHECK(item_find(t.store, 2, &t.arena, &item, &t.e));
	CHECK_EQ(item.status, STATUS_COMPLETED);
	archive_end(&t);
}

/* A report of another patient by mistake is not shown any longer. */
TEST(taken_back)
{
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(ORU("1") "OBR|1||F1|X^Y|||||||||||||||||||||F\r" STUDY
			    "OBX|2|TX|||Text\r"));
	CHECK(take(ORU("2") "OBR|1||F2|X^Y|||||||||||||||||||||F\r" STUDY
			    "OBX|2|TX|||Other\r"));
	CHECK(take(ORU("3") "OBR|1||F1|X^Y|||||||||||||||||||||C\r" STUDY
			    "OBX|2|TX|||Text||||||W\r"));
	(void)list("1.2.1", &n);
	CHECK_EQ(n, 1);
	/* Cancelled, without any words. */
	CHECK(take(ORU("4") "OBR|1||F2|X^Y|||||||||||||||||||||X\r" STUDY));
	(void)list("1.2.1", &n);
	CHECK_EQ(n, 0);
	/* What says nothing is no report all the same. */
	CHECK(!take(ORU("5") "OBR|1||F2|X^Y|||||||||||||||||||||F\r" STUDY));
	archive_end(&t);
}

TEST(by_accession_number)
{
	int64_t id;
	size_t n;

	if (!archive_begin(&t))
		return;
	put("1.2.1", "ID1", "A1");
	put("1.2.2", "ID1", "A2");
	put("1.2.3", "OTHER", "A1");
	CHECK(take(ORU("1") "OBR|1||F1|X^Y||||||||||||||A1\r"
			    "OBX|2|TX|GDT||Text\r"));
	(void)list("1.2.1", &n);
	CHECK_EQ(n, 1);
	(void)list("1.2.2", &n);
	CHECK_EQ(n, 0);
	(void)list("1.2.3", &n);
	CHECK_EQ(n, 0);
	/* It names a study that the archive has: not that of its number. */
	CHECK(take(ORU("2") "OBR|1||F2|X^Y||||||||||||||A1\r" STUDY2
			    "OBX|2|TX|GDT||Text\r"));
	(void)list("1.2.1", &n);
	CHECK_EQ(n, 1);
	(void)list("1.2.2", &n);
	CHECK_EQ(n, 1);
	/* The patient has been merged: it goes along. */
	CHECK(merge_new(
	    t.store, STR("ID1"), STR(""), STR("NEW"), STR(""), &id, &t.e));
	(void)list("1.2.1", &n);
	CHECK_EQ(n, 1);
	archive_end(&t);
}

TEST(refused_in_words)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
	    {ORU("1") "OBR|1||F1|X\r" STUDY, "neither text nor a PDF"},
	    {ORU("2") "OBR|1||F1|X\r" STUDY
		      "OBX|3|ED|PDF||^application^pdf^Base64^a*b\r",
		"no Base64"},
	    {ORU("3") "OBR|1||F1|X\r" STUDY
		      "OBX|3|ED|PDF||^application^pdf^Base64^Zm9vYmFy\r",
		"is none"},
	};
	size_t i, n;

	if (!archive_begin(&t))
		return;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK(!take(cases[i].text));
		CHECK_EQ(sent.outcome, ITEM_REFUSED);
		if (!CHECK(strstr(sent.refused.text, cases[i].words) != NULL))
			printf("%s\n", sent.refused.text);
		CHECK_STR(str_from(sent.refused.segment), "OBX");
	}
	(void)list("1.2.1", &n);
	CHECK_EQ(n, 0);
	/* Engines break lines in their way. */
	CHECK(take(ORU("4") "OBR|1||F1|X\r" STUDY
			    "OBX|3|ED|PDF||^AP^PDF^Base64^JVBERi0x\\X0D0A\\"
			    "LjQKJSVF\\.br\\T0YK\r"));
	CHECK_EQ(list("1.2.1", &n)->pdf_size, 15);
	archive_end(&t);
}

/* A final report ends the item; a preliminary one does not. */
TEST(items_end)
{
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(take(HEAD("1") PATIENT
	    "ORC|NW|P1\rOBR|1|P1||X||||||||||||||A1|R1|S1\rZDS|1.2.1\r"));
	CHECK(take(HEAD("2") "PID|||ID2||ROE^R\r"
			     "ORC|NW|P2\rOBR|1|P2||X||||||||||||||A1|R1|S1\r"
			     "ZDS|1.2.3\r"));
	CHECK(take(ORU("3") "OBR|1||F1|X||||||||||||||A1|||||||P\r"
			    "OBX|2|TX|GDT||Text\r"));
	CHECK_EQ(list_all(&n)[0].status, STATUS_SCHEDULED);
	CHECK(take(ORU("4") "OBR|1||F1|X||||||||||||||A1|||||||F\r"
			    "OBX|2|TX|GDT||Text\r"));
	CHECK_EQ(list_all(&n)[0].status, STATUS_COMPLETED);
	CHECK_EQ(list_all(&n)[1].status, STATUS_SCHEDULED);
	archive_end(&t);
}

TEST_MAIN
