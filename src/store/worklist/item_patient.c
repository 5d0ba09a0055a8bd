/*
 * What patient messages do to the worklist: new demographics for all items
 * that are not over, arrival.
 */
#include "base/limit.h"
#include "store/worklist/item_inside.h"

/* Open items of one patient. */
#define ITEMS 1000

static bool
open_items(struct item_effect *x, int64_t *ids, size_t *n, struct err *e)
{
	struct str id = x->order->patient[FIELD_PatientID].text;
	struct str issuer = x->order->patient[FIELD_IssuerOfPatientID].text;
	struct db_stmt *q;
	enum db_step step;

	*n = 0;
	if (!db_query(x->db,
		"SELECT id FROM item WHERE PatientID = ?"
		" AND (+IssuerOfPatientID = ? OR +IssuerOfPatientID = ''"
		" OR ? = '') AND status NOT IN (?, ?, ?) ORDER BY id",
		DB_ARGS(db_str(id), db_str(issuer), db_str(issuer),
		    db_int(STATUS_COMPLETED), db_int(STATUS_DISCONTINUED),
		    db_int(STATUS_CANCELED)),
		&q, e))
		return false;
	while ((step = db_step(q, e)) == DB_STEP_ROW && *n < ITEMS)
		ids[(*n)++] = db_column_int(q, 0);
	if (step == DB_STEP_ROW)
		db_reset(q);
	return step != DB_STEP_FAILED;
}

static void
take_patient(struct item *item, const struct order_value *v)
{
	size_t f;

	for (f = 0; f < FIELD_COUNT; f++) {
		if (!v[f].given || f == FIELD_PatientID)
			continue;
		if (v[f].text.n == 0 && field_info((enum field)f)->required)
			continue;
		item->value[f] = v[f].text;
	}
}

static bool
update_one(struct item_effect *x, int64_t id, struct err *e)
{
	struct item item;
	bool found;

	if (!item_fetch(x->db, id, x->arena, &item, &found, e))
		return false;
	if (!found)
		return true;
	take_patient(&item, x->order->patient);
	if (x->order->patient_status == STATUS_ARRIVED &&
	    item.status == STATUS_SCHEDULED)
		item.status = STATUS_ARRIVED;
	item.changed_ms = x->now_ms;
	return item_update(x->db, &item, e);
}

bool
item_apply_patient(struct item_effect *x, struct err *e)
{
	int64_t *ids = arena_array(x->arena, ITEMS, sizeof(*ids));
	size_t i, n;

	if (ids == NULL)
		return fail(e, ERR_LIMIT, "a message that is too large");
	if (!open_items(x, ids, &n, e))
		return false;
	for (i = 0; i < n; i++)
		if (!update_one(x, ids[i], e))
			return false;
	return true;
}

bool
item_apply_merges(struct item_effect *x, struct err *e)
{
	(void)e;
	return item_refuse(x, 201, "MSH", 9, "merges are not taken here");
}

bool
item_apply_report(struct item_effect *x, struct err *e)
{
	(void)e;
	return item_refuse(x, 200, "MSH", 9, "reports are not taken here");
}
