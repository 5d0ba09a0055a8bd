/*
 * Values of HL7 data types as DICOM has them (HL7 2.5.1 chapter 2A; IHE RAD
 * TF-2 appendix B): UTF-8 in, UTF-8 out.
 */
#ifndef HL7_TYPES_H
#define HL7_TYPES_H

#include "hl7/er7.h"
#include "hl7/field.h"

/* note: what a person should know of it, or NULL. */
struct types_result {
	struct str text;
	const char *note; /* "no date", "cut after 16 characters", … */
	bool bad;         /* there was a value, and it cannot be used */
};
/* raw: a field (component 0), a component or a subcomponent as it stands in
 * the message. What does not fit in the type's room is kept whole and noted. */
struct types_result types_convert(struct arena *a, const struct er7_message *m,
    enum field f, struct str raw, bool whole_field);

/* A code whose parts begin at a component: code, meaning, scheme; of all
 * repetitions. */
struct str types_code(struct arena *a, const struct er7_message *m,
    struct str field, unsigned first);
/* TS, also dd/mm/yyyy hh:mm and yyyy-mm-dd: date[9] YYYYMMDD, time[14] HHMMSS
 * or less precise or empty. */
bool types_time(struct str ts, char date[9], char time[14]);
/* A number with its unit in kilograms or metres, as DS; false when either is
 * none that is known. */
bool types_measure(struct str number, struct str unit, char out[17]);
/* Back: PN to XPN, DA and TM to TS. */
void types_name_build(
    struct buf *out, const struct er7_delimiters *d, struct str pn);

#endif
