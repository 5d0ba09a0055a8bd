/*
 * Rows of the index, see upsert.h.
 *
 * The entries kept in memory belong to the connection that writes, so they can
 * only be wrong after a rollback, after a deletion, or when another process
 * has written: then all are forgotten.
 */
#include "store/index/upsert.h"

#include "base/buf.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/map.h"
#include "store/index/person_inside.h"

/* Entries of a kind; all are forgotten when there are more. */
#define ENTRIES 4096

struct patient_entry {
	int64_t id;
	int64_t said;   /* of table patient_said, or 0 (person.h) */
	unsigned empty; /* bits by place in patient_fills */
};

struct study_entry {
	int64_t id, patient, said;
	unsigned empty;
	bool warned;
	char *modalities, *classes; /* sorted, separated by backslashes */
	bool dirty, lists_changed;
	int64_t more_series, more_instances, more_bytes, changed;
	struct study_entry *next_dirty;
};

struct series_entry {
	int64_t id;
	struct study_entry *study;
	unsigned empty;
	bool dirty;
	int64_t more_instances, more_bytes;
	struct series_entry *next_dirty;
};

struct upsert {
	struct db *db;
	int64_t version;
	/* Merges or corrections: are there any (person.h)? */
	enum { PERSONS_UNKNOWN, PERSONS_NONE, PERSONS_SOME } persons;
	struct map patients, studies, series;
	struct study_entry *dirty_studies;
	struct series_entry *dirty_series;
};

/* A column that a later instance may fill. */
struct fill {
	enum column column;
	const char *sql;
};
#define FILL(table, keyword)                                                   \
	{                                                                      \
		COLUMN_##keyword,                                              \
		    "UPDATE " table " SET " #keyword " = ? WHERE id = ?"       \
	}

static const struct fill patient_fills[] = {
    FILL("patient", PatientName),
    FILL("patient", PatientBirthDate),
    FILL("patient", PatientSex),
};
static const struct fill said_fills[] = {
    FILL("patient_said", PatientName),
    FILL("patient_said", PatientBirthDate),
    FILL("patient_said", PatientSex),
};
static const struct fill study_fills[] = {
    FILL("study", StudyID),
    FILL("study", StudyDate),
    FILL("study", StudyTime),
    FILL("study", AccessionNumber),
    FILL("study", StudyDescription),
    FILL("study", ReferringPhysicianName),
    FILL("study", InstitutionName),
};
static const struct fill series_fills[] = {
    FILL("series", SeriesNumber),
    FILL("series", Modality),
    FILL("series", SeriesDate),
    FILL("series", SeriesTime),
    FILL("series", SeriesDescription),
    FILL("series", BodyPartExamined),
    FILL("series", StationName),
    FILL("series", PerformedProcedureStepStartDate),
};
/* The columns in the same order, behind the id. */
#define PATIENT_SELECT                                                         \
	"SELECT id, PatientName, PatientBirthDate, PatientSex FROM patient"    \
	" WHERE PatientID = ? AND IssuerOfPatientID = ? AND identity = ?"
#define SAID_SELECT                                                            \
	"SELECT id, PatientName, PatientBirthDate, PatientSex"                 \
	" FROM patient_said WHERE PatientID = ? AND IssuerOfPatientID = ?"
#define STUDY_SELECT                                                           \
	"SELECT id, StudyID, StudyDate, StudyTime, AccessionNumber,"           \
	" StudyDescription, ReferringPhysicianName, InstitutionName, patient," \
	" ModalitiesInStudy, SOPClassesInStudy, said FROM study"               \
	" WHERE StudyInstanceUID = ?"
#define SERIES_SELECT                                                          \
	"SELECT id, SeriesNumber, Modality, SeriesDate, SeriesTime,"           \
	" SeriesDescription, BodyPartExamined, StationName,"                   \
	" PerformedProcedureStepStartDate FROM series"                         \
	" WHERE SeriesInstanceUID = ? AND study = ?"

struct upsert *
upsert_new(struct db *db)
{
	struct upsert *u = must_zalloc(sizeof(*u));

	u->db = db;
	u->version = -1;
	map_init(&u->patients);
	map_init(&u->studies);
	map_init(&u->series);
	return u;
}

