/*
 * Value representations (PS3.5 6.2, table vrs.def).
 */
#ifndef DICOM_VR_H
#define DICOM_VR_H

#include "base/str.h"

enum vr {
	VR_NONE = 0, /* implicit VR and unknown to the dictionary, or items */
#define VR(name, long_length, kind, unit, max) VR_##name,
#include "dicom/vrs.def"
#undef VR
	VR_COUNT
};

enum vr_kind {
	VR_KIND_TEXT,  /* character string in the default repertoire */
	VR_KIND_LOCAL, /* text that Specific Character Set applies to */
	VR_KIND_BINARY,
	VR_KIND_SEQUENCE
};

/* From the two bytes of an explicit VR; VR_NONE if not one of PS3.5 6.2. */
enum vr vr_from_bytes(uint8_t a, uint8_t b);
const char *vr_name(enum vr vr); /* "CS"; "UN" for VR_NONE */
/* Explicit VR with a 32-bit length field (PS3.5 7.1.2). */
bool vr_is_long(enum vr vr);
enum vr_kind vr_kind(enum vr vr);
/* Bytes that belong together and are swapped in big endian: 1, 2, 4 or 8. */
unsigned vr_unit(enum vr vr);
/* Greatest length of one value in characters, 0 for no limit. */
unsigned vr_max(enum vr vr);
/* Padding byte to even length: space, or 0 for UI and binary. */
uint8_t vr_pad(enum vr vr);
/* True for text whose backslash separates values (not LT, ST, UT, UR). */
bool vr_is_multi(enum vr vr);

#endif
