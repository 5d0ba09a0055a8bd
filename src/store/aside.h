/*
 * Moving files from objects into quarantine. Mostly a change of name; where
 * 'objects' is a disk of its own, a copy that is flushed before the other goes.
 */
#ifndef STORE_ASIDE_H
#define STORE_ASIDE_H

#include "store/store.h"

/* The rest of one file behind the other. */
bool aside_copy_bytes(int from, int to, struct err *e) MUST_USE;

/* path in dir (of objects) becomes name in quarantine; neither is flushed by
 * this. fd: NULL, or the file, open: then it is that which lies in quarantine
 * afterwards, locked where the other was. */
bool aside_move(struct store *s, int dir, const char *path, const char *name,
    int *fd, struct err *e) MUST_USE;
/* At a start: what a copy that was broken off left behind. */
bool aside_sweep(struct store *s, struct err *e) MUST_USE;

#endif
