/*
 * Bodies of several files (RFC 7578, RFC 2046 5.1.1), as they come: part by
 * part, each read to its end or skipped, at constant memory. Strict: what two
 * readers could understand in two ways is refused, not guessed.
 */
#ifndef WEB_HTTP_MULTIPART_H
#define WEB_HTTP_MULTIPART_H

#include "base/err.h"
#include "base/limit.h"
#include "base/str.h"

#include <sys/types.h>

/* RFC 2046: 1 to 70 characters; and room for "\r\n--". */
#define MULTIPART_BOUNDARY 70
#define MULTIPART_BLOCK    (64 * KIB)
#define MULTIPART_NAME     256

/* Up to n bytes of the body; 0 at its end, -1 with *e set. */
typedef ssize_t multipart_read_fn(void *ctx, void *p, size_t n, struct err *e);

struct multipart_part {
	char name[MULTIPART_NAME]; /* of the field */
	char file[MULTIPART_NAME]; /* as the sender calls it, cut; not a path */
	bool has_file; /* a file name was given, maybe an empty one */
};

struct multipart {
	multipart_read_fn *read;
	void *ctx;
	char mark[MULTIPART_BOUNDARY + 4 + 1]; /* "\r\n--boundary" */
	size_t mark_n;
	size_t parts;
	size_t at, n; /* of the buffer: what has come and was not given yet */
	bool begun, in_part, ended, broken;
	uint8_t p[MULTIPART_BLOCK];
};

/* The boundary a Content-Type names, which must be multipart/form-data. */
bool multipart_init(struct multipart *m, struct str content_type,
    multipart_read_fn *read, void *ctx, struct err *e) MUST_USE;
/* Skips what is left of a part and reads the head of the next; *end true when
 * there is none. ERR_MALFORMED, ERR_LIMIT, or what read() says; then nothing
 * more may be asked for. */
bool multipart_next(struct multipart *m, struct multipart_part *out, bool *end,
    struct err *e) MUST_USE;
/* A multipart_read_fn over the part; ctx is the struct multipart. */
ssize_t multipart_read(void *ctx, void *p, size_t n, struct err *e);

#endif
