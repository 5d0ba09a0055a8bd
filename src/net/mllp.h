/*
 * MLLP (HL7 2.5.1 appendix C; IHE ITI TF-2): the stream of the HL7 port to
 * frames, whatever the cuts. Pure: bytes in, events out.
 *
 * Tolerated: several messages in a read, a message in many; end block without
 * CR, CR and LF doubled or missing, NULs between; bytes before a start block
 * (4 KiB, then the stream is given up); a message without start block (it
 * begins with MSH); a start block within a message (the old one is given up);
 * no end block but the end of the stream. Empty frames are keep-alives. In
 * UTF-16 bytes of letters look like those of the frame: there it ends with both
 * bytes of its end only, and where a letter would begin.
 *
 * The same port takes token queries: 0x10, text, 0x0D (at most 256 bytes).
 */
#ifndef NET_MLLP_H
#define NET_MLLP_H

#include "base/buf.h"
#include "base/err.h"

enum mllp_kind {
	MLLP_NOTHING, /* more bytes are needed */
	MLLP_MESSAGE,
	MLLP_QUERY,  /* a token query: what stands between 0x10 and 0x0D */
	MLLP_DROPPED /* given up: *why; the stream may go on */
};

struct mllp {
	struct buf frame; /* capped at LIMIT_HL7_FRAME */
	int state;
	size_t skipped; /* bytes that belong to nothing */
	bool taken;     /* what is in frame was given out */
};

void mllp_init(struct mllp *m);
void mllp_fini(struct mllp *m);
/* Give bytes back that are not in use: before parking. */
void mllp_idle(struct mllp *m);
/* Takes bytes from *in until something is complete. out is valid until the
 * next call. ERR_PROTOCOL: this is no HL7 stream, close it. */
bool mllp_feed(struct mllp *m, struct str *in, enum mllp_kind *kind,
    struct str *out, const char **why, struct err *e) MUST_USE;
/* The peer has closed its side: what is there may be a whole message. */
void mllp_end(
    struct mllp *m, enum mllp_kind *kind, struct str *out, const char **why);
/* A frame is half received: the peer has to go on within its time. */
bool mllp_open(const struct mllp *m);
/* What has come of a frame whose end has not. */
struct str mllp_unfinished(const struct mllp *m);
/* Append a framed message. */
void mllp_frame(struct buf *out, struct str message);

#endif
