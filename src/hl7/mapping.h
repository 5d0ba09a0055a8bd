/*
 * Where the fields of a worklist item stand in a message: for each field a
 * list of places, the first that has a value counts (F41-F44).
 */
#ifndef HL7_MAPPING_H
#define HL7_MAPPING_H

#include "hl7/er7.h"
#include "hl7/field.h"

#define MAPPING_PLACES 4

struct mapping_place {
	char segment[4];
	uint16_t position;
	uint8_t component;    /* 0: the whole field */
	uint8_t subcomponent; /* 0: the whole component */
	uint8_t repetition;   /* 0 and 1: the first */
};

struct mapping {
	struct mapping_place at[FIELD_COUNT][MAPPING_PLACES];
	uint8_t count[FIELD_COUNT];
};

/* "manual" (the default, F44), "ihe-orm", "ihe-omi", "dcm4chee", "conquest";
 * NULL when there is none of this name. */
const struct mapping *mapping_preset(const char *name);
extern const char *const mapping_presets[]; /* NULL-terminated */

/* The exchange format: a line a field, "PATIENT ID = PID 3 1" with
 * alternatives after commas, "PID 3[2] 1.1", "# comment". A field that is
 * left out has no place. ERR_USAGE names the line and what is wrong. */
bool mapping_read(struct str text, struct mapping *out, struct err *e) MUST_USE;
void mapping_write(const struct mapping *m, struct buf *out);
/* "PID 3 1" */
bool mapping_place_read(
    struct str text, struct mapping_place *out, struct err *e) MUST_USE;
void mapping_place_write(const struct mapping_place *p, struct buf *out);

#endif
