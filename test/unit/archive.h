/*
 * An archive in a folder of its own for tests, and objects to put into it.
 *
 * Objects are data sets of explicit VR little endian, made of the elements of
 * a struct sample; the folder goes with archive_end().
 */
#ifndef TEST_UNIT_ARCHIVE_H
#define TEST_UNIT_ARCHIVE_H

#include "base/clock.h"
#include "base/log.h"
#include "base/os.h"
#include "dicom/build.h"
#include "store/table/activity.h"
#include "store/folder.h"
#include "store/index/index.h"
#include "store/inside.h"
#include "store/table/node.h"
#include "store/object.h"
#include "store/rebuild.h"
#include "store/table/setting.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* NULL: the element is absent. */
struct sample {
	const char *instance, *sop_class, *study, *series, *patient, *issuer;
	const char *name, *birth, *sex, *modality, *date, *time, *accession;
	const char *description, *referring, *number, *series_number, *charset;
	size_t pixels;
	uint8_t fill;
};

struct archive {
	char folder[64];
	struct store *store;
	struct arena arena;
	struct err e;
};

UNUSED static int
archive_remove_one(
    const char *path, const struct stat *st, int flag, struct FTW *w)
{
	(void)st;
	(void)flag;
	(void)w;
	return remove(path);
}

UNUSED static bool
archive_open(struct archive *t, bool server)
{
	struct store_config config = {
	    .folder = t->folder, .server = server, .create = true};

	if (CHECK(store_open(&t->store, &config, &t->e)))
		return true;
	printf("%s\n", t->e.text);
	return false;
}

UNUSED static bool
archive_begin(struct archive *t)
{
	log_level_set(LOG_ERROR);
	*t = (struct archive){.store = NULL};
	if (!CHECK(test_folder(t->folder, sizeof(t->folder))))
		return false;
	arena_init(&t->arena, 64 * MIB);
	return archive_open(t, true);
}

