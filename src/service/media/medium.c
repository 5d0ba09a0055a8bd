/*
 * Names and records of a medium, level by level.
 *
 * A patient, study or series gets its number with the first instance that is
 * placed below it, and its record with the first that has a file.
 */
#include "service/media/medium.h"

#include "base/limit.h"
#include "base/map.h"
#include "base/utf8.h"
#include "dicom/dicomdir.h"
#include "dicom/recode.h"
#include "service/header.h"
#include "service/media/readme.h"
#include "service/media/spool.h"

#include <zlib.h>

#define FILE_SET_ID "FILEROOM"
/* What fits the six digits of a name. */
#define NUMBER_MAX 999999
/* Lines of the README that name what is not regular. */
#define OTHERS_MAX 2000

/* A patient, study or series. */
struct medium_level {
	struct medium_level *above;
	uint32_t record; /* DICOMDIR_ROOT: not yet */
	unsigned number, below;
	bool counted;
	char name[9];
};

/* Files of a series in a transfer syntax that is not regular. */
struct other {
	struct other *next;
	const struct medium_level *series;
	const char *syntax;
	uint64_t files;
};

struct medium {
	struct store *store;
	struct arena arena; /* levels, others */
	struct map levels, patient_ids, others;
	struct other *first_other, **last_other;
	struct dicomdir *dicomdir;
	struct spool records;
	struct spool parts[MEDIUM_PARTS];
	uint32_t crc32[MEDIUM_PARTS];
	unsigned patients;
	struct readme counts;
};

static bool
append_record(void *ctx, struct str bytes, struct err *e)
{
	return spool_append(ctx, bytes, e);
}

static bool
read_record(void *ctx, uint64_t at, uint8_t *p, size_t n, struct err *e)
{
	return spool_read(ctx, at, p, n, e);
}

struct medium *
medium_new(struct store *store)
{
	struct medium *m = must_zalloc(sizeof(*m));
	struct dicomdir_room room = {append_record, read_record, &m->records};
	int i;

	m->store = store;
	arena_init(&m->arena, LIMIT_PACK_ARENA);
	map_init(&m->levels);
	map_init(&m->patient_ids);
	map_init(&m->others);
	m->last_other = &m->first_other;
	spool_init(&m->records, store);
	for (i = 0; i < MEDIUM_PARTS; i++)
		spool_init(&m->parts[i], store);
	m->dicomdir = dicomdir_new(FILE_SET_ID, &room);
	return m;
}

void
medium_free(struct medium **mp)
{
	struct medium *m = *mp;
	int i;

	*mp = NULL;
	if (m == NULL)
		return;
	dicomdir_free(&m->dicomdir);
	for (i = 0; i < MEDIUM_PARTS; i++)
		spool_fini(&m->parts[i]);
	spool_fini(&m->records);
	map_fini(&m->others);
	map_fini(&m->patient_ids);
	map_fini(&m->levels);
	arena_fini(&m->arena);
	free(m);
}

bool
medium_syntax_allowed(struct str syntax)
{
	/* PS3.11 Annexes D, H, J, M and N: STD-GEN-CD, -DVD, -USB, -BD with
	 * their -JPEG, -J2K and -MPEG forms. */
	static const char *const allowed[] = {UID_ExplicitVRLittleEndian,
	    UID_JPEGBaseline8Bit, UID_JPEGExtended12Bit, UID_JPEGLosslessSV1,
	    UID_JPEG2000Lossless, UID_JPEG2000, UID_MPEG2MPML, UID_MPEG2MPHL,
	    UID_MPEG4HP41, UID_MPEG4HP41BD, UID_MPEG4HP422D, UID_MPEG4HP423D,
	    UID_MPEG4HP42STEREO};
	size_t i;

	for (i = 0; i < ARRAY_LEN(allowed); i++)
		if (str_eq_text(syntax, allowed[i]))
			return true;
	return false;
}

uint64_t
medium_others(const struct medium *m)
{
	return m->counts.others;
}

/* The level with this key, made if there is none yet. */
static bool
enter(struct medium *m, const char *key, const char *prefix,
    struct medium_level *above, struct medium_level **out, struct err *e)
{
	unsigned *count = above != NULL ? &above->below : &m->patients;
	struct medium_level *level;

