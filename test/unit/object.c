/*
 * Objects: what is stored comes back bit for bit; identity, duplicates,
 * refusals; nothing is left over.
 */
#include "archive.h"

#include "base/thread.h"
#include "dicom/deflate.h"
#include "dicom/value.h"
#include "store/seal.h"

static const struct sample plain = {
    .instance = "1.2.3.1",
    .sop_class = UID_CTImageStorage,
    .study = "1.2.3",
    .series = "1.2.3.0",
    .patient = "P1",
    .name = "Doe^Jane",
    .birth = "19700102",
    .modality = "CT",
    .date = "20260102",
    .time = "1030",
    .number = "007",
    .pixels = 500,
};

TEST(stored_and_read_again)
{
	static const size_t sizes[] = {
	    0, 2, 500, 64 * KIB - 1000, 64 * KIB, 300 * KIB, 5 * MIB};
	struct object_result out;
	struct sample s = plain;
	struct archive t;
	char uid[32];
	size_t i;

	if (!archive_begin(&t))
		return;
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		snprintf(uid, sizeof(uid), "1.2.3.%zu", i);
		s.instance = uid;
		s.pixels = sizes[i];
		s.fill = (uint8_t)i;
		CHECK(archive_put(&t, &s, &out));
		CHECK_EQ(out.outcome, OBJECT_STORED);
		CHECK(!out.class_mismatch && !out.instance_mismatch);
		CHECK_STR(str_from(out.sop_instance), uid);
		CHECK_STR(str_from(out.study), "1.2.3");
		CHECK(archive_has(&t, &s));
	}
	CHECK_EQ(archive_files(&t), ARRAY_LEN(sizes));
	CHECK_EQ(archive_leftovers(&t), 0);
	CHECK(archive_reopen(&t));
	CHECK(archive_has(&t, &s));
	archive_end(&t);
}

TEST(header_of_the_file)
{
	struct object_result out;
	struct object_file f;
	struct index_row row;
	struct archive t;
	uint8_t head[132], zero[128] = {0};

	if (!archive_begin(&t))
		return;
	CHECK(archive_put(&t, &plain, &out));
	CHECK(index_instance(t.store, STR("1.2.3.1"), &t.arena, &row, &t.e));
	CHECK(object_open(t.store, (const char *)row.path.p, &f, &t.e));
	CHECK_EQ(f.data_at, SEAL_DATA_AT);
	CHECK_EQ(f.data_size, out.size);
	CHECK_EQ(row.size, out.size);
	CHECK_STR(str_from(f.source_ae), "TESTER");
	CHECK_STR(str_from(f.sop_class), UID_CTImageStorage);
	CHECK_STR(str_from(f.sop_instance), "1.2.3.1");
	CHECK_STR(str_from(f.syntax), UID_ExplicitVRLittleEndian);
	CHECK(f.arrived_ms > clock_utc_ms() - 60000);
	CHECK(os_pread_full(f.fd, head, sizeof(head), 0) == sizeof(head));
	CHECK(!memcmp(head, zero, 128) && !memcmp(head + 128, "DICM", 4));
	object_close(&f);
	CHECK(!object_open(t.store, "../../etc/passwd", &f, &t.e));
	CHECK_EQ(t.e.code, ERR_CORRUPT);
	archive_end(&t);
}

TEST(in_parts_of_any_size)
{
	struct object_header header = sample_header(&plain);
	struct object_result out;
	struct archive t;
	struct buf b;

	if (!archive_begin(&t))
		return;
	buf_init(&b, MIB);
	sample_build(&b, &plain);
	CHECK(archive_put_bytes(&t, &header, buf_str(&b), 1, &out));
	CHECK_EQ(out.outcome, OBJECT_STORED);
	CHECK(archive_put_bytes(&t, &header, buf_str(&b), 7, &out));
	CHECK_EQ(out.outcome, OBJECT_SAME);
	CHECK(archive_has(&t, &plain));
	CHECK_EQ(archive_files(&t), 1);
	buf_fini(&b);
	archive_end(&t);
}

TEST(cut_anywhere_is_refused)
{
	struct object_header header = sample_header(&plain);
	struct object_result out;
	struct archive t;
	size_t n, accepted = 0;
	struct buf b;

	if (!archive_begin(&t))
		return;
	buf_init(&b, MIB);
	sample_build(&b, &plain);
	for (n = 0; n < b.n; n += 3)
		if (archive_put_bytes(&t, &header, str_of(b.p, n), 64, &out))
			accepted++;
		else
			CHECK_EQ(t.e.code, ERR_MALFORMED);
	/* Between two elements a cut cannot be seen. */
	CHECK(accepted < 20);
	CHECK_EQ(archive_leftovers(&t), 0);
	buf_fini(&b);
	archive_end(&t);
}

