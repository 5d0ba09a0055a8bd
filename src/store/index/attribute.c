/*
 * Attributes of the index, see attribute.h.
 *
 * Specific Character Set (0008,0005) stands before every text, but is applied
 * at the end only, so that its place does not matter. Of each value at most
 * LIMIT_INDEX_VALUE bytes are kept while parsing, and ATTRIBUTE_TEXT_MAX in the
 * index.
 */
#include "store/index/attribute.h"

#include "base/limit.h"
#include "base/utf8.h"
#include "dicom/charset.h"
#include "dicom/value.h"

#include <inttypes.h>

#define CHARSET COLUMN_COUNT

static bool
on_element(void *ctx, const struct parse_element *element, struct err *e)
{
	struct capture *c = ctx;
	enum column column;

	(void)e;
	c->current = -1;
	if (element->depth > 0)
		return true;
	if (element->tag == TAG_SpecificCharacterSet) {
		c->current = CHARSET;
	} else {
		column = column_of_tag(element->tag);
		if (column == COLUMN_COUNT ||
		    column_info(column)->kind == COLUMN_KIND_MADE)
			return true;
		c->current = (int)column;
	}
	/* A repeated tag: the first wins. */
	if (c->value[c->current].seen) {
		c->current = -1;
		return true;
	}
	c->value[c->current].seen = true;
	c->value[c->current].at = c->bytes.n;
	return true;
}

static bool
on_value(void *ctx, struct str part, struct err *e)
{
	struct capture *c = ctx;
	size_t room;

	(void)e;
	if (c->current < 0)
		return true;
	room = LIMIT_INDEX_VALUE - c->value[c->current].n;
	if (part.n > room)
		part.n = room;
	buf_add(&c->bytes, part);
	c->value[c->current].n += part.n;
	return true;
}

static bool
on_value_end(void *ctx, struct err *e)
{
	(void)e;
	((struct capture *)ctx)->current = -1;
	return true;
}

static bool
on_item(void *ctx, bool fragment, uint32_t length, struct err *e)
{
	(void)fragment;
	(void)length;
	return on_value_end(ctx, e);
}

const struct parse_events capture_events = {
    .element = on_element,
    .value = on_value,
    .value_end = on_value_end,
    .item = on_item,
};

void
capture_init(struct capture *c)
{
	*c = (struct capture){.current = -1};
	buf_init(&c->bytes, (COLUMN_COUNT + 1) * LIMIT_INDEX_VALUE);
}

void
capture_fini(struct capture *c)
{
	buf_fini(&c->bytes);
}

static struct str
raw(const struct capture *c, int i)
{
	if (c->value[i].n == 0)
		return STR("");
	return str_of(c->bytes.p + c->value[i].at, c->value[i].n);
}

struct str
index_text(struct arena *a, enum column_kind kind, struct str utf8)
{
	char date[9];
	int64_t number;

	if (kind == COLUMN_KIND_DATE && date_parse(utf8, date))
		return arena_dup(a, str_from(date));
	if (kind == COLUMN_KIND_INT && str_i64(utf8, &number))
		return str_from(arena_printf(a, "%" PRId64, number));
	return utf8;
}

static bool
is_local(enum column_kind kind)
{
	return kind == COLUMN_KIND_TEXT || kind == COLUMN_KIND_NAME;
}

/* The value as text of the index: UTF-8, without padding, cut. */
static struct str
decoded(struct arena *a, const struct capture *c, enum column column,
    struct buf *scratch)
{
	enum column_kind kind = column_info(column)->kind;
	struct str charset = is_local(kind) ? raw(c, CHARSET) : STR("");
	struct str text = str_trim(raw(c, (int)column));

	if (text.n == 0)
		return STR("");
	buf_clear(scratch);
	charset_decode(charset, text, kind == COLUMN_KIND_NAME, scratch, NULL);
	text =
	    str_trim(utf8_cut(str_trim(buf_str(scratch)), ATTRIBUTE_TEXT_MAX));
	return index_text(a, kind, arena_dup(a, text));
}

static bool
uid_fits(struct str uid)
{
	size_t i;

	if (uid.n == 0 || uid.n >= UID_ROOM)
		return false;
	for (i = 0; i < uid.n; i++)
		if (uid.p[i] < 0x20 || uid.p[i] > 0x7e || uid.p[i] == '\\')
			return false;
	return true;
}

static struct str
uid_derived(struct arena *a, struct str seed)
{
	char uid[UID_ROOM];

	uid_from_hash(seed, uid);
	return arena_dup(a, str_from(uid));
}

static struct str
uid_kept(struct arena *a, struct str raw_uid)
{
	struct str uid = str_trim(raw_uid);

	if (uid.n == 0)
		return STR("");
	return uid_fits(uid) ? arena_dup(a, uid) : uid_derived(a, uid);
}

/* Parts that mean something only together, as one seed. */
static struct str
derived_from(
    struct arena *a, const char *what, const struct str *parts, size_t n)
{
	struct buf seed;
	struct str uid;
	size_t i;

	buf_init(&seed, 64 * KIB);
	buf_text(&seed, what);
	for (i = 0; i < n; i++) {
		buf_u8(&seed, '\n');
		buf_add(&seed, parts[i]);
	}
	uid = uid_derived(a, buf_str(&seed));
	buf_fini(&seed);
	return uid;
}