static void
free_entry(void *ctx, struct str key, void *value)
{
	(void)ctx;
	(void)key;
	free(value);
}

static void
free_study(void *ctx, struct str key, void *value)
{
	struct study_entry *s = value;

	free(s->modalities);
	free(s->classes);
	free_entry(ctx, key, s);
}

void
upsert_forget(struct upsert *u)
{
	map_each(&u->patients, free_entry, NULL);
	map_each(&u->studies, free_study, NULL);
	map_each(&u->series, free_entry, NULL);
	map_clear(&u->patients);
	map_clear(&u->studies);
	map_clear(&u->series);
	u->persons = PERSONS_UNKNOWN;
	u->dirty_studies = NULL;
	u->dirty_series = NULL;
}

void
upsert_renew(struct upsert *u)
{
	must(u->dirty_studies == NULL && u->dirty_series == NULL);
	upsert_forget(u);
}

void
upsert_free(struct upsert **pu)
{
	struct upsert *u = *pu;

	if (u == NULL)
		return;
	upsert_forget(u);
	map_fini(&u->patients);
	map_fini(&u->studies);
	map_fini(&u->series);
	free(u);
	*pu = NULL;
}

struct db *
upsert_db(struct upsert *u)
{
	return u->db;
}

bool
upsert_begin(struct upsert *u, struct err *e)
{
	int64_t version;

	if (!db_data_version(u->db, &version, e))
		return false;
	if (version != u->version || u->series.n > ENTRIES ||
	    u->studies.n > ENTRIES || u->patients.n > ENTRIES)
		upsert_forget(u);
	u->version = version;
	return true;
}

static bool
write_series(struct upsert *u, struct series_entry *s, struct err *e)
{
	bool ok = db_exec(u->db,
	    "UPDATE series SET NumberOfSeriesRelatedInstances ="
	    " NumberOfSeriesRelatedInstances + ?, bytes = bytes + ?"
	    " WHERE id = ?",
	    DB_ARGS(db_int(s->more_instances), db_int(s->more_bytes),
		db_int(s->id)),
	    e);

	s->dirty = false;
	s->more_instances = s->more_bytes = 0;
	return ok;
}

static bool
write_study(struct upsert *u, struct study_entry *s, struct err *e)
{
	bool ok = db_exec(u->db,
	    "UPDATE study SET NumberOfStudyRelatedSeries ="
	    " NumberOfStudyRelatedSeries + ?, NumberOfStudyRelatedInstances ="
	    " NumberOfStudyRelatedInstances + ?, bytes = bytes + ?,"
	    " changed = max(changed, ?) WHERE id = ?",
	    DB_ARGS(db_int(s->more_series), db_int(s->more_instances),
		db_int(s->more_bytes), db_int(s->changed), db_int(s->id)),
	    e);

	if (ok && s->lists_changed)
		ok = db_exec(u->db,
		    "UPDATE study SET ModalitiesInStudy = ?,"
		    " SOPClassesInStudy = ? WHERE id = ?",
		    DB_ARGS(db_text(s->modalities), db_text(s->classes),
			db_int(s->id)),
		    e);
	s->dirty = s->lists_changed = false;
	s->more_series = s->more_instances = s->more_bytes = 0;
	return ok;
}

bool
upsert_end(struct upsert *u, struct err *e)
{
	struct series_entry *series = u->dirty_series;
	struct study_entry *study = u->dirty_studies;

	u->dirty_series = NULL;
	u->dirty_studies = NULL;
	for (; series != NULL; series = series->next_dirty)
		if (!write_series(u, series, e))
			return false;
	for (; study != NULL; study = study->next_dirty)
		if (!write_study(u, study, e))
			return false;
	return true;
}

static void
touch(struct upsert *u, struct series_entry *s)
{
	if (!s->dirty) {
		s->dirty = true;
		s->next_dirty = u->dirty_series;
		u->dirty_series = s;
	}
	if (!s->study->dirty) {
		s->study->dirty = true;
		s->study->next_dirty = u->dirty_studies;
		u->dirty_studies = s->study;
	}
}

/* Put a value in its place of a sorted list; false when it is there or there
 * is no room. */
