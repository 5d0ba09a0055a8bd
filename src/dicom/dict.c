/*
 * The dictionaries as sorted tables in read-only memory.
 *
 * Tags lie sorted in tags.def; keywords and UIDs are found through indexes
 * that are sorted once, at the first look-up, whichever thread comes first.
 * dict_tag() folds repeating groups (PS3.5 7.6) to the lowest tag of their
 * range, which is how they stand in tags.def.
 */
#include "dicom/dict.h"

#include <pthread.h>

#define TAG_UNKNOWN UINT32_MAX

static const struct dict_tag tags[] = {
#define DICOM_TAG(tag, vr, vm, keyword, name, retired)                         \
	{tag, VR_##vr, vm, #keyword, name, retired},
#include "dicom/tags.def"
#undef DICOM_TAG
};

static const struct dict_uid uids[] = {
#define DICOM_UID(keyword, uid, name, kind, retired)                           \
	{uid, #keyword, name, kind, retired},
#include "dicom/uids.def"
#undef DICOM_UID
};

static const struct {
	uint16_t value;
	const char *name;
} statuses[] = {
#define DICOM_STATUS(value, keyword, meaning, clause) {value, meaning},
#include "dicom/statuses.def"
#undef DICOM_STATUS
};

static const struct dict_tag *by_keyword[ARRAY_LEN(tags)];
static const struct dict_uid *by_uid[ARRAY_LEN(uids)];
static pthread_once_t sorted = PTHREAD_ONCE_INIT;

static int
compare_keywords(const void *a, const void *b)
{
	const struct dict_tag *const *x = a, *const *y = b;

	return strcmp((*x)->keyword, (*y)->keyword);
}

static int
compare_uids(const void *a, const void *b)
{
	const struct dict_uid *const *x = a, *const *y = b;

	return strcmp((*x)->uid, (*y)->uid);
}

static void
sort_all(void)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(tags); i++)
		by_keyword[i] = &tags[i];
	for (i = 0; i < ARRAY_LEN(uids); i++)
		by_uid[i] = &uids[i];
	qsort(by_keyword, ARRAY_LEN(tags), sizeof(by_keyword[0]),
	    compare_keywords);
	qsort(by_uid, ARRAY_LEN(uids), sizeof(by_uid[0]), compare_uids);
}

