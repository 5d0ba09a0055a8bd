/*
 * Reading the data set of a C-STORE into a receiver, and which status that
 * makes.
 */
#include "service/receive.h"

#include "service/service.h"

static bool
archive_begin(void *ctx, const struct object_header *header, struct err *e)
{
	struct receive_archive *r = ctx;

	return object_begin(r->intake, header, &r->object, e);
}

static bool
archive_write(void *ctx, struct str part, struct err *e)
{
	struct receive_archive *r = ctx;

	return object_write(r->object, part, e);
}

static bool
archive_commit(void *ctx, struct object_result *out, struct err *e)
{
	struct receive_archive *r = ctx;

	return object_commit(&r->object, out, e);
}

static void
archive_abort(void *ctx)
{
	struct receive_archive *r = ctx;

	object_abort(&r->object);
}

const struct receiver receive_archive = {
    .begin = archive_begin,
    .write = archive_write,
    .commit = archive_commit,
    .abort = archive_abort,
};

/* The data set into what was begun, up to its end or to what is wrong with
 * it, which why tells. False when the association broke. */
static bool
stream(struct assoc *a, const struct receiver *to, void *ctx, struct err *why,
    struct err *e)
{
	struct str part;

	for (;;) {
		if (!dimse_read_part(a, &part, e))
			return false;
		if (part.n == 0)
			return true;
		if (!to->write(ctx, part, why))
			return true;
	}
}

static bool
begin(struct assoc *a, const struct dimse *rq, const struct receiver *to,
    void *ctx, struct err *why)
{
	struct object_header header = {
	    .sop_class = str_from(rq->sop_class),
	    .sop_instance = str_from(rq->sop_instance),
	    .syntax = assoc_context(a, rq->context)->syntax,
	};

	if (!rq->has_data)
		return fail(why, ERR_MALFORMED, "a C-STORE without data set");
	return to->begin(ctx, &header, why);
}

/* PS3.4 B.2.3: what was stored under another name than announced is told. */
static void
kept(struct received *out)
{
	const struct object_result *r = &out->result;

	out->status = STATUS_Success;
	if (!r->class_mismatch && !r->instance_mismatch)
		return;
	out->status = STATUS_DataSetMismatchWarning;
	out->comment = r->class_mismatch
			   ? "stored; the data set is of another SOP Class"
			   : "stored; the data set is another SOP Instance";
}

static void
refused(struct received *out)
{
	out->status = dimse_status(out->why.code);
	out->comment = service_comment(&out->why);
}

bool
receive_instance(struct assoc *a, const struct dimse *rq,
    const struct receiver *to, void *ctx, struct received *out, struct err *e)
{
	*out = (struct received){.status = STATUS_Success};
	if (rq->sop_instance_long) {
		(void)fail(&out->why, ERR_MALFORMED,
		    "a SOP Instance UID of more than 64 characters");
		refused(out);
		out->status = STATUS_InvalidObjectInstance;
		return dimse_drain(a, e);
	}
	if (!begin(a, rq, to, ctx, &out->why)) {
		refused(out);
		return dimse_drain(a, e);
	}
	if (!stream(a, to, ctx, &out->why, e)) {
		to->abort(ctx);
		return false;
	}
	if (out->why.code != ERR_NONE) {
		to->abort(ctx);
		refused(out);
		return dimse_drain(a, e);
	} else if (to->commit(ctx, &out->result, &out->why)) {
		kept(out);
	} else {
		refused(out);
	}
	return true;
}
