/*
 * What an answer is streamed from: bytes by their place. A reader that takes
 * its time holds no thread and no more than one block.
 */
#ifndef WEB_HTTP_SOURCE_H
#define WEB_HTTP_SOURCE_H

#include "base/err.h"
#include "base/str.h"

#define SOURCE_UNKNOWN UINT64_MAX

struct source {
	/* SOURCE_UNKNOWN: ends where read() gives nothing. The answer then has
	 * no Content-Length and no ranges. */
	uint64_t size;
	/* Between 1 and room bytes from 'at' on; *n 0 is the end. 'at' is where
	 * the last read ended; the first is 0, or where a range begins.
	 *
	 * wait false: in the thread that waits for all connections; give what
	 * is in memory already, else *n 0 and be asked again with wait true, in
	 * a thread that may block. A failure cuts the connection off. */
	bool (*read)(struct source *, uint64_t at, uint8_t *p, size_t room,
	    bool wait, size_t *n, struct err *e);
	void (*free)(struct source *);
};

/* A part of a file; takes the descriptor. */
struct source *source_of_file(int fd, uint64_t at, uint64_t size);
/* Of these bytes, which are copied. */
struct source *source_of_bytes(struct str bytes);
/* From n bytes at offset 'at' of fd, as source.read() does. */
bool source_read_fd(int fd, uint64_t at, uint8_t *p, size_t room, bool wait,
    size_t *n, struct err *e) MUST_USE;

#endif