static bool
list_add(char **list, struct str item)
{
	struct str rest = str_from(*list), part;
	size_t at = 0, n = rest.n;
	struct buf out;
	int order = 1;

	if (item.n == 0 || n + item.n + 2 > UPSERT_LIST_MAX)
		return false;
	while (n > 0 && str_split(&rest, '\\', &part)) {
		order = str_cmp(item, part);
		if (order <= 0)
			break;
		at += part.n + 1;
	}
	if (order == 0)
		return false;
	if (at > n)
		at = n;
	buf_init(&out, UPSERT_LIST_MAX);
	buf_add(&out, str_of(*list, at));
	if (at > 0 && at == n)
		buf_u8(&out, '\\');
	buf_add(&out, item);
	if (at < n)
		buf_u8(&out, '\\');
	buf_add(&out, str_of(*list + at, n - at));
	free(*list);
	*list = must_strdup(buf_cstr(&out));
	buf_fini(&out);
	return true;
}

static char *
copy(struct str s)
{
	char *p = must_alloc(s.n + 1);

	(void)str_copy(p, s.n + 1, s);
	return p;
}

/* keys: folded values, each with a line end; groups separated by '='. */
bool
upsert_add_names(struct db *db, enum word_kind kind, int64_t owner,
    struct str keys, struct err *e)
{
	struct str value, group;

	while (str_split(&keys, '\n', &value)) {
		while (str_split(&value, '=', &group)) {
			if (group.n == 0)
				continue;
			if (!db_exec(db,
				"INSERT OR IGNORE INTO name_key"
				" (kind, value, owner) VALUES (?, ?, ?)",
				DB_ARGS(
				    db_int(kind), db_str(group), db_int(owner)),
				e) ||
			    !word_add(db, kind, group, e))
				return false;
		}
	}
	return true;
}

static unsigned
empty_columns(struct db_stmt *q, size_t n)
{
	unsigned bits = 0;
	size_t i;

	for (i = 0; i < n; i++)
		if (db_column(q, (int)i + 1).n == 0)
			bits |= 1U << i;
	return bits;
}

static unsigned
empty_values(const struct row *row, const struct fill *fills, size_t n)
{
	unsigned bits = 0;
	size_t i;

	for (i = 0; i < n; i++)
		if (row->value[fills[i].column].n == 0)
			bits |= 1U << i;
	return bits;
}

/* What belongs to a column besides itself. */
static bool
fill_more(struct upsert *u, const struct row *row, const struct fill *fills,
    enum column column, int64_t id, struct err *e)
{
	switch (column) {
	case COLUMN_StudyDescription:
	case COLUMN_AccessionNumber:
		return word_add(
		    u->db, word_kind_of(column), row->value[column], e);
	case COLUMN_PatientName:
		/* Of a row of patient_said: none (person.h). */
		return fills != patient_fills ||
		       upsert_add_names(
			   u->db, WORD_PATIENT_NAME, id, row->patient_key, e);
	case COLUMN_ReferringPhysicianName:
		return upsert_add_names(
		    u->db, WORD_REFERRING_NAME, id, row->referring_key, e);
	case COLUMN_StudyTime:
		return db_exec(u->db,
		    "UPDATE study SET StudyTime_key = ? WHERE id = ?",
		    DB_ARGS(db_str(row->time_key[0]), db_int(id)), e);
	case COLUMN_SeriesTime:
		return db_exec(u->db,
		    "UPDATE series SET SeriesTime_key = ? WHERE id = ?",
		    DB_ARGS(db_str(row->time_key[1]), db_int(id)), e);
	default:
		return true;
	}
}

/* Fill in what was empty and has a value now. */
static bool
fill(struct upsert *u, const struct row *row, const struct fill *fills,
    size_t n, unsigned *empty, int64_t id, struct err *e)
{
	unsigned now = *empty & ~empty_values(row, fills, n);
	size_t i;

	for (i = 0; i < n && now != 0; i++) {
		if ((now & 1U << i) == 0)
			continue;
		if (!db_exec(u->db, fills[i].sql,
			DB_ARGS(
			    db_str(row->value[fills[i].column]), db_int(id)),
			e) ||
		    !fill_more(u, row, fills, fills[i].column, id, e))
			return false;
		*empty &= ~(1U << i);
	}
	return true;
}