TEST(aborted_leaves_nothing)
{
	struct object_header header = sample_header(&plain);
	struct intake *in;
	struct object *o;
	struct archive t;
	struct buf b;

	if (!archive_begin(&t))
		return;
	in = intake_new(t.store, "TESTER");
	buf_init(&b, 8 * MIB);
	buf_fill(&b, 0, 2 * MIB);
	CHECK(object_begin(in, &header, &o, &t.e));
	object_abort(&o);
	CHECK(o == NULL);
	buf_clear(&b);
	sample_add(&b, TAG_SOPInstanceUID, VR_UI, "1.2.3.1");
	build_header(&b, TAG_PixelData, VR_OW, 3 * MIB,
	    syntax_of(STR(UID_ExplicitVRLittleEndian)));
	buf_fill(&b, 0, 2 * MIB);
	CHECK(object_begin(in, &header, &o, &t.e));
	CHECK(object_write(o, buf_str(&b), &t.e));
	CHECK_EQ(archive_leftovers(&t), 1);
	object_abort(&o);
	CHECK_EQ(archive_leftovers(&t), 0);
	CHECK_EQ(archive_files(&t), 0);
	buf_fini(&b);
	intake_free(&in);
	archive_end(&t);
}

TEST(the_same_again)
{
	struct object_result out;
	struct archive t;

	if (!archive_begin(&t))
		return;
	CHECK(archive_put(&t, &plain, &out));
	CHECK(archive_put(&t, &plain, &out));
	CHECK_EQ(out.outcome, OBJECT_SAME);
	CHECK_EQ(archive_files(&t), 1);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM instance"), 1);
	archive_end(&t);
}

TEST(differing_is_set_aside)
{
	struct sample other = plain;
	struct store_counts counts;
	struct object_result out;
	struct archive t;

	if (!archive_begin(&t))
		return;
	other.fill = 1;
	CHECK(archive_put(&t, &plain, &out));
	CHECK(archive_put(&t, &other, &out));
	CHECK_EQ(out.outcome, OBJECT_QUARANTINED);
	CHECK(archive_has(&t, &plain));
	CHECK_EQ(archive_quarantined(&t), 1);
	/* The same bytes are kept aside once. */
	CHECK(archive_put(&t, &other, &out));
	CHECK_EQ(out.outcome, OBJECT_QUARANTINED);
	CHECK_EQ(archive_quarantined(&t), 1);
	CHECK(store_count(t.store, &counts, &t.e));
	CHECK_EQ(counts.quarantined, 1);
	CHECK_EQ(counts.instances, 1);
	CHECK_EQ(archive_files(&t), 1);
	CHECK_EQ(archive_leftovers(&t), 0);
	archive_end(&t);
}

TEST(differing_is_refused)
{
	struct sample other = plain;
	struct object_result out;
	struct archive t;

	if (!archive_begin(&t))
		return;
	other.fill = 1;
	store_set_duplicate(t.store, DUPLICATE_REFUSE);
	CHECK(archive_put(&t, &plain, &out));
	CHECK(!archive_put(&t, &other, &out));
	CHECK_EQ(t.e.code, ERR_CONFLICT);
	CHECK(archive_has(&t, &plain));
	CHECK_EQ(archive_files(&t), 1);
	CHECK_EQ(archive_leftovers(&t), 0);
	archive_end(&t);
}

TEST(differing_replaces)
{
	struct sample other = plain, third = plain;
	struct object_result out;
	struct archive t;

	if (!archive_begin(&t))
		return;
	third.instance = "1.2.3.3";
	other.fill = 1;
	other.pixels = 100 * KIB;
	other.series = "1.2.3.9";
	other.modality = "MR";
	other.sop_class = UID_MRImageStorage;
	store_set_duplicate(t.store, DUPLICATE_REPLACE);
	CHECK(archive_put(&t, &plain, &out));
	CHECK(archive_put(&t, &third, &out));
	CHECK(archive_put(&t, &other, &out));
	CHECK_EQ(out.outcome, OBJECT_REPLACED);
	CHECK(archive_has(&t, &other));
	CHECK(archive_has(&t, &third));
	CHECK_EQ(archive_files(&t), 2);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM series"), 2);
	CHECK_EQ(archive_int(&t,
		     "SELECT count(*) FROM study WHERE ModalitiesInStudy ="
		     " 'CT\\MR' AND NumberOfStudyRelatedSeries = 2 AND"
		     " NumberOfStudyRelatedInstances = 2"),
	    1);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM tombstone"), 1);
	CHECK(archive_reopen(&t));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM tombstone"), 0);
	CHECK(archive_has(&t, &other));
	archive_end(&t);
}

