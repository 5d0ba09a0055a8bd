/*
 * The watched folder (F36, F37, A31): files .hl7 and .txt in it, in any case
 * of letters, are taken in as if their messages had come to the HL7 port, the
 * oldest first.
 *
 * A file is left alone while it is being written: until its size and time have
 * stood still for two seconds and nobody has it open for writing, where that
 * can be told. One that is renamed into the folder is whole at once.
 *
 * a.hl7 becomes a.hl7.DON (or is erased) once all of it is on disk in the
 * archive; a.hl7.ERR when a message of it was refused, or none was in it, with
 * the reasons beside it in a.hl7.ERR.log. Nothing is ever written over. What
 * was taken and could not be renamed is not taken again; after a crash in
 * between, its messages are known as repetitions.
 *
 * Links, folders and devices are left alone. While files cannot be renamed
 * nothing is taken; trouble is logged once, and looked at again.
 */
#ifndef SERVICE_HL7_WATCH_H
#define SERVICE_HL7_WATCH_H

#include "service/hl7/file.h"

struct hl7_watch;

/* What a file goes through; reasons of refusals are added to report, a line
 * each. */
typedef void hl7_watch_take(void *ctx, const char *source, struct str bytes,
    struct buf *report, struct hl7_file *out);

struct hl7_watch_config {
	const char *folder; /* "": none */
	bool erase;
	struct hl7_intake_config intake;
	/* For tests; NULL and 0: hl7_take_file(), two seconds. */
	hl7_watch_take *take;
	void *ctx;
	int settle_ms;
};

/* Copies what it needs of the config. */
bool hl7_watch_open(struct hl7_watch **, struct store *,
    const struct hl7_watch_config *, struct err *e) MUST_USE;
void hl7_watch_configure(struct hl7_watch *, const struct hl7_watch_config *);
/* Waits for the file that is being taken. */
void hl7_watch_close(struct hl7_watch **);

#endif