static bool
insert_patient(
    struct upsert *u, const struct row *row, int64_t *id, struct err *e)
{
	const struct str *v = row->value;

	if (!db_exec(u->db,
		"INSERT INTO patient (PatientID, IssuerOfPatientID, identity,"
		" PatientName, PatientBirthDate, PatientSex)"
		" VALUES (?, ?, ?, ?, ?, ?)",
		DB_ARGS(db_str(v[COLUMN_PatientID]),
		    db_str(v[COLUMN_IssuerOfPatientID]), db_str(row->identity),
		    db_str(v[COLUMN_PatientName]),
		    db_str(v[COLUMN_PatientBirthDate]),
		    db_str(v[COLUMN_PatientSex])),
		e))
		return false;
	*id = db_last_id(u->db);
	return word_add(u->db, WORD_PATIENT_ID, v[COLUMN_PatientID], e) &&
	       upsert_add_names(
		   u->db, WORD_PATIENT_NAME, *id, row->patient_key, e);
}

/* What the row's patient is in the table; *there false when there is none and
 * none is to be made. */
static bool
load_patient(struct upsert *u, const struct row *row, bool make,
    struct patient_entry *found, bool *there, struct err *e)
{
	const struct str *v = row->value;
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(u->db, PATIENT_SELECT,
		DB_ARGS(db_str(v[COLUMN_PatientID]),
		    db_str(v[COLUMN_IssuerOfPatientID]), db_str(row->identity)),
		&q, e))
		return false;
	step = db_step(q, e);
	*there = step == DB_STEP_ROW || make;
	if (step == DB_STEP_FAILED)
		return false;
	if (step == DB_STEP_ROW) {
		found->id = db_column_int(q, 0);
		found->empty = empty_columns(q, ARRAY_LEN(patient_fills));
		db_reset(q);
		return true;
	}
	found->empty =
	    empty_values(row, patient_fills, ARRAY_LEN(patient_fills));
	return !make || insert_patient(u, row, &found->id, e);
}

/* Whether the patient's row is made from what the files say and from what is
 * known besides (person.h). */
static bool
is_known(struct upsert *u, const struct row *row, bool *known, struct err *e)
{
	bool any;

	*known = false;
	if (u->persons == PERSONS_UNKNOWN) {
		if (!person_any(u->db, &any, e))
			return false;
		u->persons = any ? PERSONS_SOME : PERSONS_NONE;
	}
	return u->persons == PERSONS_NONE ||
	       person_known(u->db, row->value[COLUMN_PatientID], known, e);
}

static bool
insert_said(struct upsert *u, const struct row *row, int64_t *id, struct err *e)
{
	const struct str *v = row->value;

	if (!db_exec(u->db,
		"INSERT INTO patient_said (PatientID, IssuerOfPatientID,"
		" PatientName, PatientBirthDate, PatientSex)"
		" VALUES (?, ?, ?, ?, ?)",
		DB_ARGS(db_str(v[COLUMN_PatientID]),
		    db_str(v[COLUMN_IssuerOfPatientID]),
		    db_str(v[COLUMN_PatientName]),
		    db_str(v[COLUMN_PatientBirthDate]),
		    db_str(v[COLUMN_PatientSex])),
		e))
		return false;
	*id = db_last_id(u->db);
	return true;
}

/* The row that the studies of the row's patient belong to, with all that is
 * known now. */
static bool
row_of(struct upsert *u, const struct row *row, int64_t *patient, struct err *e)
{
	struct person p = {
	    row->value[COLUMN_PatientID], row->value[COLUMN_IssuerOfPatientID]};
	struct person root;
	struct arena a;
	bool ok;

	arena_init(&a, LIMIT_EXCHANGE);
	ok = person_resolve(u->db, &a, &p, &root, e) &&
	     person_row(u->db, &a, &root, patient, e);
	arena_fini(&a);
	return ok;
}

