/*
 * Instances of a C-GET into a folder, as Part 10 files:
 *
 *   NAME_ID/DATE_STUDY_123456/NUMBER_SERIES/NUMBER.dcm
 *
 * Names are of our own making (filename.h), from the text of the instance;
 * the digits are of a hash of the Study Instance UID, so that the same study
 * has the same folder each time and no other study has it. Nothing that is
 * there is overwritten: the same bytes are found again, others get a number.
 * The data set is kept bit for bit, once it was parsed to its end.
 */
#ifndef APP_CLIENT_GET_OUT_H
#define APP_CLIENT_GET_OUT_H

#include "service/receive.h"

struct get_out;

/* Makes the folder if needed; not those above it. */
bool get_out_open(struct get_out **out, const char *folder,
    const char *source_ae, struct err *e) MUST_USE;
void get_out_close(struct get_out **out);
/* ctx is the struct get_out. */
extern const struct receiver get_out_receiver;

#endif
