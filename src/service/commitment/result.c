/*
 * Taking results.
 */
#include "service/commitment/result.h"

#include "base/log.h"
#include "store/table/commitment.h"
#include "store/table/job.h"

static bool
keep(struct store *store, const struct commitment *c,
    const struct references *got, struct arena *a, struct err *e)
{
	struct references asked;
	struct buf text;
	bool ok;

	if (!references_of_text(a, c->items, &asked, e))
		return false;
	references_merge(&asked, got);
	buf_init(&text, REFERENCES_ARENA);
	references_to_text(&asked, &text);
	must(!text.over);
	ok = commitment_known(store, c->id, buf_str(&text), true, e) &&
	     (c->job == 0 || job_hurry(store, c->job, e));
	buf_fini(&text);
	if (ok)
		log_info("dicom",
		    "storage commitment %s: '%s' answers for %zu instances, "
		    "%zu of them not committed",
		    c->transaction, c->ae, asked.n, references_failed(&asked));
	return ok;
}

bool
result_take(struct store *store, const char *ae, struct str bytes,
    struct syntax syntax, struct arena *a, struct err *e)
{
	struct references got;
	struct commitment c;

	if (!references_read_event(a, bytes, syntax, &got, e))
		return false;
	if (!commitment_find(store, true, ae, got.transaction, a, &c, e)) {
		if (e->code == ERR_MISSING)
			(void)fail(e, ERR_MISSING,
			    "'%.16s' was not asked for %s", ae,
			    got.transaction);
		return false;
	}
	return c.known_ms != 0 || keep(store, &c, &got, a, e);
}