static bool
load_said(struct upsert *u, const struct row *row, bool make,
    struct patient_entry *found, bool *there, struct err *e)
{
	const struct str *v = row->value;
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(u->db, SAID_SELECT,
		DB_ARGS(db_str(v[COLUMN_PatientID]),
		    db_str(v[COLUMN_IssuerOfPatientID])),
		&q, e))
		return false;
	step = db_step(q, e);
	*there = step == DB_STEP_ROW || make;
	if (step == DB_STEP_FAILED)
		return false;
	if (step == DB_STEP_ROW) {
		found->said = db_column_int(q, 0);
		found->empty = empty_columns(q, ARRAY_LEN(said_fills));
		db_reset(q);
	} else if (make) {
		if (!insert_said(u, row, &found->said, e))
			return false;
		found->empty =
		    empty_values(row, said_fills, ARRAY_LEN(said_fills));
	} else {
		return true;
	}
	return row_of(u, row, &found->id, e);
}

/* The entry of the row's patient; *out NULL when there is none and it is not
 * to be made. */
static bool
get_patient(struct upsert *u, const struct row *row, bool make,
    struct patient_entry **out, struct err *e)
{
	const struct str *v = row->value;
	struct patient_entry found = {0};
	bool known, there = false, ok = true;
	struct buf key;

	buf_init(&key, 64 * KIB);
	buf_add(&key, v[COLUMN_PatientID]);
	buf_u8(&key, 0);
	buf_add(&key, v[COLUMN_IssuerOfPatientID]);
	buf_u8(&key, 0);
	buf_add(&key, row->identity);
	*out = map_get(&u->patients, buf_str(&key));
	if (*out == NULL)
		ok = is_known(u, row, &known, e) &&
		     (known ? load_said(u, row, make, &found, &there, e)
			    : load_patient(u, row, make, &found, &there, e));
	if (ok && there) {
		*out = must_alloc(sizeof(found));
		**out = found;
		map_put(&u->patients, buf_str(&key), *out);
	}
	buf_fini(&key);
	return ok;
}

static bool
fill_patient(struct upsert *u, const struct row *row,
    struct patient_entry *patient, struct err *e)
{
	unsigned before = patient->empty;

	if (patient->said == 0)
		return fill(u, row, patient_fills, ARRAY_LEN(patient_fills),
		    &patient->empty, patient->id, e);
	return fill(u, row, said_fills, ARRAY_LEN(said_fills), &patient->empty,
		   patient->said, e) &&
	       (patient->empty == before || row_of(u, row, &patient->id, e));
}

static bool
insert_study(struct upsert *u, const struct row *row,
    const struct patient_entry *patient, int64_t *id, struct err *e)
{
	const struct str *v = row->value;

	if (!db_exec(u->db,
		"INSERT INTO study (patient, StudyInstanceUID, StudyID,"
		" StudyDate, StudyTime, StudyTime_key, AccessionNumber,"
		" StudyDescription, ReferringPhysicianName, InstitutionName,"
		" ModalitiesInStudy, SOPClassesInStudy,"
		" NumberOfStudyRelatedSeries, NumberOfStudyRelatedInstances,"
		" bytes, changed, said)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', 0, 0, 0, 0, ?)",
		DB_ARGS(db_int(patient->id), db_str(v[COLUMN_StudyInstanceUID]),
		    db_str(v[COLUMN_StudyID]), db_str(v[COLUMN_StudyDate]),
		    db_str(v[COLUMN_StudyTime]), db_str(row->time_key[0]),
		    db_str(v[COLUMN_AccessionNumber]),
		    db_str(v[COLUMN_StudyDescription]),
		    db_str(v[COLUMN_ReferringPhysicianName]),
		    db_str(v[COLUMN_InstitutionName]), db_int(patient->said)),
		e))
		return false;
	*id = db_last_id(u->db);
	return word_add(
		   u->db, WORD_DESCRIPTION, v[COLUMN_StudyDescription], e) &&
	       word_add(u->db, WORD_ACCESSION, v[COLUMN_AccessionNumber], e) &&
	       upsert_add_names(
		   u->db, WORD_REFERRING_NAME, *id, row->referring_key, e);
}

