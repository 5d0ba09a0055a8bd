/*
 * The fields of a worklist item (fields.def). The first 25 are those every
 * page and the mapping table show first.
 */
#ifndef HL7_FIELD_H
#define HL7_FIELD_H

#include "base/str.h"

enum field {
#define FIELD(id, name, type, room, segment, position, component) FIELD_##id,
#include "hl7/fields.def"
#undef FIELD
	FIELD_COUNT
};

#define FIELD_SHOWN 25

enum field_type {
	FIELD_TYPE_LO, /* LO, SH, ST, LT: text */
	FIELD_TYPE_SH,
	FIELD_TYPE_ST,
	FIELD_TYPE_LT,
	FIELD_TYPE_PN,      /* XPN to PN */
	FIELD_TYPE_XCN,     /* XCN (or a bare name) to PN */
	FIELD_TYPE_DA,      /* TS to YYYYMMDD */
	FIELD_TYPE_DT_DATE, /* the date of a TS */
	FIELD_TYPE_DT_TIME, /* the time of a TS; empty without one */
	FIELD_TYPE_SEX,     /* M, F, O; else empty */
	FIELD_TYPE_CS,      /* upper case */
	FIELD_TYPE_AE,
	FIELD_TYPE_UI, /* what is no UID counts as missing */
	FIELD_TYPE_DS,
	FIELD_TYPE_PRIORITY, /* S STAT, A P C HIGH, R ROUTINE, T MEDIUM */
	FIELD_TYPE_CODE      /* CE, CWE, repetitions: code^meaning^scheme\… */
};

struct field_info {
	const char *keyword; /* the id */
	const char *name;    /* "PATIENT ID" */
	enum field_type type;
	unsigned room;
	bool required; /* PATIENT ID, PATIENT NAME, REQUESTED PROCEDURE ID */
};
const struct field_info *field_info(enum field f);
/* By keyword or name, regardless of case; FIELD_COUNT when there is none. */
enum field field_find(struct str name);

#endif