	*out = map_get(&m->levels, str_from(key));
	if (*out != NULL)
		return true;
	level = arena_alloc(&m->arena, sizeof(*level));
	if (level == NULL || *count == NUMBER_MAX)
		return fail(e, ERR_LIMIT, "too much for one medium");
	level->above = above;
	level->record = DICOMDIR_ROOT;
	level->number = ++*count;
	snprintf(
	    level->name, sizeof(level->name), "%s%06u", prefix, level->number);
	(void)map_put(&m->levels, str_from(key), level);
	*out = level;
	return true;
}

bool
medium_place(struct medium *m, const struct index_row *row,
    struct medium_place *out, struct err *e)
{
	const struct str *v = row->value;
	const char *patient, *study, *series;
	struct arena a;
	bool ok;

	*out = (struct medium_place){.number = 0};
	arena_init(&a, 256 * KIB);
	patient = arena_printf(&a, "p%.*s\n%.*s\n%.*s",
	    STR_ARG(v[COLUMN_PatientID]), STR_ARG(v[COLUMN_IssuerOfPatientID]),
	    STR_ARG(v[COLUMN_PatientName]));
	study = arena_printf(&a, "s%.*s", STR_ARG(v[COLUMN_StudyInstanceUID]));
	series =
	    arena_printf(&a, "e%.*s\n%.*s", STR_ARG(v[COLUMN_StudyInstanceUID]),
		STR_ARG(v[COLUMN_SeriesInstanceUID]));
	if (a.over)
		ok = fail(e, ERR_LIMIT, "too much for one medium");
	else
		ok = enter(m, patient, "PT", NULL, &out->patient, e) &&
		     enter(m, study, "ST", out->patient, &out->study, e) &&
		     enter(m, series, "SE", out->study, &out->series, e);
	arena_fini(&a);
	if (!ok)
		return false;
	/* A study is one patient's. */
	out->patient = out->study->above;
	if (out->series->below == NUMBER_MAX)
		return fail(e, ERR_LIMIT, "too many images in one series");
	out->number = ++out->series->below;
	snprintf(out->path, sizeof(out->path), "DICOM/%s/%s/%s/IM%06u",
	    out->patient->name, out->study->name, out->series->name,
	    out->number);
	return true;
}

/* What the directory says as the index has it. */
static const struct {
	enum column column;
	uint32_t tag;
} indexed[] = {
#define INDEXED(keyword)                                                       \
	{                                                                      \
		COLUMN_##keyword, TAG_##keyword                                \
	}
    INDEXED(PatientID),
    INDEXED(IssuerOfPatientID),
    INDEXED(PatientName),
    INDEXED(PatientBirthDate),
    INDEXED(PatientSex),
    INDEXED(StudyInstanceUID),
    INDEXED(StudyID),
    INDEXED(StudyDate),
    INDEXED(StudyTime),
    INDEXED(AccessionNumber),
    INDEXED(StudyDescription),
    INDEXED(ReferringPhysicianName),
    INDEXED(SeriesInstanceUID),
    INDEXED(SeriesNumber),
    INDEXED(Modality),
    INDEXED(SeriesDate),
    INDEXED(SeriesTime),
    INDEXED(SeriesDescription),
    INDEXED(BodyPartExamined),
    INDEXED(InstanceNumber),
#undef INDEXED
};

static bool
put_indexed(struct dataset *ds, const struct index_row *row)
{
	struct str v;
	size_t i;

	for (i = 0; i < ARRAY_LEN(indexed); i++) {
		v = row->value[indexed[i].column];
		if (v.n > 0 && !dataset_put(ds, indexed[i].tag,
				   dict_vr(indexed[i].tag), v))
			return false;
	}
	return true;
}

static bool
wanted(void *ctx, uint32_t tag)
{
	const bool *plain = ctx;

	return directory_wanted(tag) && !(*plain && dict_vr(tag) == VR_SQ);
}

/* Text of a VR that somebody did not know is text. */
static void
correct_vrs(struct dataset *ds)
{
	size_t i;

	for (i = 0; i < ds->n; i++)
		if (ds->elements[i].vr == VR_UN &&
		    dict_vr(ds->elements[i].tag) != VR_SQ)
			ds->elements[i].vr = dict_vr(ds->elements[i].tag);
}

