/*
 * The dictionaries of PS3.6 and PS3.7, from tags.def, uids.def, statuses.def.
 */
#ifndef DICOM_DICT_H
#define DICOM_DICT_H

#include "dicom/vr.h"

/* Group in the high half, element in the low. */
#define TAG(group, element) ((uint32_t)(group) << 16 | (uint32_t)(element))
#define TAG_GROUP(tag)      ((uint16_t)((tag) >> 16))
#define TAG_ELEMENT(tag)    ((uint16_t)((tag)&0xffff))
#define TAG_IS_PRIVATE(tag) ((TAG_GROUP(tag) & 1) != 0)

enum {
#define DICOM_TAG(tag, vr, vm, keyword, name, retired)                         \
	TAG_##keyword = (int)(tag),
#include "dicom/tags.def"
#undef DICOM_TAG
};

struct dict_tag {
	uint32_t tag;
	enum vr vr; /* the first, where the standard allows several */
	const char *vm;
	const char *keyword;
	const char *name;
	bool retired;
};

/* NULL when the dictionary has no such tag. Repeating groups (50xx, 60xx) and
 * group lengths (gggg,0000) are found; private tags are not. */
const struct dict_tag *dict_tag(uint32_t tag);
const struct dict_tag *dict_keyword(struct str keyword);
/* "PatientID" or "(0010,0020)" or "00100020". */
bool dict_tag_parse(struct str text, uint32_t *tag);
/* VR for implicit syntaxes: the dictionary's, UL for group lengths, LO for
 * private creators, UN otherwise. */
enum vr dict_vr(uint32_t tag);

enum uid_kind {
	UID_KIND_TRANSFER_SYNTAX,
	UID_KIND_STORAGE, /* storage SOP class (PS3.4 Annex B, I, GG) */
	UID_KIND_SERVICE, /* any other SOP class or meta class */
	UID_KIND_OTHER    /* application contexts, well-known instances */
};

struct dict_uid {
	const char *uid;
	const char *keyword; /* UID_<keyword> below */
	const char *name;
	enum uid_kind kind;
	bool retired;
};

const struct dict_uid *dict_uid(struct str uid); /* trailing NUL ignored */
/* The i-th entry in the order of uids.def, NULL past the end. */
const struct dict_uid *dict_uid_at(size_t i);

/* UID_<keyword> as NUL-terminated constants. */
#define DICOM_UID(keyword, uid, name, kind, retired)                           \
	static const char UID_##keyword[] __attribute__((unused)) = uid;
#include "dicom/uids.def"
#undef DICOM_UID

/* How the bytes of a transfer syntax are laid out (PS3.5 Annex A). */
struct syntax {
	const char *uid;
	bool explicit_vr;
	bool big_endian;
	bool deflated;
	bool encapsulated; /* Pixel Data in fragments */
};
/* For an unknown UID: explicit VR little endian, encapsulated (what PS3.5 A.4
 * demands of every compressed syntax), with the given uid pointer NULL. */
struct syntax syntax_of(struct str uid);

/* DIMSE statuses (PS3.7 Annex C, PS3.4 service classes). */
enum {
#define DICOM_STATUS(value, keyword, meaning, clause)                          \
	STATUS_##keyword = (value),
#include "dicom/statuses.def"
#undef DICOM_STATUS
};
const char *status_name(uint16_t status); /* "Success", "Out of Resources" … */
bool status_is_pending(uint16_t status);
bool status_is_warning(uint16_t status);

#endif