TEST(a_lost_file_is_stored_anew)
{
	struct object_result out;
	struct index_row row;
	struct archive t;

	if (!archive_begin(&t))
		return;
	CHECK(archive_put(&t, &plain, &out));
	CHECK(index_instance(t.store, STR("1.2.3.1"), &t.arena, &row, &t.e));
	CHECK(unlinkat(t.store->objects_fd, (const char *)row.path.p, 0) == 0);
	log_level_set(LOG_ERROR + 1);
	CHECK(archive_put(&t, &plain, &out));
	log_level_set(LOG_ERROR);
	CHECK_EQ(out.outcome, OBJECT_STORED);
	CHECK(archive_has(&t, &plain));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM instance"), 1);
	archive_end(&t);
}

TEST(header_and_data_set_disagree)
{
	struct object_header header = {
	    .sop_class = STR(UID_MRImageStorage),
	    .sop_instance = STR("9.9.9"),
	    .syntax = STR(UID_ExplicitVRLittleEndian),
	};
	struct object_result out;
	struct archive t;
	struct buf b;

	if (!archive_begin(&t))
		return;
	buf_init(&b, MIB);
	sample_build(&b, &plain);
	CHECK(archive_put_bytes(&t, &header, buf_str(&b), 100, &out));
	CHECK(out.class_mismatch && out.instance_mismatch);
	CHECK_STR(str_from(out.sop_instance), "1.2.3.1");
	CHECK(archive_has(&t, &plain));
	buf_fini(&b);
	archive_end(&t);
}

static void
check_identity(struct archive *t, const char *in_header, const char *in_data,
    const char *want)
{
	struct sample s = plain;
	struct object_header header;
	struct object_result out;
	struct index_row row;
	struct buf b;

	s.instance = in_data;
	s.fill++;
	header = sample_header(&s);
	header.sop_instance = str_from(in_header);
	buf_init(&b, MIB);
	sample_build(&b, &s);
	if (!CHECK(archive_put_bytes(t, &header, buf_str(&b), 999, &out)))
		printf("%s\n", t->e.text);
	if (want != NULL)
		CHECK_STR(str_from(out.sop_instance), want);
	else
		CHECK(uid_valid(str_from(out.sop_instance)));
	CHECK(index_instance(
	    t->store, str_from(out.sop_instance), &t->arena, &row, &t->e));
	CHECK(folder_path_valid((const char *)row.path.p));
	buf_fini(&b);
}

TEST(identity)
{
	static const char longer[] = "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16."
				     "17.18.19.20.21.22.23.24.25.26.27";
	struct archive t;

	if (!archive_begin(&t))
		return;
	check_identity(&t, "1.1", "1.2", "1.2");
	check_identity(&t, "1.3", NULL, "1.3");
	check_identity(&t, "1.4", "", "1.4");
	check_identity(&t, "", NULL, NULL);
	check_identity(&t, "../../../etc/passwd", NULL, "../../../etc/passwd");
	check_identity(&t, "", "/etc/cron.d/x", "/etc/cron.d/x");
	check_identity(&t, "", "abc def", "abc def");
	check_identity(&t, "", longer, NULL);
	check_identity(&t, "", "1.2\\1.3", NULL);
	check_identity(&t, "", "1.\xff", NULL);
	check_identity(&t, longer, NULL, NULL);
	archive_end(&t);
}

TEST(people_without_an_id)
{
	struct sample s = plain;
	struct object_result out;
	struct archive t;

	if (!archive_begin(&t))
		return;
	s.patient = NULL;
	s.instance = "1.1";
	s.study = "2.1";
	CHECK(archive_put(&t, &s, &out));
	s.instance = "1.2";
	s.study = "2.2";
	s.name = "DOE^JANE";
	CHECK(archive_put(&t, &s, &out));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM patient"), 1);
	s.instance = "1.3";
	s.study = "2.3";
	s.birth = "19800102";
	CHECK(archive_put(&t, &s, &out));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM patient"), 2);
	s.birth = NULL;
	s.instance = "1.4";
	s.study = "2.4";
	CHECK(archive_put(&t, &s, &out));
	s.instance = "1.5";
	s.study = "2.5";
	CHECK(archive_put(&t, &s, &out));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM patient"), 4);
	archive_end(&t);
}

TEST(first_value_wins_and_empty_is_filled)
{
	struct sample s = plain;
	struct object_result out;
	struct archive t;

	if (!archive_begin(&t))
		return;
	s.name = "";
	s.description = NULL;
	CHECK(archive_put(&t, &s, &out));
	s.instance = "1.2.3.2";
	s.name = "Roe^Anna";
	s.description = "Head";
	s.sex = "F";
	s.date = "20200101";
	CHECK(archive_put(&t, &s, &out));
	s.instance = "1.2.3.3";
	s.name = "Other";
	s.description = "Foot";
	CHECK(archive_put(&t, &s, &out));
	CHECK_EQ(
	    archive_int(&t, "SELECT count(*) FROM patient WHERE PatientName ="
			    " 'Roe^Anna' AND PatientSex = 'F'"),
	    1);
	CHECK_EQ(archive_int(&t,
		     "SELECT count(*) FROM study WHERE StudyDescription ="
		     " 'Head' AND StudyDate = '20260102'"),
	    1);
	CHECK_EQ(archive_int(&t,
		     "SELECT count(*) FROM name_key WHERE value = 'roe^anna'"),
	    1);
	archive_end(&t);
}

