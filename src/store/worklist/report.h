/*
 * Reports that came as HL7 (ORU^R01), kept with their study: text, a PDF, or
 * both. A later one with the same filler order number of the same sender takes
 * the place of the former. A report belongs to the study whose UID it names;
 * if the archive has none such, to those of its patient with its accession
 * number. By the UID it may name another patient than the study has: that of
 * one of the two is wrong, and who reads it has to know.
 */
#ifndef STORE_WORKLIST_REPORT_H
#define STORE_WORKLIST_REPORT_H

#include "store/store.h"

struct report {
	int64_t id;
	struct str study, accession;      /* as the message names them */
	struct str patient_id, issuer;    /* likewise */
	bool other_patient;               /* than that of the study listed */
	struct str application, facility; /* of the sender */
	struct str title;
	struct str status;    /* OBR-25: "F" final, "P" preliminary, … */
	struct str text, pdf; /* only by report_find() */
	uint64_t text_size, pdf_size;
	int64_t when_ms;
	int64_t journal_id; /* the message */
};
/* Of a study, or of all if that is empty; the newest first. */
bool report_list(struct store *, struct str study, size_t max, struct arena *a,
    struct report **out, size_t *n, struct err *e) MUST_USE;
/* ERR_MISSING. The arena must have room for LIMIT_REPORT. */
bool report_find(struct store *, int64_t id, struct arena *a,
    struct report *out, struct err *e) MUST_USE;

#endif