/* What is to be known of an instance, texts in UTF-8; its header is read
 * without sequences where it is too large, and passed over where it cannot be
 * read: then the index has to do. */
static struct dataset *
gather(const struct index_row *row, const struct object_file *file,
    struct arena *a, struct str *charset)
{
	uint32_t stop = directory_stop_tag(row->value[COLUMN_SOPClassUID]);
	struct dataset *ds;
	struct err e;
	bool plain;
	int i;

	for (i = 0; i < 3; i++) {
		arena_reset(a);
		plain = i > 0;
		ds = NULL;
		*charset = STR("");
		if (i == 2)
			ds = dataset_new(a);
		else if (!header_read(file, wanted, &plain, stop, a, &ds, &e))
			continue;
		must(ds != NULL);
		*charset =
		    arena_dup(a, dataset_str(ds, TAG_SpecificCharacterSet));
		correct_vrs(ds);
		if (dataset_to_utf8(ds, *charset) && put_indexed(ds, row))
			return ds;
	}
	return NULL;
}

/* A patient's ID is only his on one medium (F.5.1): another one with the same
 * gets a number behind it. */
static bool
choose_patient_id(
    struct medium *m, const struct medium_level *patient, struct dataset *ds)
{
	struct str id = dataset_str(ds, TAG_PatientID);
	char text[80];
	unsigned i = 1;

	if (id.n == 0)
		id = str_from(patient->name);
	while (map_get(&m->patient_ids, id) != NULL) {
		snprintf(text, sizeof(text), "%.*s_%u",
		    (int)utf8_cut(dataset_str(ds, TAG_PatientID), 56).n,
		    (const char *)dataset_str(ds, TAG_PatientID).p, ++i);
		id = str_from(text);
	}
	(void)map_put(&m->patient_ids, id, m);
	return dataset_put(ds, TAG_PatientID, VR_LO, id);
}

/* The record of a patient, study or series, if it has none yet. */
static bool
add_level(struct medium *m, enum directory_type type,
    struct medium_level *level, struct dataset *ds, struct str charset,
    struct err *e)
{
	struct directory_entry entry = {.type = type,
	    .from = ds,
	    .charset = charset,
	    .number = level->number,
	    .name = str_from(level->name)};

	if (level->record != DICOMDIR_ROOT)
		return true;
	if (type == DIRECTORY_PATIENT && !choose_patient_id(m, level, ds))
		return fail(e, ERR_LIMIT, "too much for one medium");
	return dicomdir_add(m->dicomdir,
	    level->above != NULL ? level->above->record : DICOMDIR_ROOT, &entry,
	    &level->record, e);
}

static void
file_id_of(const char *path, char out[48])
{
	size_t i;

	for (i = 0; path[i] != '\0'; i++)
		out[i] = path[i] == '/' ? '\\' : path[i];
	out[i] = '\0';
}

static bool
add_records(struct medium *m, const struct medium_place *place,
    const struct object_file *file, const char *syntax, struct dataset *ds,
    struct str charset, struct err *e)
{
	enum directory_type type =
	    directory_type(str_from(file->sop_class), ds);
	uint32_t parent = DICOMDIR_ROOT, record;
	char file_id[48];
	struct directory_entry entry = {.type = type,
	    .from = ds,
	    .charset = charset,
	    .number = place->number,
	    .sop_class = str_from(file->sop_class),
	    .sop_instance = str_from(file->sop_instance),
	    .syntax = str_from(syntax)};

	file_id_of(place->path, file_id);
	entry.file_id = str_from(file_id);
	if (!directory_type_is_root(type)) {
		if (!add_level(
			m, DIRECTORY_PATIENT, place->patient, ds, charset, e) ||
		    !add_level(
			m, DIRECTORY_STUDY, place->study, ds, charset, e) ||
		    !add_level(
			m, DIRECTORY_SERIES, place->series, ds, charset, e))
			return false;
		parent = place->series->record;
	}
	return dicomdir_add(m->dicomdir, parent, &entry, &record, e);
}