static const struct dict_tag *
find_tag(uint32_t tag)
{
	size_t low = 0, high = ARRAY_LEN(tags), middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (tags[middle].tag == tag)
			return &tags[middle];
		if (tags[middle].tag < tag)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The tag under which a repeating group or element stands in tags.def. */
static uint32_t
fold_tag(uint32_t tag)
{
	uint16_t group = TAG_GROUP(tag), element = TAG_ELEMENT(tag);

	switch (group >> 8) {
	case 0x50: /* curves */
	case 0x60: /* overlays */
	case 0x7f: /* variable pixel data */
		return tag & 0xff00ffff;
	default:
		break;
	}
	if (group == 0x0020 && element >> 8 == 0x31)
		return TAG(group, 0x3100);
	/* (0028,04x0) .. (0028,04x3); x is 1 in tags.def, because with 0 other
	 * elements stand there. (0028,08xx) likewise, with 0. */
	if (group == 0x0028 && element >> 8 == 0x04 && (element & 0xf0) != 0)
		return TAG(group, (element & 0xff0f) | 0x10);
	if (group == 0x0028 && element >> 8 == 0x08)
		return TAG(group, element & 0xff0f);
	if (group == 0x1000)
		return TAG(group, (element & 0x000f) | 0x10);
	if (group == 0x1010)
		return TAG(group, 0x0004);
	return TAG_UNKNOWN;
}

const struct dict_tag *
dict_tag(uint32_t tag)
{
	static const struct dict_tag group_length = {
	    0, VR_UL, "1", "GenericGroupLength", "Generic Group Length", true};
	const struct dict_tag *found = NULL;
	uint32_t folded;

	if (TAG_IS_PRIVATE(tag))
		return NULL;
	found = find_tag(tag);
	if (found != NULL)
		return found;
	if (TAG_ELEMENT(tag) == 0)
		return &group_length;
	folded = fold_tag(tag);
	return folded != TAG_UNKNOWN ? find_tag(folded) : NULL;
}

const struct dict_tag *
dict_keyword(struct str keyword)
{
	size_t low = 0, high = ARRAY_LEN(tags), middle;
	int order;

	pthread_once(&sorted, sort_all);
	while (low < high) {
		middle = low + (high - low) / 2;
		order = str_cmp(str_from(by_keyword[middle]->keyword), keyword);
		if (order == 0)
			return by_keyword[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool
hex(struct str s, uint32_t *out)
{
	uint32_t v = 0;
	size_t i;
	uint8_t c;

	for (i = 0; i < s.n; i++) {
		c = s.p[i];
		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			v = v << 4 | (uint32_t)(c - 'A' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

bool
dict_tag_parse(struct str text, uint32_t *tag)
{
	const struct dict_tag *found;
	uint32_t group, element;

	if (text.n == 8 && hex(text, tag))
		return true;
	if (text.n == 11 && text.p[0] == '(' && text.p[5] == ',' &&
	    text.p[10] == ')') {
		if (!hex(str_of(text.p + 1, 4), &group) ||
		    !hex(str_of(text.p + 6, 4), &element))
			return false;
		*tag = TAG(group, element);
		return true;
	}
	found = dict_keyword(text);
	if (found == NULL)
		return false;
	*tag = found->tag;
	return true;
}

enum vr
dict_vr(uint32_t tag)
{
	uint16_t element = TAG_ELEMENT(tag);
	const struct dict_tag *found;

	if (element == 0)
		return VR_UL;
	if (TAG_IS_PRIVATE(tag))
		return element >= 0x10 && element <= 0xff ? VR_LO : VR_UN;
	found = dict_tag(tag);
	return found != NULL ? found->vr : VR_UN;
}

const struct dict_uid *
dict_uid(struct str uid)
{
	size_t low = 0, high = ARRAY_LEN(uids), middle;
	int order;

	uid = str_trim_end(uid);
	pthread_once(&sorted, sort_all);
	while (low < high) {
		middle = low + (high - low) / 2;
		order = str_cmp(str_from(by_uid[middle]->uid), uid);
		if (order == 0)
			return by_uid[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct dict_uid *
dict_uid_at(size_t i)
{
	return i < ARRAY_LEN(uids) ? &uids[i] : NULL;
}

struct syntax
syntax_of(struct str uid)
{
	/* Those that are not explicit VR little endian, encapsulated. */
	static const struct syntax others[] = {
	    {UID_ImplicitVRLittleEndian, false, false, false, false},
	    {UID_ExplicitVRLittleEndian, true, false, false, false},
	    {UID_ExplicitVRBigEndian, true, true, false, false},
	    {UID_DeflatedExplicitVRLittleEndian, true, false, true, false},
	    /* Images are fetched from elsewhere, PS3.5 A.6 and A.7. */
	    {UID_JPIPReferenced, true, false, false, false},
	    {UID_JPIPReferencedDeflate, true, false, true, false},
	    {UID_JPIPHTJ2KReferenced, true, false, false, false},
	    {UID_JPIPHTJ2KReferencedDeflate, true, false, true, false},
	    {UID_Papyrus3ImplicitVRLittleEndian, false, false, false, false},
	    /* Only the words of Pixel Data are big endian. */
	    {UID_PrivateGEBigEndian, false, false, false, false},
	};
	const struct dict_uid *known;
	struct syntax found = {NULL, true, false, false, true};
	size_t i;

	uid = str_trim_end(uid);
	for (i = 0; i < ARRAY_LEN(others); i++)
		if (str_eq_text(uid, others[i].uid))
			return others[i];
	known = dict_uid(uid);
	if (known != NULL && known->kind == UID_KIND_TRANSFER_SYNTAX)
		found.uid = known->uid;
	return found;
}

const char *
status_name(uint16_t status)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].value == status)
			return statuses[i].name;
	/* Ranges whose low digits are the sender's own: PS3.4 B.2.3. */
	switch (status >> 8) {
	case 0xa7:
		return "Refused: Out of resources";
	case 0xa9:
		return "Error: Data Set does not match SOP Class";
	default:
		break;
	}
	switch (status >> 12) {
	case 0xa:
		return "Refused";
	case 0xb:
		return "Warning";
	case 0xc:
		return "Error: Cannot understand";
	default:
		return "Unknown status";
	}
}

bool
status_is_pending(uint16_t status)
{
	return status == STATUS_Pending || status == STATUS_PendingWarning;
}

bool
status_is_warning(uint16_t status)
{
	/* PS3.7 Annex C: 0001, Bxxx, 0107 and 0116. */
	return status == STATUS_RequestedOptionalAttributesNotSupported ||
	       status == STATUS_AttributeListError ||
	       status == STATUS_AttributeValueOutOfRange || status >> 12 == 0xb;
}