static bool
collect_deflated(void *ctx, struct str part, struct err *e)
{
	(void)e;
	buf_add(ctx, part);
	return true;
}

TEST(deflated_is_kept_deflated)
{
	struct object_header header = sample_header(&plain);
	struct object_result out;
	struct deflate *d;
	struct index_row row;
	struct archive t;
	struct buf b, z;

	if (!archive_begin(&t))
		return;
	buf_init(&b, MIB);
	buf_init(&z, MIB);
	sample_build(&b, &plain);
	d = deflate_new(collect_deflated, &z);
	CHECK(deflate_feed(d, buf_str(&b), &t.e) && deflate_end(d, &t.e));
	deflate_free(&d);
	header.syntax = STR(UID_DeflatedExplicitVRLittleEndian);
	CHECK(archive_put_bytes(&t, &header, buf_str(&z), 50, &out));
	CHECK_EQ(out.size, z.n);
	CHECK(index_instance(t.store, STR("1.2.3.1"), &t.arena, &row, &t.e));
	CHECK_STR(row.value[COLUMN_PatientName], "Doe^Jane");
	CHECK_STR(row.value[COLUMN_InstanceNumber], "7");
	CHECK_STR(row.syntax, UID_DeflatedExplicitVRLittleEndian);
	CHECK_EQ(row.size, z.n);
	buf_fini(&b);
	buf_fini(&z);
	archive_end(&t);
}

TEST(reserve)
{
	struct object_result out;
	struct archive t;

	if (!archive_begin(&t))
		return;
	store_set_reserve(t.store, UINT64_MAX);
	CHECK(!archive_put(&t, &plain, &out));
	CHECK_EQ(t.e.code, ERR_FULL);
	store_set_reserve(t.store, 0);
	CHECK(archive_put(&t, &plain, &out));
	archive_end(&t);
}

#define SENDERS 8

struct sender {
	struct archive *t;
	struct sample sample;
	struct object_result out;
	struct thread thread;
	bool ok;
};

static void
send_one(void *arg)
{
	struct sender *s = arg;
	struct archive own = *s->t;

	s->ok = archive_put(&own, &s->sample, &s->out);
}

/* All at once; how many had which outcome. */
static void
send_all(struct archive *t, bool differing, int outcomes[4])
{
	struct sender senders[SENDERS];
	int i;

	memset(outcomes, 0, 4 * sizeof(*outcomes));
	for (i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){.t = t, .sample = plain};
		senders[i].sample.fill = differing ? (uint8_t)i : 0;
		senders[i].sample.pixels = 100 * KIB;
		CHECK(thread_start(
		    &senders[i].thread, "sender", send_one, &senders[i]));
	}
	for (i = 0; i < SENDERS; i++) {
		thread_join(&senders[i].thread);
		CHECK(senders[i].ok);
		outcomes[senders[i].out.outcome]++;
	}
}

TEST(many_senders_of_one_object)
{
	struct archive t;
	int n[4];

	if (!archive_begin(&t))
		return;
	send_all(&t, false, n);
	CHECK_EQ(n[OBJECT_STORED], 1);
	CHECK_EQ(n[OBJECT_SAME], SENDERS - 1);
	CHECK_EQ(archive_files(&t), 1);
	CHECK_EQ(archive_leftovers(&t), 0);
	archive_end(&t);
}

TEST(many_senders_of_one_uid)
{
	struct archive t;
	int n[4];

	if (!archive_begin(&t))
		return;
	send_all(&t, true, n);
	CHECK_EQ(n[OBJECT_STORED], 1);
	CHECK_EQ(n[OBJECT_QUARANTINED], SENDERS - 1);
	CHECK_EQ(archive_files(&t), 1);
	CHECK_EQ(archive_quarantined(&t), SENDERS - 1);
	archive_end(&t);
	if (!archive_begin(&t))
		return;
	store_set_duplicate(t.store, DUPLICATE_REPLACE);
	send_all(&t, true, n);
	CHECK_EQ(n[OBJECT_STORED] + n[OBJECT_REPLACED], SENDERS);
	CHECK_EQ(n[OBJECT_STORED], 1);
	CHECK_EQ(archive_files(&t), 1);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM instance"), 1);
	archive_end(&t);
}

TEST_MAIN
