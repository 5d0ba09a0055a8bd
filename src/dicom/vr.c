/*
 * Value representations: vrs.def as a table, PS3.5 6.2.
 */
#include "dicom/vr.h"

static const struct {
	char name[3];
	bool is_long;
	uint8_t kind, unit;
	uint16_t max;
} table[VR_COUNT] = {
    [VR_NONE] = {"UN", true, VR_KIND_BINARY, 1, 0},
#define VR(name, long_length, kind, unit, max)                                 \
	[VR_##name] = {#name, long_length, VR_KIND_##kind, unit, max},
#include "dicom/vrs.def"
#undef VR
};

enum vr
vr_from_bytes(uint8_t a, uint8_t b)
{
	int vr;

	for (vr = VR_NONE + 1; vr < VR_COUNT; vr++)
		if (a == (uint8_t)table[vr].name[0] &&
		    b == (uint8_t)table[vr].name[1])
			return (enum vr)vr;
	return VR_NONE;
}

const char *
vr_name(enum vr vr)
{
	return table[vr].name;
}

bool
vr_is_long(enum vr vr)
{
	return table[vr].is_long;
}

enum vr_kind
vr_kind(enum vr vr)
{
	return (enum vr_kind)table[vr].kind;
}

unsigned
vr_unit(enum vr vr)
{
	return table[vr].unit;
}

unsigned
vr_max(enum vr vr)
{
	return table[vr].max;
}

uint8_t
vr_pad(enum vr vr)
{
	if (vr == VR_UI)
		return 0;
	return vr_kind(vr) == VR_KIND_TEXT || vr_kind(vr) == VR_KIND_LOCAL ? ' '
									   : 0;
}

bool
vr_is_multi(enum vr vr)
{
	if (vr == VR_LT || vr == VR_ST || vr == VR_UT || vr == VR_UR)
		return false;
	return vr_kind(vr) == VR_KIND_TEXT || vr_kind(vr) == VR_KIND_LOCAL;
}
