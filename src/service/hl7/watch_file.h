/*
 * One file of the watched folder: whether somebody writes it, what is in it,
 * and its new name. Only for the watch.
 */
#ifndef SERVICE_HL7_WATCH_FILE_H
#define SERVICE_HL7_WATCH_FILE_H

#include "base/buf.h"
#include "service/hl7/watch_list.h"

enum watch_read {
	WATCH_READ,
	WATCH_BUSY,      /* somebody has it open for writing, or it changed */
	WATCH_TOO_LARGE, /* *e says so: it is refused */
	WATCH_UNREADABLE /* *e says why */
};
/* The whole of it into out, whose cap is the limit. *fd stays open: for
 * watch_mark(); close it. */
enum watch_read watch_file_read(int dir_fd, const struct watch_known *k,
    struct buf *out, int *fd, struct err *e);

/* Gives it its new name: NAME.DON, or nothing of it is left (erase), or
 * NAME.ERR with the reasons in NAME.ERR.log; numbered where such a name is
 * taken. *changed: it is no longer what was read, and keeps its name. fd: from
 * watch_file_read(), or -1. */
bool watch_file_mark(int dir_fd, const struct watch_known *k, int fd,
    enum watch_verdict verdict, bool erase, struct str reasons, bool *changed,
    struct err *e) MUST_USE;

#endif