static bool
load_study(struct upsert *u, const struct row *row, struct study_entry **out,
    struct err *e)
{
	struct str uid = row->value[COLUMN_StudyInstanceUID];
	const int first = 1 + (int)ARRAY_LEN(study_fills);
	struct study_entry found = {0};
	struct patient_entry *patient;
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(u->db, STUDY_SELECT, DB_ARGS(db_str(uid)), &q, e))
		return false;
	step = db_step(q, e);
	if (step == DB_STEP_FAILED)
		return false;
	if (step == DB_STEP_ROW) {
		found.id = db_column_int(q, 0);
		found.empty = empty_columns(q, ARRAY_LEN(study_fills));
		found.patient = db_column_int(q, first);
		found.modalities = copy(db_column(q, first + 1));
		found.classes = copy(db_column(q, first + 2));
		found.said = db_column_int(q, first + 3);
		db_reset(q);
	} else {
		if (!get_patient(u, row, true, &patient, e) ||
		    !insert_study(u, row, patient, &found.id, e))
			return false;
		found.patient = patient->id;
		found.said = patient->said;
		found.empty =
		    empty_values(row, study_fills, ARRAY_LEN(study_fills));
		found.modalities = must_strdup("");
		found.classes = must_strdup("");
	}
	*out = must_alloc(sizeof(found));
	**out = found;
	map_put(&u->studies, uid, *out);
	return true;
}

static bool
get_study(struct upsert *u, const struct row *row, struct study_entry **out,
    struct err *e)
{
	struct patient_entry *patient;
	struct study_entry *s =
	    map_get(&u->studies, row->value[COLUMN_StudyInstanceUID]);

	if (s == NULL && !load_study(u, row, &s, e))
		return false;
	*out = s;
	if (!fill(u, row, study_fills, ARRAY_LEN(study_fills), &s->empty, s->id,
		e) ||
	    !get_patient(u, row, false, &patient, e))
		return false;
	if (patient != NULL && patient->id == s->patient) {
		/* Another one who was merged into the first says nothing. */
		if (patient->said != s->said)
			return true;
		return fill_patient(u, row, patient, e);
	}
	if (!s->warned)
		log_warning("store",
		    "a study has instances of more than one patient; it stays "
		    "with the first (study %lld)",
		    (long long)s->id);
	s->warned = true;
	return true;
}

static bool
insert_series(struct upsert *u, const struct row *row, int64_t study,
    int64_t *id, struct err *e)
{
	const struct str *v = row->value;

	if (!db_exec(u->db,
		"INSERT INTO series (study, SeriesInstanceUID, SeriesNumber,"
		" Modality, SeriesDate, SeriesTime, SeriesTime_key,"
		" SeriesDescription, BodyPartExamined, StationName,"
		" PerformedProcedureStepStartDate,"
		" NumberOfSeriesRelatedInstances, bytes)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
		DB_ARGS(db_int(study), db_str(v[COLUMN_SeriesInstanceUID]),
		    db_str(v[COLUMN_SeriesNumber]), db_str(v[COLUMN_Modality]),
		    db_str(v[COLUMN_SeriesDate]), db_str(v[COLUMN_SeriesTime]),
		    db_str(row->time_key[1]),
		    db_str(v[COLUMN_SeriesDescription]),
		    db_str(v[COLUMN_BodyPartExamined]),
		    db_str(v[COLUMN_StationName]),
		    db_str(v[COLUMN_PerformedProcedureStepStartDate])),
		e))
		return false;
	*id = db_last_id(u->db);
	return true;
}

static bool
load_series(struct upsert *u, const struct row *row, struct study_entry *study,
    struct series_entry *found, struct err *e)
{
	struct str uid = row->value[COLUMN_SeriesInstanceUID];
	struct db_stmt *q;

	*found = (struct series_entry){.study = study};
	if (!db_query(u->db, SERIES_SELECT,
		DB_ARGS(db_str(uid), db_int(study->id)), &q, e))
		return false;
	switch (db_step(q, e)) {
	case DB_STEP_ROW:
		found->id = db_column_int(q, 0);
		found->empty = empty_columns(q, ARRAY_LEN(series_fills));
		db_reset(q);
		return true;
	case DB_STEP_DONE:
		found->empty =
		    empty_values(row, series_fills, ARRAY_LEN(series_fills));
		study->more_series++;
		return insert_series(u, row, study->id, &found->id, e);
	default:
		return false;
	}
}

