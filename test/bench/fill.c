/*
 * An index of any size, without the files: what a search costs depends on the
 * rows alone.
 *
 *     fill FOLDER NAME=VALUE...     names: seed studies patients instances
 *
 * makes the data folder of a server and puts rows into it through the upsert,
 * as stored objects would, a thousand studies in a transaction. What they look
 * like is shape.h. Output is one JSON object.
 */
#include "base/clock.h"
#include "base/log.h"
#include "shape.h"
#include "store/folder.h"
#include "store/index/upsert.h"
#include "store/inside.h"

#define BATCH 1000

struct fill {
	uint64_t seed, studies, patients, instances;
	uint64_t from, to; /* of a batch */
};

static bool
add_study(struct upsert *u, const struct fill *f, uint64_t study, struct err *e)
{
	uint64_t patient = study % f->patients, i;
	uint64_t each = f->instances / f->studies;
	char study_uid[UID_ROOM], series_uid[UID_ROOM], uid[UID_ROOM];
	char id[32], name[64], key[64], about[64], date[24], accession[24];
	char number[24], path[64];
	struct row r = {.syntax = STR("1.2.840.10008.1.2.1"), .size = 8192};

	shape_uid(f->seed, "study", study, study_uid);
	shape_uid(f->seed, "series", study, series_uid);
	shape_patient_id(f->seed, patient, id);
	shape_name(patient, name);
	for (i = 0; i < sizeof(key); i++)
		key[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32
								 : name[i]);
	shape_description(patient, about);
	shape_date(patient / DAY, date);
	shape_accession(study, accession);
	r.value[COLUMN_StudyInstanceUID] = str_from(study_uid);
	r.value[COLUMN_SeriesInstanceUID] = str_from(series_uid);
	r.value[COLUMN_PatientID] = str_from(id);
	r.value[COLUMN_PatientName] = str_from(name);
	r.patient_key = str_from(key);
	r.value[COLUMN_PatientSex] = patient % 2 == 0 ? STR("F") : STR("M");
	r.value[COLUMN_PatientBirthDate] = STR("19610417");
	r.value[COLUMN_StudyDate] = r.value[COLUMN_SeriesDate] = str_from(date);
	r.value[COLUMN_StudyTime] = STR("101002.000000");
	r.time_key[0] = STR("101002.000000");
	r.value[COLUMN_AccessionNumber] = str_from(accession);
	r.value[COLUMN_StudyDescription] = str_from(about);
	r.value[COLUMN_ReferringPhysicianName] = STR("Referrer^Rita^^Dr");
	r.referring_key = STR("referrer^rita^^dr");
	r.value[COLUMN_InstitutionName] = STR("General Hospital");
	r.value[COLUMN_StationName] = STR("CT-ROOM-2");
	r.value[COLUMN_SeriesNumber] = STR("4");
	r.value[COLUMN_SeriesDescription] = STR("Abdomen venous 1.0 B30f");
	r.value[COLUMN_BodyPartExamined] = STR("ABDOMEN");
	r.value[COLUMN_Modality] = STR("CT");
	r.value[COLUMN_SOPClassUID] = STR("1.2.840.10008.5.1.4.1.1.2");
	for (i = 0; i < each; i++) {
		shape_uid(f->seed, "image", i * f->studies + study, uid);
		snprintf(number, sizeof(number), "%" PRIu64, i + 1);
		snprintf(path, sizeof(path), "2026/03/10/%.20s/%.20s.dcm",
		    study_uid + 5, uid + 5);
		r.value[COLUMN_SOPInstanceUID] = str_from(uid);
		r.value[COLUMN_InstanceNumber] = str_from(number);
		r.path = str_from(path);
		if (!upsert_insert(u, &r, e))
			return false;
	}
	return true;
}

static bool
add_batch(struct upsert *u, void *ctx, struct err *e)
{
	const struct fill *f = ctx;
	uint64_t i;

	for (i = f->from; i < f->to; i++)
		if (!add_study(u, f, i, e))
			return false;
	return true;
}

static bool
take_word(struct fill *f, const char *word)
{
	const struct {
		const char *name;
		uint64_t *number;
	} names[] = {{"seed=", &f->seed}, {"studies=", &f->studies},
	    {"patients=", &f->patients}, {"instances=", &f->instances}};
	struct str s = str_from(word), name;
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		name = str_from(names[i].name);
		if (str_starts(s, name))
			return str_u64(str_of(s.p + name.n, s.n - name.n),
			    names[i].number);
	}
	return false;
}

static bool
fill(struct fill *f, const char *folder, struct err *e)
{
	struct store_config config = {
	    .folder = folder, .server = true, .create = true};
	int64_t since_us = clock_mono_us();
	struct store *s;
	bool ok = true;

	if (!store_open(&s, &config, e))
		return false;
	/* Without any folder of objects their disk seems not mounted. */
	ok = folder_make(s, "2026/01/01/00000000000000000000/x", e);
	for (f->from = 0; f->from < f->studies && ok; f->from = f->to) {
		f->to =
		    f->from + BATCH < f->studies ? f->from + BATCH : f->studies;
		ok = commit_run(s->commit, false, add_batch, f, e) ==
		     COMMIT_DONE;
	}
	store_close(&s);
	if (ok)
		printf("{\"instances\": %" PRIu64 ", \"wall_us\": %" PRId64
		       "}\n",
		    f->instances / f->studies * f->studies,
		    clock_mono_us() - since_us);
	return ok;
}

int
main(int argc, char **argv)
{
	struct fill f = {.seed = 1, .studies = 500};
	struct err e;
	int i;

	f.instances = 20 * f.studies;
	for (i = 2; i < argc; i++)
		if (!take_word(&f, argv[i]))
			argc = 0;
	if (f.patients == 0)
		f.patients = f.studies / 2;
	if (argc < 2 || f.patients == 0 || f.instances < f.studies) {
		fprintf(stderr, "usage: fill FOLDER NAME=VALUE...; names: seed "
				"studies patients instances\n");
		return 2;
	}
	log_level_set(LOG_ERROR);
	if (fill(&f, argv[1], &e))
		return 0;
	fprintf(stderr, "fill: %s\n", e.text);
	return 1;
}
