/*
 * Choosing a context, and sending a file in it.
 */
#include "service/client/outgoing.h"

#include "base/os.h"
#include "dicom/convert.h"

#include <fcntl.h>

/* More would only push other files out of the page cache. */
#define READ_AHEAD (16 * MIB)

const struct assoc_context *
outgoing_context(const struct assoc *a, struct str sop_class, struct str syntax)
{
	const struct assoc_context *c, *other = NULL;
	struct syntax layout = syntax_of(syntax);
	size_t i;

	for (i = 0; i < a->context_count; i++) {
		c = &a->contexts[i];
		if (c->result != CONTEXT_ACCEPTED || !c->peer_scp ||
		    !str_eq(c->abstract, sop_class))
			continue;
		if (str_eq(c->syntax, syntax))
			return c;
		if (other == NULL && layout.uid != NULL &&
		    c->layout.uid != NULL &&
		    convert_possible(layout, c->layout))
			other = c;
	}
	return other;
}

bool
outgoing_convertible(struct str syntax)
{
	struct syntax from = syntax_of(syntax);

	return from.uid != NULL &&
	       convert_possible(
		   from, syntax_of(STR(UID_ExplicitVRLittleEndian)));
}

void
outgoing_read_ahead(const struct object_file *file)
{
	uint64_t ahead =
	    file->data_size < READ_AHEAD ? file->data_size : READ_AHEAD;

	(void)posix_fadvise(
	    file->fd, (off_t)file->data_at, (off_t)ahead, POSIX_FADV_WILLNEED);
}

static bool
to_peer(void *ctx, struct str bytes, struct err *e)
{
	return bytes.n == 0 || dimse_send_part(ctx, bytes, e);
}

static bool
feed(struct convert *convert, const struct object_file *file, struct err *e)
{
	uint64_t left = file->data_size;
	off_t at = (off_t)file->data_at;
	uint8_t *block = must_alloc(BLOCK_IO);
	ssize_t n;
	bool ok = true;

	while (ok && left > 0) {
		n = os_pread_full(file->fd, block,
		    left < BLOCK_IO ? (size_t)left : BLOCK_IO, at);
		if (n <= 0) {
			ok = fail(e, ERR_CORRUPT, "cannot read its file");
			break;
		}
		at += n;
		left -= (uint64_t)n;
		ok = convert_feed(convert, str_of(block, (size_t)n), e);
	}
	free(block);
	return ok && convert_end(convert, e);
}

static bool
to_nowhere(void *ctx, struct str bytes, struct err *e)
{
	(void)ctx;
	(void)bytes;
	(void)e;
	return true;
}

bool
outgoing_check(const struct assoc_context *context,
    const struct object_file *file, struct err *e)
{
	struct convert *convert;
	bool ok;

	if (str_eq_text(context->syntax, file->syntax))
		return true;
	convert = convert_new(syntax_of(str_from(file->syntax)),
	    context->layout, to_nowhere, NULL);
	ok = feed(convert, file, e);
	convert_free(&convert);
	return ok;
}

/* The data set re-encoded on its way. Once the message has begun a failure can
 * only end the association. */
static bool
send_converted(struct assoc *a, const struct assoc_context *context,
    const struct object_file *file, const struct dimse *rq, struct err *e)
{
	struct convert *convert;
	bool ok;

	if (!dimse_send_begin(a, rq, e))
		return false;
	convert = convert_new(
	    syntax_of(str_from(file->syntax)), context->layout, to_peer, a);
	ok = feed(convert, file, e) && dimse_send_end(a, e);
	convert_free(&convert);
	if (!ok && a->end == ASSOC_OPEN)
		assoc_abort(a, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	return ok;
}

bool
outgoing_send(struct assoc *a, const struct assoc_context *context,
    const struct object_file *file, const struct dimse *rq, struct err *e)
{
	struct dimse m = *rq;

	m.command = C_STORE_RQ;
	m.context = context->id;
	if (str_eq_text(context->syntax, file->syntax))
		return dimse_send_file(
		    a, &m, file->fd, (off_t)file->data_at, file->data_size, e);
	return send_converted(a, context, file, &m, e);
}

bool
outgoing_file_failed(const struct assoc *a, const struct err *e)
{
	return a->end == ASSOC_ABORTED_BY_US && e->code != ERR_CANCELLED;
}
