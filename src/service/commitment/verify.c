/*
 * Instances against the archive.
 */
#include "service/commitment/verify.h"

#include "base/limit.h"
#include "base/log.h"
#include "store/index/index.h"
#include "store/object.h"

/* One row of the index, and to spare. */
#define ROW_BYTES (2 * MIB)

static bool
read_again(struct store *s, const struct reference *at,
    const struct index_row *row, struct err *e)
{
	struct object_file file;
	bool ok;

	if (!object_open(s, (const char *)row->path.p, &file, e))
		return false;
	if (!str_eq_text(at->sop_instance, file.sop_instance))
		ok = fail(e, ERR_CORRUPT, "the file is of another instance");
	else
		ok = object_verify(&file, e);
	object_close(&file);
	return ok;
}

/* Of a file that was replaced meanwhile the row is read once more. *size is
 * what was read. */
static bool
judge(const struct verify *v, struct reference *at, struct arena *a,
    uint64_t *size, struct err *e)
{
	struct index_row row;
	int tries;

	*size = 0;
	for (tries = 0; tries < 2; tries++) {
		arena_reset(a);
		if (!index_instance(v->store, at->sop_instance, a, &row, e)) {
			at->reason = STATUS_NoSuchInstance;
			return e->code == ERR_MISSING;
		}
		if (!str_eq(row.value[COLUMN_SOPClassUID], at->sop_class)) {
			at->reason = STATUS_ClassInstanceConflict;
			return true;
		}
		if (v->rows_only)
			return true;
		*size = row.size;
		if (read_again(v->store, at, &row, e)) {
			at->reason = 0;
			return true;
		}
		if (e->code != ERR_MISSING)
			break;
	}
	log_error("dicom", "instance %.*s is not committed: %s",
	    STR_ARG(at->sop_instance), e->text);
	at->reason = STATUS_ProcessingFailure;
	return true;
}

bool
verify_references(const struct verify *v, struct references *r, struct err *e)
{
	const char *why = store_read_only(v->store);
	uint64_t bytes = 0, size;
	struct arena a;
	bool ok = true;
	size_t i;

	/* What the cache holds may not be what the disk keeps. */
	if (why != NULL)
		return fail(e, ERR_IO, "nothing can be committed to: %s", why);
	arena_init(&a, ROW_BYTES);
	for (i = 0; ok && i < r->n; i++) {
		if (v->stop != NULL && v->stop(v->ctx, bytes)) {
			ok = fail(e, ERR_CANCELLED, "stopped");
			break;
		}
		ok = judge(v, &r->at[i], &a, &size, e);
		bytes += size;
	}
	arena_fini(&a);
	return ok;
}
