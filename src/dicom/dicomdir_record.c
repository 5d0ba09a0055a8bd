/*
 * One directory record: which keys, from where, and what instead.
 */
#include "dicom/dicomdir.h"

#include "base/limit.h"
#include "dicom/build.h"
#include "dicom/recode.h"
#include "dicom/value.h"

#define TAG_ITEM TAG(0xfffe, 0xe000)

/* What our records of type PRIVATE are: instances of classes that no type of
 * the standard stands for (F.6.1). */
#define PRIVATE_RECORD_UID "2.25.204179035182734056718930274615508213947"

#define NO_DATE "19000101"
#define NO_TIME "000000"

enum instead { NOTHING, LITERAL, NUMBER, NAME, DATE, TIME, CODE };

struct key_info {
	enum directory_type type;
	uint32_t tag;
	int need;
	enum instead instead;
	const char *literal;
};

static const struct key_info keys[] = {
#define DIRECTORY_KEY(type, attribute, need, instead, literal)                 \
	{DIRECTORY_##type, TAG_##attribute, need, instead, literal},
#include "dicom/dicomdir.def"
};

static const char *const type_names[] = {
#define DIRECTORY_RECORD(type, name) name,
#include "dicom/dicomdir.def"
};

static const struct {
	const char *uid;
	enum directory_type type;
} classes[] = {
#define DIRECTORY_CLASS(uid, type) {UID_##uid, DIRECTORY_##type},
#include "dicom/dicomdir.def"
};

/* Where another date is taken from, the nearest first. */
static const uint32_t dates[] = {TAG_ContentDate, TAG_AcquisitionDate,
    TAG_InstanceCreationDate, TAG_SeriesDate, TAG_StudyDate};

/* Also read, and no keys. */
static const uint32_t sources[] = {TAG_RelatedGeneralSOPClassUID,
    TAG_VerifyingObserverSequence, TAG_Rows, TAG_Columns};

/* A record being made. */
struct make {
	const struct directory_entry *entry;
	struct dataset *ds;
	bool plain; /* without sequences that it can do without */
};

const char *
directory_type_name(enum directory_type type)
{
	must(type < DIRECTORY_TYPES);
	return type_names[type];
}

bool
directory_type_is_root(enum directory_type type)
{
	switch (type) {
	case DIRECTORY_HANGING_PROTOCOL:
	case DIRECTORY_PALETTE:
	case DIRECTORY_IMPLANT:
	case DIRECTORY_IMPLANT_ASSY:
	case DIRECTORY_IMPLANT_GROUP:
		return true;
	default:
		return false;
	}
}

static bool
is_listed(struct str sop_class, enum directory_type *type)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(classes); i++) {
		if (!str_eq_text(sop_class, classes[i].uid))
			continue;
		*type = classes[i].type;
		return true;
	}
	return false;
}

enum directory_type
directory_type(struct str sop_class, const struct dataset *ds)
{
	const struct dict_uid *known = dict_uid(sop_class);
	enum directory_type type;

	if (is_listed(sop_class, &type))
		return type;
	if (ds != NULL && dataset_find(ds, TAG_Rows) != NULL &&
	    dataset_find(ds, TAG_Columns) != NULL)
		return DIRECTORY_IMAGE;
	if (known != NULL && strstr(known->keyword, "ImageStorage") != NULL)
		return DIRECTORY_IMAGE;
	return DIRECTORY_PRIVATE;
}

static bool
is_among(const uint32_t *tags, size_t n, uint32_t tag)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (tags[i] == tag)
			return true;
	return false;
}

bool
directory_wanted(uint32_t tag)
{
	size_t i;

	if (tag == TAG_SpecificCharacterSet)
		return true;
	for (i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].tag == tag)
			return true;
	return is_among(dates, ARRAY_LEN(dates), tag) ||
	       is_among(sources, ARRAY_LEN(sources), tag);
}

uint32_t
directory_stop_tag(struct str sop_class)
{
	uint32_t stop = TAG_Columns + 1;
	enum directory_type type;
	size_t i;

	if (!is_listed(sop_class, &type))
		return stop;
	/* The document itself stands before its MIME type, which its class
	 * tells. */
	if (type == DIRECTORY_ENCAP_DOC)
		return TAG_EncapsulatedDocument;
	for (i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].type == type && keys[i].tag >= stop)
			stop = keys[i].tag + 1;
	return stop;
}