static bool
get_series(struct upsert *u, const struct row *row, struct study_entry *study,
    struct series_entry **out, struct err *e)
{
	uint8_t key[8 + 64];
	struct str uid = row->value[COLUMN_SeriesInstanceUID], whole;
	struct series_entry found;

	must(uid.n <= 64);
	memcpy(key, &study->id, 8);
	memcpy(key + 8, uid.p, uid.n);
	whole = str_of(key, 8 + uid.n);
	*out = map_get(&u->series, whole);
	if (*out == NULL) {
		if (!load_series(u, row, study, &found, e))
			return false;
		*out = must_alloc(sizeof(found));
		**out = found;
		map_put(&u->series, whole, *out);
	}
	return fill(u, row, series_fills, ARRAY_LEN(series_fills),
	    &(*out)->empty, (*out)->id, e);
}

/* The Modality that the series has: that of this row only if it brought the
 * series' first. */
static bool
note_modality(struct upsert *u, const struct row *row,
    struct study_entry *study, int64_t series, struct err *e)
{
	struct str own = row->value[COLUMN_Modality], rest, part;
	bool there = false;
	struct db_stmt *q;
	enum db_step step;

	rest = str_from(study->modalities);
	while (own.n > 0 && str_split(&rest, '\\', &part))
		there = there || str_eq(part, own);
	if (own.n == 0 || there)
		return true;
	if (!db_query(u->db, "SELECT Modality FROM series WHERE id = ?",
		DB_ARGS(db_int(series)), &q, e))
		return false;
	step = db_step(q, e);
	if (step == DB_STEP_ROW) {
		if (list_add(&study->modalities, db_column(q, 0)))
			study->lists_changed = true;
		db_reset(q);
	}
	return step != DB_STEP_FAILED;
}

bool
upsert_insert(struct upsert *u, const struct row *row, struct err *e)
{
	const struct str *v = row->value;
	struct study_entry *study;
	struct series_entry *series;

	if (!get_study(u, row, &study, e) ||
	    !get_series(u, row, study, &series, e) ||
	    !note_modality(u, row, study, series->id, e) ||
	    !db_exec(u->db,
		"INSERT INTO instance (series, SOPInstanceUID, SOPClassUID,"
		" InstanceNumber, syntax, size, sha256, crc32, path,"
		" arrived) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		DB_ARGS(db_int(series->id), db_str(v[COLUMN_SOPInstanceUID]),
		    db_str(v[COLUMN_SOPClassUID]),
		    db_str(v[COLUMN_InstanceNumber]), db_str(row->syntax),
		    db_int((int64_t)row->size),
		    db_blob(str_of(row->sha256, sizeof(row->sha256))),
		    db_int(row->crc32), db_str(row->path),
		    db_int(row->arrived_ms)),
		e))
		return false;
	if (list_add(&study->classes, v[COLUMN_SOPClassUID]))
		study->lists_changed = true;
	touch(u, series);
	series->more_instances++;
	series->more_bytes += (int64_t)row->size;
	study->more_instances++;
	study->more_bytes += (int64_t)row->size;
	if (study->changed < row->arrived_ms)
		study->changed = row->arrived_ms;
	return true;
}

bool
existing_find(
    struct db *db, struct str sop_instance, struct existing *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;
	struct str sha256;

	*out = (struct existing){.id = 0};
	if (!db_query(db,
		"SELECT id, size, sha256, syntax, path FROM instance"
		" WHERE SOPInstanceUID = ?",
		DB_ARGS(db_str(sop_instance)), &q, e))
		return false;
	step = db_step(q, e);
	if (step != DB_STEP_ROW)
		return step == DB_STEP_DONE;
	out->id = db_column_int(q, 0);
	out->size = (uint64_t)db_column_int(q, 1);
	sha256 = db_column(q, 2);
	if (sha256.n == sizeof(out->sha256))
		memcpy(out->sha256, sha256.p, sha256.n);
	(void)str_copy(out->syntax, sizeof(out->syntax), db_column(q, 3));
	(void)str_copy(out->path, sizeof(out->path), db_column(q, 4));
	db_reset(q);
	return true;
}