static void
complete_study(struct arena *a, struct str *v)
{
	const struct str who[] = {v[COLUMN_PatientID],
	    v[COLUMN_IssuerOfPatientID], v[COLUMN_PatientName],
	    v[COLUMN_PatientBirthDate], v[COLUMN_StudyID], v[COLUMN_StudyDate],
	    v[COLUMN_AccessionNumber]};

	if (v[COLUMN_StudyInstanceUID].n > 0)
		return;
	if (v[COLUMN_SeriesInstanceUID].n > 0)
		v[COLUMN_StudyInstanceUID] = derived_from(
		    a, "study of series", &v[COLUMN_SeriesInstanceUID], 1);
	else if (v[COLUMN_PatientID].n > 0)
		v[COLUMN_StudyInstanceUID] =
		    derived_from(a, "study", who, ARRAY_LEN(who));
	else
		v[COLUMN_StudyInstanceUID] = derived_from(
		    a, "study of instance", &v[COLUMN_SOPInstanceUID], 1);
}

static void
complete_series(struct arena *a, struct str *v)
{
	const struct str what[] = {v[COLUMN_StudyInstanceUID],
	    v[COLUMN_Modality], v[COLUMN_SeriesNumber]};

	if (v[COLUMN_SeriesInstanceUID].n == 0)
		v[COLUMN_SeriesInstanceUID] =
		    derived_from(a, "series", what, ARRAY_LEN(what));
}

static struct str
accents_keys(struct arena *a, struct str name)
{
	struct str part, key;
	struct buf out;

	if (name.n == 0)
		return STR("");
	buf_init(&out, ROW_ARENA);
	while (str_split(&name, '\\', &part)) {
		key = pn_accents_key(a, part);
		if (key.n == 0)
			continue;
		buf_add(&out, key);
		buf_u8(&out, '\n');
	}
	key = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return key;
}

struct str
name_keys(struct arena *a, struct str name)
{
	return utf8_fold_letters(a, accents_keys(a, name));
}

/* Who is told apart by name: strokes of letters count. */
static void
complete_patient(struct arena *a, struct row *row)
{
	const struct str *v = row->value;
	struct str name = accents_keys(a, v[COLUMN_PatientName]);

	row->identity = STR("");
	if (v[COLUMN_PatientID].n > 0)
		return;
	if (name.n > 0 && v[COLUMN_PatientBirthDate].n > 0)
		row->identity = str_from(arena_printf(a, "born %.*s\n%.*s",
		    STR_ARG(v[COLUMN_PatientBirthDate]), STR_ARG(name)));
	else
		row->identity = str_from(arena_printf(
		    a, "study %.*s", STR_ARG(v[COLUMN_StudyInstanceUID])));
}

static struct str
time_key(struct arena *a, struct str time)
{
	char key[14];

	if (!time_parse(time, false, key))
		return STR("");
	return arena_dup(a, str_from(key));
}

static void
complete_instance(const struct row_input *in, struct arena *a, struct row *row,
    struct row_mismatch *mismatch)
{
	struct str *v = row->value;
	struct str sop_class = str_trim(in->sop_class);
	struct str instance = str_trim(in->sop_instance);
	struct str own = str_trim(raw(in->capture, COLUMN_SOPInstanceUID));

	mismatch->sop_instance =
	    instance.n > 0 && own.n > 0 && !str_eq(instance, own);
	mismatch->sop_class = sop_class.n > 0 && v[COLUMN_SOPClassUID].n > 0 &&
			      !str_eq(sop_class, v[COLUMN_SOPClassUID]);
	if (v[COLUMN_SOPClassUID].n == 0)
		v[COLUMN_SOPClassUID] = uid_kept(a, sop_class);
	if (v[COLUMN_SOPInstanceUID].n == 0)
		v[COLUMN_SOPInstanceUID] = uid_kept(a, instance);
	if (v[COLUMN_SOPInstanceUID].n == 0)
		v[COLUMN_SOPInstanceUID] = uid_derived(
		    a, str_of(in->digest.sha256, sizeof(in->digest.sha256)));
}

void
row_make(const struct row_input *in, struct arena *a, struct row *out,
    struct row_mismatch *mismatch)
{
	struct buf scratch;
	int i;

	*out = (struct row){.size = 0};
	memcpy(out->sha256, in->digest.sha256, sizeof(out->sha256));
	out->crc32 = in->digest.crc32;
	/* A character of two bytes can become one of four. */
	buf_init(&scratch, 8 * LIMIT_INDEX_VALUE);
	for (i = 0; i < COLUMN_COUNT; i++) {
		if (column_info((enum column)i)->kind == COLUMN_KIND_UID)
			out->value[i] = uid_kept(a, raw(in->capture, i));
		else
			out->value[i] =
			    decoded(a, in->capture, (enum column)i, &scratch);
	}
	buf_fini(&scratch);
	/* One value (PS3.3 C.7.3.1): ModalitiesInStudy is a list of them. */
	out->value[COLUMN_Modality].n =
	    str_find(out->value[COLUMN_Modality], '\\');
	complete_instance(in, a, out, mismatch);
	complete_study(a, out->value);
	complete_series(a, out->value);
	out->patient_key = name_keys(a, out->value[COLUMN_PatientName]);
	out->referring_key =
	    name_keys(a, out->value[COLUMN_ReferringPhysicianName]);
	complete_patient(a, out);
	out->time_key[0] = time_key(a, out->value[COLUMN_StudyTime]);
	out->time_key[1] = time_key(a, out->value[COLUMN_SeriesTime]);
	/* The budget is far above what values of ATTRIBUTE_TEXT_MAX can take.
	 */
	must(!a->over);
}