bool
directory_file_id_valid(struct str id)
{
	struct str part;
	unsigned parts = 0;
	size_t i;

	while (str_split(&id, '\\', &part)) {
		if (part.n < 1 || part.n > 8 || ++parts > 8)
			return false;
		for (i = 0; i < part.n; i++)
			if (!(part.p[i] >= 'A' && part.p[i] <= 'Z') &&
			    !(part.p[i] >= '0' && part.p[i] <= '9') &&
			    part.p[i] != '_')
				return false;
	}
	return parts > 0;
}

/* An integer string as the standard has it. */
static bool
is_integer(struct str v)
{
	int64_t n;

	return v.n <= 12 && str_i64(v, &n) && n >= INT32_MIN && n <= INT32_MAX;
}

/* The value, if it is one of its kind; else empty. room: for another form. */
static struct str
good_value(const struct element *element, enum vr vr, char room[14])
{
	struct str v = str_trim(element->value);
	struct datetime dt;

	switch (vr) {
	case VR_DA:
		return date_parse(v, room) ? str_from(room) : STR("");
	case VR_TM:
		if (!time_parse(v, false, room))
			return STR("");
		return str_find(v, ':') < v.n ? str_from(room) : v;
	case VR_DT:
		return datetime_parse(v, false, &dt) ? v : STR("");
	case VR_IS:
		return is_integer(v) ? v : STR("");
	case VR_US:
		return element->value.n == 2 ? element->value : STR("");
	case VR_UL:
		return element->value.n == 4 ? element->value : STR("");
	default:
		return v;
	}
}

/* In a slice of room or of ds. */
static struct str
value_of(const struct dataset *ds, uint32_t tag, char room[14])
{
	const struct element *element;

	element = ds != NULL ? dataset_find(ds, tag) : NULL;
	if (element == NULL || element->skipped || element->vr == VR_SQ)
		return STR("");
	return good_value(element, dict_vr(tag), room);
}

static struct str
other_date(const struct dataset *ds, char room[14])
{
	struct str v = STR("");
	size_t i;

	for (i = 0; i < ARRAY_LEN(dates) && v.n == 0; i++)
		v = value_of(ds, dates[i], room);
	return v.n > 0 ? v : STR(NO_DATE);
}

/* One item that says unknown, in a coding scheme of our own (PS3.3 8.2). */
static bool
put_unknown_code(struct dataset *ds, uint32_t tag)
{
	struct dataset *item = dataset_put_item(ds, tag);

	return item != NULL &&
	       dataset_put_text(item, TAG_CodeValue, VR_SH, "UNKNOWN") &&
	       dataset_put_text(
		   item, TAG_CodingSchemeDesignator, VR_SH, "99FILEROOM") &&
	       dataset_put_text(item, TAG_CodeMeaning, VR_LO, "Unknown");
}

/* What the class says (PS3.3 A.45, A.85, A.104). */
static const char *
mime_type(struct str sop_class, const char *otherwise)
{
	if (str_eq_text(sop_class, UID_EncapsulatedPDFStorage))
		return "application/pdf";
	if (str_eq_text(sop_class, UID_EncapsulatedCDAStorage))
		return "text/XML";
	if (str_eq_text(sop_class, UID_EncapsulatedSTLStorage))
		return "model/stl";
	if (str_eq_text(sop_class, UID_EncapsulatedOBJStorage))
		return "model/obj";
	if (str_eq_text(sop_class, UID_EncapsulatedMTLStorage))
		return "model/mtl";
	return otherwise;
}

static bool
put_literal(struct make *m, const struct key_info *key)
{
	enum vr vr = dict_vr(key->tag);
	const char *text = key->literal;
	uint64_t n = 0;

	if (key->tag == TAG_MIMETypeOfEncapsulatedDocument)
		text = mime_type(m->entry->sop_class, text);
	if (vr != VR_US && vr != VR_UL)
		return dataset_put_text(m->ds, key->tag, vr, text);
	must(str_u64(str_from(text), &n) && n <= UINT16_MAX);
	return vr == VR_US ? dataset_put_u16(m->ds, key->tag, (uint16_t)n)
			   : dataset_put_u32(m->ds, key->tag, (uint32_t)n);
}

