/*
 * Where an export goes: a folder, or a zip (stored entries; zip64 where it is
 * needed). Nothing that is there is ever overwritten.
 */
#ifndef APP_EXPORT_OUT_H
#define APP_EXPORT_OUT_H

#include "base/err.h"
#include "base/str.h"

struct export_out;

/* A zip where the name ends in .zip; it must not exist. */
bool export_out_open(
    struct export_out **out, const char *target, struct err *e) MUST_USE;
/* Makes a folder within; *taken when something of that name was there
 * before. Zips need none. */
bool export_out_folder(struct export_out *out, const char *path, bool *taken,
    struct err *e) MUST_USE;
/* Is there something of that name in the folder? */
bool export_out_there(const struct export_out *out, const char *path);
/* One file: its size is known before, and exactly that many bytes follow. */
bool export_out_begin(struct export_out *out, const char *path, uint64_t size,
    struct err *e) MUST_USE;
bool export_out_write(
    struct export_out *out, struct str bytes, struct err *e) MUST_USE;
bool export_out_end(struct export_out *out, struct err *e) MUST_USE;
/* Flushed; a zip gets its name. Frees *out in every case. */
bool export_out_close(struct export_out **out, struct err *e) MUST_USE;
/* Removes a zip, or a file half written; whole files stay. */
void export_out_abort(struct export_out **out);

#endif
