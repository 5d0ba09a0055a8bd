/*
 * The log of file changes that record.c writes and powercut.c replays.
 */
#ifndef CRASH_RECORD_H
#define CRASH_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum record_op {
	RECORD_CREATE = 1,  /* a: path; inode */
	RECORD_OPEN,        /* a: path; inode: it was there before */
	RECORD_WRITE,       /* inode, at, data */
	RECORD_TRUNCATE,    /* inode, at: the new length */
	RECORD_FLUSH_BEGIN, /* inode; at: descriptor */
	RECORD_FLUSH_END,   /* inode; at: descriptor; it succeeded */
	RECORD_RENAME,      /* a: from, b: to */
	RECORD_UNLINK,      /* a: file or empty folder */
	RECORD_MKDIR,       /* a */
	RECORD_SEND         /* inode: descriptor; data */
};

struct record {
	uint32_t op, a_n, b_n, data_n;
	uint64_t inode;
	int64_t at;
};

#endif
