/*
 * The table of fields.
 */
#include "hl7/field.h"

/* LO, SH and the like of fields.def to types that are converted alike. */
static const struct field_info infos[] = {
#define FIELD(id, name, type, room, segment, position, component)              \
	{#id, name, FIELD_TYPE_##type, room,                                   \
	    FIELD_##id == FIELD_PatientID ||                                   \
		FIELD_##id == FIELD_PatientName ||                             \
		FIELD_##id == FIELD_RequestedProcedureID},
#include "hl7/fields.def"
#undef FIELD
};

const struct field_info *
field_info(enum field f)
{
	must((size_t)f < ARRAY_LEN(infos));
	return &infos[f];
}

enum field
field_find(struct str name)
{
	size_t i;

	name = str_trim(name);
	for (i = 0; i < FIELD_COUNT; i++)
		if (str_eq_nocase(name, str_from(infos[i].keyword)) ||
		    str_eq_nocase(name, str_from(infos[i].name)))
			break;
	return (enum field)i;
}
