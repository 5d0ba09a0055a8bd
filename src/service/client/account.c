/*
 * Rows of activity, kept beside an association until it is freed.
 */
#include "service/client/account.h"

#include "base/clock.h"
#include "store/table/live.h"

struct account {
	struct store *store;
	struct activity row;
	struct live live;
};

static struct activity
row_of(const char *calling, const char *called, const char *address,
    int64_t start_ms)
{
	struct activity row = {
	    .protocol = "dicom", .outgoing = true, .start_ms = start_ms};

	(void)str_printable(
	    row.calling, sizeof(row.calling), str_from(calling));
	(void)str_printable(row.called, sizeof(row.called), str_from(called));
	(void)str_copy(row.address, sizeof(row.address), str_from(address));
	return row;
}

static void
freed(struct assoc *a, void *of)
{
	struct account *k = of;
	struct activity *row = &k->row;

	live_end(k->store, &k->live);
	row->end_ms = clock_utc_ms();
	row->bytes_in = a->conn->bytes_in;
	row->bytes_out = a->conn->bytes_out;
	(void)str_copy(
	    row->end, sizeof(row->end), str_from(assoc_end_text(a->end)));
	activity_record(k->store, row);
	free(k);
}

void
account_begin(struct assoc *a, const struct client *c, int64_t start_ms)
{
	struct account *k;

	if (c->store == NULL)
		return;
	k = must_zalloc(sizeof(*k));
	k->store = c->store;
	k->row = row_of(a->calling, a->called, a->conn->peer.address, start_ms);
	live_begin(k->store, &k->live, &k->row);
	a->account = k;
	a->freed = freed;
}

void
account_failed(const struct client *c, const struct node *to, int64_t start_ms,
    const struct err *why)
{
	struct activity row = row_of(c->ae_title, to->ae, to->host, start_ms);

	if (c->store == NULL)
		return;
	row.end_ms = clock_utc_ms();
	(void)str_copy(row.end, sizeof(row.end),
	    str_from(why->code == ERR_DENIED ? "refused by the peer"
					     : "no association"));
	(void)str_printable(
	    row.detail, sizeof(row.detail), str_from(why->text));
	activity_record(c->store, &row);
}

struct activity *
account(const struct assoc *a)
{
	static _Thread_local struct activity nowhere;

	return a->freed == freed ? &((struct account *)a->account)->row
				 : &nowhere;
}

void
account_note(const struct assoc *a, const char *text)
{
	struct activity *row = account(a);

	(void)str_printable(row->detail, sizeof(row->detail), str_from(text));
}