static bool
put_instead(struct make *m, const struct key_info *key)
{
	enum vr vr = dict_vr(key->tag);
	char room[14];

	switch (key->instead) {
	case LITERAL:
		return put_literal(m, key);
	case NUMBER:
		snprintf(room, sizeof(room), "%u", m->entry->number);
		return dataset_put_text(m->ds, key->tag, vr, room);
	case NAME:
		return dataset_put(m->ds, key->tag, vr, m->entry->name);
	case DATE:
		return dataset_put(
		    m->ds, key->tag, vr, other_date(m->entry->from, room));
	case TIME:
		return dataset_put_text(m->ds, key->tag, vr, NO_TIME);
	case CODE:
		return put_unknown_code(m->ds, key->tag);
	case NOTHING:
		break;
	}
	return dataset_put_text(m->ds, key->tag, vr, "");
}

/* An item being copied, of a sequence 'tag' into 'parent'. */
struct copy {
	const struct dataset *from;
	size_t at;
	struct dataset *to, *parent;
	uint32_t tag;
};

/* Its next element; *below is where it goes on if that has items. */
static bool
copy_element(struct copy *top, struct copy *below)
{
	const struct element *element = &top->from->elements[top->at++];

	below->from = NULL;
	if (element->skipped)
		return true;
	if (element->items == NULL)
		return dataset_put(
		    top->to, element->tag, element->vr, element->value);
	*below = (struct copy){.from = element->items,
	    .parent = top->to,
	    .tag = element->tag,
	    .to = dataset_put_item(top->to, element->tag)};
	return below->to != NULL;
}

/* One item with all that is in it. */
static bool
copy_item(struct dataset *ds, uint32_t tag, const struct dataset *item)
{
	struct copy stack[LIMIT_SQ_DEPTH + 1], *top;
	unsigned n = 1;

	stack[0] = (struct copy){
	    .from = item, .to = dataset_put_item(ds, tag), .tag = tag};
	while (n > 0) {
		top = &stack[n - 1];
		if (top->to == NULL || n == ARRAY_LEN(stack))
			return false;
		if (top->at < top->from->n) {
			if (!copy_element(top, &stack[n]))
				return false;
			if (stack[n].from != NULL)
				n++;
		} else if (n > 1 && top->from->next != NULL) {
			top->from = top->from->next;
			top->at = 0;
			top->to = dataset_put_item(top->parent, top->tag);
		} else {
			n--;
		}
	}
	return true;
}

/* Of the content of a document only what modifies its title (F.5.25). */
static bool
is_left_out(uint32_t tag, const struct dataset *item)
{
	return tag == TAG_ContentSequence &&
	       !str_eq_text(
		   dataset_str(item, TAG_RelationshipType), "HAS CONCEPT MOD");
}

static bool
put_sequence(struct make *m, const struct key_info *key)
{
	const struct dataset *from = m->entry->from, *item;
	const struct element *element;
	bool some = false;

	element = from != NULL ? dataset_find(from, key->tag) : NULL;
	item = element != NULL && (!m->plain || key->need == 1) ? element->items
								: NULL;
	for (; item != NULL; item = item->next) {
		if (is_left_out(key->tag, item))
			continue;
		some = true;
		if (!copy_item(m->ds, key->tag, item))
			return false;
	}
	if (some || key->need == 3)
		return true;
	return key->need == 1 ? put_instead(m, key)
			      : dataset_put_text(m->ds, key->tag, VR_SQ, "");
}

/* The latest of those who verified it, or when it was written. */
static bool
put_verified(struct make *m)
{
	const struct element *observers;
	const struct dataset *item;
	struct str v, latest = STR("");
	char text[32], date[14], time[14];

	if (m->entry->from == NULL ||
	    !str_eq_text(
		dataset_str(m->entry->from, TAG_VerificationFlag), "VERIFIED"))
		return true;
	observers = dataset_find(m->entry->from, TAG_VerifyingObserverSequence);
	item = observers != NULL ? observers->items : NULL;
	for (; item != NULL; item = item->next) {
		v = value_of(item, TAG_VerificationDateTime, date);
		if (str_cmp(v, latest) > 0)
			latest = v;
	}
	if (latest.n > 0)
		return dataset_put(
		    m->ds, TAG_VerificationDateTime, VR_DT, latest);
	v = other_date(m->entry->from, date);
	latest = value_of(m->entry->from, TAG_ContentTime, time);
	snprintf(
	    text, sizeof(text), "%.8s%.*s", (const char *)v.p, STR_ARG(latest));
	return dataset_put_text(m->ds, TAG_VerificationDateTime, VR_DT, text);
}