UNUSED static void
archive_end(struct archive *t)
{
	store_close(&t->store);
	arena_fini(&t->arena);
	nftw(t->folder, archive_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

UNUSED static bool
archive_reopen(struct archive *t)
{
	store_close(&t->store);
	return archive_open(t, true);
}

/* As after kill -9: nothing is noted about the end. */
UNUSED static bool
archive_crash(struct archive *t)
{
	store_writer_leave_mark(t->store);
	return archive_reopen(t);
}

static void
sample_add(struct buf *b, uint32_t tag, enum vr vr, const char *value)
{
	if (value != NULL)
		build_element(b, tag, vr, str_from(value),
		    syntax_of(STR(UID_ExplicitVRLittleEndian)));
}

UNUSED static void
sample_build(struct buf *b, const struct sample *s)
{
	uint8_t *pixels = must_alloc(s->pixels + 1);

	memset(pixels, s->fill, s->pixels + 1);
	sample_add(b, TAG_SpecificCharacterSet, VR_CS, s->charset);
	sample_add(b, TAG_SOPClassUID, VR_UI, s->sop_class);
	sample_add(b, TAG_SOPInstanceUID, VR_UI, s->instance);
	sample_add(b, TAG_StudyDate, VR_DA, s->date);
	sample_add(b, TAG_StudyTime, VR_TM, s->time);
	sample_add(b, TAG_AccessionNumber, VR_SH, s->accession);
	sample_add(b, TAG_Modality, VR_CS, s->modality);
	sample_add(b, TAG_ReferringPhysicianName, VR_PN, s->referring);
	sample_add(b, TAG_StudyDescription, VR_LO, s->description);
	sample_add(b, TAG_PatientName, VR_PN, s->name);
	sample_add(b, TAG_PatientID, VR_LO, s->patient);
	sample_add(b, TAG_IssuerOfPatientID, VR_LO, s->issuer);
	sample_add(b, TAG_PatientBirthDate, VR_DA, s->birth);
	sample_add(b, TAG_PatientSex, VR_CS, s->sex);
	sample_add(b, TAG_StudyInstanceUID, VR_UI, s->study);
	sample_add(b, TAG_SeriesInstanceUID, VR_UI, s->series);
	sample_add(b, TAG_SeriesNumber, VR_IS, s->series_number);
	sample_add(b, TAG_InstanceNumber, VR_IS, s->number);
	if (s->pixels > 0)
		build_element(b, TAG_PixelData, VR_OW,
		    str_of(pixels, s->pixels),
		    syntax_of(STR(UID_ExplicitVRLittleEndian)));
	free(pixels);
}

/* What the sample says in its header. */
UNUSED static struct object_header
sample_header(const struct sample *s)
{
	return (struct object_header){
	    .sop_class = str_from(s->sop_class),
	    .sop_instance = str_from(s->instance),
	    .syntax = STR(UID_ExplicitVRLittleEndian),
	};
}

UNUSED static bool
archive_put_bytes(struct archive *t, const struct object_header *header,
    struct str bytes, size_t step, struct object_result *out)
{
	struct intake *in = intake_new(t->store, "TESTER");
	struct object *o;
	bool ok;
	size_t at, n;

	ok = object_begin(in, header, &o, &t->e);
	for (at = 0; ok && at < bytes.n; at += n) {
		n = bytes.n - at < step ? bytes.n - at : step;
		ok = object_write(o, str_of(bytes.p + at, n), &t->e);
	}
	if (ok)
		ok = object_commit(&o, out, &t->e);
	else
		object_abort(&o);
	intake_free(&in);
	return ok;
}

UNUSED static bool
archive_put(
    struct archive *t, const struct sample *s, struct object_result *out)
{
	struct object_header header = sample_header(s);
	struct buf b;
	bool ok;

	buf_init(&b, GIB);
	sample_build(&b, s);
	ok = archive_put_bytes(t, &header, buf_str(&b), 32 * KIB, out);
	buf_fini(&b);
	return ok;
}

/* Is the object there with these very bytes? */
UNUSED static bool
archive_has(struct archive *t, const struct sample *s)
{
	struct index_row row;
	struct object_file f;
	struct buf b;
	uint8_t *back;
	bool same;

	if (!index_instance(
		t->store, str_from(s->instance), &t->arena, &row, &t->e) ||
	    !object_open(t->store, (const char *)row.path.p, &f, &t->e))
		return false;
	buf_init(&b, GIB);
	sample_build(&b, s);
	back = must_alloc(b.n);
	same =
	    object_verify(&f, &t->e) && f.data_size == b.n &&
	    os_pread_full(f.fd, back, b.n, (off_t)f.data_at) == (ssize_t)b.n &&
	    !memcmp(back, b.p, b.n);
	free(back);
	buf_fini(&b);
	object_close(&f);
	return same;
}

static bool
archive_count_one(void *ctx, const char *path, struct err *e)
{
	(void)path;
	(void)e;
	++*(size_t *)ctx;
	return true;
}

/* Object files in day folders. */
UNUSED static size_t
archive_files(struct archive *t)
{
	struct day_list days;
	size_t n = 0, i;

	if (!CHECK(folder_days(t->store, "", &days, &t->e)))
		return 0;
	for (i = 0; i < days.n; i++)
		CHECK(folder_files(
		    t->store, days.days[i], archive_count_one, &n, &t->e));
	free(days.days);
	return n;
}

/* Copies on their way into quarantine. */
UNUSED static bool
archive_count_part(void *ctx, const char *name, struct err *e)
{
	(void)e;
	*(size_t *)ctx += str_starts(str_from(name), STR("aside-"));
	return true;
}

UNUSED static size_t
archive_leftovers(struct archive *t)
{
	size_t n = 0;

	CHECK(folder_names(t->store->tmp_fd, archive_count_one, &n, &t->e));
	CHECK(folder_names(t->store->dir_fd, archive_count_part, &n, &t->e));
	return n;
}

UNUSED static size_t
archive_quarantined(struct archive *t)
{
	size_t n = 0;

	CHECK(folder_names(
	    t->store->quarantine_fd, archive_count_one, &n, &t->e));
	return n;
}

UNUSED static int64_t
archive_int(struct archive *t, const char *sql)
{
	struct db *db = store_reader(t->store, &t->e);
	int64_t v = -1;
	bool found;

	if (!CHECK(db != NULL))
		return -1;
	if (!CHECK(db_get_int(db, sql, DB_NO_ARGS, &v, &found, &t->e)))
		printf("%s\n", t->e.text);
	store_reader_done(t->store, db);
	return found ? v : -1;
}

struct archive_sql {
	const char *sql;
};

UNUSED static bool
archive_exec_job(struct upsert *u, void *ctx, struct err *e)
{
	upsert_forget(u);
	return db_exec(
	    upsert_db(u), ((struct archive_sql *)ctx)->sql, DB_NO_ARGS, e);
}

UNUSED static void
archive_exec(struct archive *t, const char *sql)
{
	struct archive_sql s = {sql};

	if (!CHECK(commit_run(t->store->commit, true, archive_exec_job, &s,
		       &t->e) == COMMIT_DONE))
		printf("%s\n", t->e.text);
}

/* The tables of the levels as text, without ids and paths. */
UNUSED static char *
archive_dump(struct archive *t)
{
	static const char *const sql[] = {
	    "SELECT PatientID, IssuerOfPatientID, identity, PatientName,"
	    " PatientBirthDate, PatientSex FROM patient"
	    " ORDER BY 1, 2, 3",
	    "SELECT p.PatientID, p.identity, s.StudyInstanceUID, s.StudyID,"
	    " s.StudyDate, s.StudyTime, s.StudyTime_key, s.AccessionNumber,"
	    " s.StudyDescription, s.ReferringPhysicianName,"
	    " s.InstitutionName, s.ModalitiesInStudy, s.SOPClassesInStudy,"
	    " s.NumberOfStudyRelatedSeries, s.NumberOfStudyRelatedInstances,"
	    " s.bytes, s.changed FROM study s JOIN patient p"
	    " ON p.id = s.patient ORDER BY s.StudyInstanceUID",
	    "SELECT s.StudyInstanceUID, e.SeriesInstanceUID, e.SeriesNumber,"
	    " e.Modality, e.SeriesDate, e.SeriesTime, e.SeriesTime_key,"
	    " e.SeriesDescription, e.BodyPartExamined, e.StationName,"
	    " e.PerformedProcedureStepStartDate,"
	    " e.NumberOfSeriesRelatedInstances, e.bytes FROM series e"
	    " JOIN study s ON s.id = e.study ORDER BY 1, 2",
	    "SELECT e.SeriesInstanceUID, i.SOPInstanceUID, i.SOPClassUID,"
	    " i.InstanceNumber, i.syntax, i.size, hex(i.sha256), i.path,"
	    " i.arrived FROM instance i JOIN series e ON e.id = i.series"
	    " ORDER BY i.SOPInstanceUID",
	    "SELECT n.kind, n.value, coalesce(p.PatientID || p.identity, '')"
	    " FROM name_key n LEFT JOIN patient p ON n.kind = 0"
	    " AND p.id = n.owner ORDER BY 1, 2, 3",
	    "SELECT kind, value, whole FROM word ORDER BY 1, 2",
	};
	struct db *db = store_reader(t->store, &t->e);
	struct db_stmt *q;
	struct buf b;
	char *text;
	size_t i;
	int c;

	must(db != NULL);
	buf_init(&b, 64 * MIB);
	for (i = 0; i < ARRAY_LEN(sql); i++) {
		if (!CHECK(db_query(db, sql[i], DB_NO_ARGS, &q, &t->e))) {
			printf("%s\n", t->e.text);
			break;
		}
		while (db_step(q, &t->e) == DB_STEP_ROW) {
			static const int counts[] = {6, 17, 13, 9, 3, 3};

			for (c = 0; c < counts[i]; c++) {
				buf_add(&b, db_column(q, c));
				buf_u8(&b, '|');
			}
			buf_u8(&b, '\n');
		}
	}
	store_reader_done(t->store, db);
	text = must_strdup(buf_cstr(&b));
	buf_fini(&b);
	return text;
}

#endif
