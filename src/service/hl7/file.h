/*
 * A file of HL7 messages, one or many, taken in: what the watched folder and
 * the command line share.
 */
#ifndef SERVICE_HL7_FILE_H
#define SERVICE_HL7_FILE_H

#include "service/hl7/intake.h"

/* More are refused: what a site sends in a day fits. */
#define HL7_FILE_MAX (64 * MIB)

struct hl7_file {
	size_t messages, taken, repeated, refused; /* repeated: of the taken */
	/* The store could take no more: those behind have not been looked at,
	 * the whole is to come again. */
	bool again;
	char again_why[160];
};
/* Called for each message, in order, numbered from 1. */
typedef void hl7_file_report(
    void *ctx, size_t number, const struct hl7_result *result);
/* In batches, each flushed; a file of which a part was taken when the program
 * died may be given once more: what was taken is a repetition then. */
void hl7_take_file(struct store *, const struct hl7_intake_config *config,
    const char *source, struct str bytes, hl7_file_report *report, void *ctx,
    struct hl7_file *out);
/* "message 3 (ORM^O01, control id 17): refused: PID-3 is missing"; number 0:
 * there is only one. */
void hl7_file_words(
    size_t number, const struct hl7_result *result, char *out, size_t room);

#endif