static bool
put_key(struct make *m, const struct key_info *key)
{
	enum vr vr = dict_vr(key->tag);
	char room[14];
	struct str v;

	if (vr == VR_SQ)
		return put_sequence(m, key);
	if (key->tag == TAG_VerificationDateTime)
		return put_verified(m);
	v = value_of(m->entry->from, key->tag, room);
	if (v.n > 0 || key->need == 2)
		return dataset_put(m->ds, key->tag, vr, v);
	return key->need == 1 ? put_instead(m, key) : true;
}

static bool
put_file(struct make *m)
{
	const struct directory_entry *entry = m->entry;
	struct str general;
	char room[14];

	if (entry->file_id.n == 0)
		return true;
	must(directory_file_id_valid(entry->file_id));
	general = value_of(entry->from, TAG_RelatedGeneralSOPClassUID, room);
	if (general.n > 0 &&
	    !dataset_put(m->ds, TAG_ReferencedRelatedGeneralSOPClassUIDInFile,
		VR_UI, general))
		return false;
	/* What has no class is a file, and no instance (F.3.2.2). */
	if (entry->sop_class.n > 0 &&
	    !dataset_put(m->ds, TAG_ReferencedSOPClassUIDInFile, VR_UI,
		entry->sop_class))
		return false;
	return dataset_put(
		   m->ds, TAG_ReferencedFileID, VR_CS, entry->file_id) &&
	       dataset_put(m->ds, TAG_ReferencedSOPInstanceUIDInFile, VR_UI,
		   entry->sop_instance) &&
	       dataset_put(m->ds, TAG_ReferencedTransferSyntaxUIDInFile, VR_UI,
		   entry->syntax);
}

/* The first three stand where dicomdir.c sets them. */
static bool
put_links(struct make *m)
{
	enum directory_type type = m->entry->type;

	return dataset_put_u32(m->ds, TAG_OffsetOfTheNextDirectoryRecord, 0) &&
	       dataset_put_u16(m->ds, TAG_RecordInUseFlag, 0xffff) &&
	       dataset_put_u32(
		   m->ds, TAG_OffsetOfReferencedLowerLevelDirectoryEntity, 0) &&
	       dataset_put_text(m->ds, TAG_DirectoryRecordType, VR_CS,
		   directory_type_name(type)) &&
	       (type != DIRECTORY_PRIVATE ||
		   dataset_put_text(
		       m->ds, TAG_PrivateRecordUID, VR_UI, PRIVATE_RECORD_UID));
}

static bool
fill(struct make *m)
{
	size_t i;

	if (!put_links(m) || !put_file(m))
		return false;
	for (i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].type == m->entry->type && !put_key(m, &keys[i]))
			return false;
	return dataset_recode(m->ds, m->entry->charset);
}

static bool
try_build(struct buf *out, const struct directory_entry *entry, bool plain)
{
	struct syntax s = syntax_of(STR(UID_ExplicitVRLittleEndian));
	struct make m = {.entry = entry, .plain = plain};
	size_t at = out->n, body;
	struct arena a;
	struct err e;
	bool ok;

	arena_init(&a, 2 * LIMIT_DIRECTORY_RECORD);
	m.ds = dataset_new(&a);
	build_header(out, TAG_ITEM, VR_NONE, 0, s);
	body = out->n;
	ok = m.ds != NULL && fill(&m) && !a.over &&
	     build_dataset(out, m.ds, s, &e) && !out->over;
	if (ok)
		buf_set_u32le(out, body - 4, (uint32_t)(out->n - body));
	else
		out->n = at;
	out->over = false;
	arena_fini(&a);
	return ok;
}

bool
directory_build(
    struct buf *out, const struct directory_entry *entry, struct err *e)
{
	if (try_build(out, entry, false) || try_build(out, entry, true))
		return true;
	return fail(e, ERR_LIMIT, "a directory record is larger than %lu KiB",
	    LIMIT_DIRECTORY_RECORD / KIB);
}