static bool
note_syntax(struct medium *m, const struct medium_place *place,
    const char *syntax, struct err *e)
{
	struct other *other;
	char key[128];

	if (medium_syntax_allowed(str_from(syntax)))
		return true;
	m->counts.others++;
	snprintf(key, sizeof(key), "%p %s", (void *)place->series, syntax);
	other = map_get(&m->others, str_from(key));
	if (other == NULL) {
		other = arena_alloc(&m->arena, sizeof(*other));
		if (other == NULL)
			return fail(e, ERR_LIMIT, "too much for one medium");
		other->series = place->series;
		other->syntax = arena_cstr(&m->arena, str_from(syntax));
		*m->last_other = other;
		m->last_other = &other->next;
		(void)map_put(&m->others, str_from(key), other);
	}
	other->files++;
	return true;
}

static void
count(struct medium *m, const struct medium_place *place)
{
	/* Of the first file below. */
	m->counts.patients += !place->patient->counted;
	m->counts.studies += !place->study->counted;
	m->counts.series += !place->series->counted;
	place->patient->counted = place->study->counted = true;
	place->series->counted = true;
	m->counts.files++;
}

bool
medium_add(struct medium *m, const struct index_row *row,
    const struct medium_place *place, const struct object_file *file,
    const char *syntax, struct err *e)
{
	struct dataset *ds;
	struct str charset;
	struct arena a;
	bool ok;

	arena_init(&a, 2 * LIMIT_DIRECTORY_RECORD);
	ds = gather(row, file, &a, &charset);
	if (ds == NULL)
		ok = fail(e, ERR_LIMIT, "the header is too large");
	else
		ok = add_records(m, place, file, syntax, ds, charset, e) &&
		     note_syntax(m, place, syntax, e);
	arena_fini(&a);
	if (ok)
		count(m, place);
	return ok;
}

static bool
add_part(
    struct medium *m, enum medium_part part, struct str bytes, struct err *e)
{
	m->crc32[part] =
	    (uint32_t)crc32(m->crc32[part], bytes.p, (uInt)bytes.n);
	return spool_append(&m->parts[part], bytes, e);
}

static bool
add_to_dicomdir(void *ctx, struct str part, struct err *e)
{
	return add_part(ctx, MEDIUM_DICOMDIR, part, e);
}

static void
name_other(struct buf *out, const struct other *other)
{
	const struct medium_level *series = other->series;
	const struct dict_uid *known = dict_uid(str_from(other->syntax));

	buf_printf(out, "  DICOM/%s/%s/%s: %llu %s,\r\n    %s (%s)\r\n",
	    series->above->above->name, series->above->name, series->name,
	    (unsigned long long)other->files,
	    other->files == 1 ? "file" : "files",
	    known != NULL ? known->name : "unknown", other->syntax);
}

static bool
end_readme(struct medium *m, struct err *e)
{
	const struct other *other;
	struct buf text;
	size_t lines = 0;
	bool ok;

	buf_init(&m->counts.other_lines, 1 * MIB);
	for (other = m->first_other; other != NULL; other = other->next)
		if (lines++ < OTHERS_MAX)
			name_other(&m->counts.other_lines, other);
	if (lines > OTHERS_MAX)
		buf_printf(&m->counts.other_lines,
		    "  and %zu more of the kind\r\n", lines - OTHERS_MAX);
	buf_init(&text, 2 * MIB);
	readme_build(&text, &m->counts);
	must(!text.over && !m->counts.other_lines.over);
	ok = add_part(m, MEDIUM_README, buf_str(&text), e);
	buf_fini(&text);
	buf_fini(&m->counts.other_lines);
	return ok;
}

bool
medium_end(struct medium *m, struct err *e)
{
	bool ok;

	ok = dicomdir_write(m->dicomdir, add_to_dicomdir, m, e) &&
	     end_readme(m, e);
	/* Its memory is no longer needed. */
	spool_fini(&m->records);
	spool_init(&m->records, m->store);
	dicomdir_free(&m->dicomdir);
	return ok;
}

const char *
medium_part_name(enum medium_part part)
{
	return part == MEDIUM_DICOMDIR ? "DICOMDIR" : "README.TXT";
}

uint64_t
medium_part_size(const struct medium *m, enum medium_part part)
{
	return spool_size(&m->parts[part]);
}

uint32_t
medium_part_crc32(const struct medium *m, enum medium_part part)
{
	return m->crc32[part];
}

bool
medium_part_read(const struct medium *m, enum medium_part part, uint64_t at,
    uint8_t *p, size_t n, struct err *e)
{
	return spool_read(&m->parts[part], at, p, n, e);
}
