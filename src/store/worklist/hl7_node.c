/*
 * HL7 nodes and mappings: tables hl7_node and hl7_mapping.
 *
 * hl7_node_known() is asked for each connection: the hosts are kept in memory
 * and read again when they are older than a second; names are looked up in the
 * background.
 */
#include "store/worklist/hl7_node.h"

#include "base/clock.h"
#include "store/inside.h"
#include "store/table/names.h"

#define REFRESH_MS 1000
#define NODES      1000
#define MAPPINGS   1000

struct hl7_known {
	struct mutex lock;
	char host[NODES][256];
	size_t n;
	int64_t loaded_ms;
	bool loaded;
};

struct hl7_known *
hl7_known_new(void)
{
	struct hl7_known *k = must_zalloc(sizeof(*k));

	mutex_init(&k->lock);
	return k;
}

void
hl7_known_free(struct hl7_known **k)
{
	if (*k == NULL)
		return;
	mutex_fini(&(*k)->lock);
	free(*k);
	*k = NULL;
}

static bool
count_change(struct db *db, struct err *e)
{
	return db_exec(db,
	    "INSERT INTO state (name, value) VALUES ('hl7', 1)"
	    " ON CONFLICT (name) DO UPDATE SET value = value + 1",
	    DB_NO_ARGS, e);
}

static bool
run(struct store *s, commit_fn *fn, void *ctx, struct err *e)
{
	bool ok = commit_run(s->commit, true, fn, ctx, e) == COMMIT_DONE;

	mutex_lock(&s->hl7_known->lock);
	s->hl7_known->loaded = false;
	s->hl7_known->loaded_ms = clock_mono_ms();
	mutex_unlock(&s->hl7_known->lock);
	return ok;
}

static bool
put_node(struct upsert *u, void *ctx, struct err *e)
{
	const struct hl7_node *n = ctx;

	return db_exec(upsert_db(u),
		   "INSERT OR REPLACE INTO hl7_node (name, host, port,"
		   " application, facility, tls) VALUES (?, ?, ?, ?, ?, ?)",
		   DB_ARGS(db_text(n->name), db_text(n->host), db_int(n->port),
		       db_text(n->application), db_text(n->facility),
		       db_int(n->tls)),
		   e) &&
	       count_change(upsert_db(u), e);
}

static bool
put_new_node(struct upsert *u, void *ctx, struct err *e)
{
	const struct hl7_node *n = ctx;
	int64_t there;
	bool found;

	if (!db_get_int(upsert_db(u), "SELECT 1 FROM hl7_node WHERE name = ?",
		DB_ARGS(db_text(n->name)), &there, &found, e))
		return false;
	if (found)
		return fail(e, ERR_CONFLICT,
		    "there is an HL7 node '%s' already", n->name);
	return put_node(u, ctx, e);
}

bool
hl7_node_put(
    struct store *s, const struct hl7_node *n, bool must_be_new, struct err *e)
{
	struct hl7_node copy = *n;

	if (n->name[0] == '\0' || n->host[0] == '\0')
		return fail(
		    e, ERR_USAGE, "an HL7 node needs a name and a host");
	return run(s, must_be_new ? put_new_node : put_node, &copy, e);
}

static bool
delete_node(struct upsert *u, void *ctx, struct err *e)
{
	const char *name = ctx;

	if (!db_exec(upsert_db(u), "DELETE FROM hl7_node WHERE name = ?",
		DB_ARGS(db_text(name)), e))
		return false;
	if (db_changes(upsert_db(u)) == 0)
		return fail(e, ERR_MISSING, "there is no HL7 node '%s'", name);
	return count_change(upsert_db(u), e);
}

bool
hl7_node_delete(struct store *s, const char *name, struct err *e)
{
	return run(s, delete_node, (void *)(uintptr_t)name, e);
}

static void
read_node(struct db_stmt *q, struct hl7_node *n)
{
	*n = (struct hl7_node){.port = (uint16_t)db_column_int(q, 2),
	    .tls = db_column_int(q, 5) != 0};
	(void)str_copy(n->name, sizeof(n->name), db_column(q, 0));
	(void)str_copy(n->host, sizeof(n->host), db_column(q, 1));
	(void)str_copy(n->application, sizeof(n->application), db_column(q, 3));
	(void)str_copy(n->facility, sizeof(n->facility), db_column(q, 4));
}

bool
hl7_node_list(struct store *s, struct arena *a, struct hl7_node **out,
    size_t *n, struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *q;

	*n = 0;
	*out = NULL;
	if (db == NULL)
		return false;
	*out = arena_array(a, NODES, sizeof(**out));
	if (*out == NULL)
		(void)fail(e, ERR_LIMIT, "too many HL7 nodes");
	else if (db_query(db,
		     "SELECT name, host, port, application, facility, tls"
		     " FROM hl7_node ORDER BY name LIMIT ?",
		     DB_ARGS(db_int(NODES)), &q, e)) {
		while ((step = db_step(q, e)) == DB_STEP_ROW && *n < NODES)
			read_node(q, &(*out)[(*n)++]);
		if (step == DB_STEP_ROW)
			db_reset(q);
	}
	store_reader_done(s, db);
	return step != DB_STEP_FAILED;
}

/* Under the lock. Nodes that were read since_ms, and may have changed since:
 * what is older than what there is comes too late. */
static void
take_hosts(struct hl7_known *k, const struct hl7_node *nodes, size_t n,
    int64_t since_ms)
{
	size_t i;

	if (since_ms < k->loaded_ms)
		return;
	for (i = 0; i < n; i++)
		(void)str_copy(
		    k->host[i], sizeof(k->host[i]), str_from(nodes[i].host));
	k->n = n;
	k->loaded = true;
	k->loaded_ms = since_ms;
}

static bool
refresh(struct store *s)
{
	struct hl7_known *k = s->hl7_known;
	int64_t now = clock_mono_ms();
	struct hl7_node *nodes;
	struct arena a;
	struct err e;
	size_t n;
	bool due, ok;

	mutex_lock(&k->lock);
	due = !k->loaded || now - k->loaded_ms >= REFRESH_MS;
	mutex_unlock(&k->lock);
	if (!due)
		return true;
	arena_init(&a, 2 * NODES * sizeof(*nodes));
	ok = hl7_node_list(s, &a, &nodes, &n, &e);
	if (ok) {
		mutex_lock(&k->lock);
		take_hosts(k, nodes, n, now);
		mutex_unlock(&k->lock);
	}
	arena_fini(&a);
	return ok;
}

bool
hl7_node_known(struct store *s, const char *address)
{
	int64_t until_ms = clock_mono_ms() + NAMES_WAIT_MS;
	struct hl7_known *k = s->hl7_known;
	struct address peer;
	char host[sizeof(k->host[0])];
	bool known = false;
	size_t i, n;

	if (!refresh(s) || !address_parse(address, &peer))
		return false;
	mutex_lock(&k->lock);
	n = k->n;
	mutex_unlock(&k->lock);
	/* First those whose addresses are there. */
	for (i = 0; i < 2 * n && !known; i++) {
		mutex_lock(&k->lock);
		memcpy(host, k->host[i % n], sizeof(host));
		mutex_unlock(&k->lock);
		known = names_say(s->names, host, &peer,
			    i < n ? 0 : until_ms) == NAMES_YES;
	}
	return known;
}

static bool
put_mapping(struct upsert *u, void *ctx, struct err *e)
{
	const struct hl7_mapping_row *row = ctx;

	if (row->text.n == 0)
		return db_exec(upsert_db(u),
			   "DELETE FROM hl7_mapping WHERE application = ?"
			   " AND facility = ?",
			   DB_ARGS(
			       db_str(row->application), db_str(row->facility)),
			   e) &&
		       count_change(upsert_db(u), e);
	return db_exec(upsert_db(u),
		   "INSERT OR REPLACE INTO hl7_mapping (application, facility,"
		   " mapping) VALUES (?, ?, ?)",
		   DB_ARGS(db_str(row->application), db_str(row->facility),
		       db_str(row->text)),
		   e) &&
	       count_change(upsert_db(u), e);
}

bool
hl7_mapping_put(struct store *s, struct str application, struct str facility,
    struct str text, struct err *e)
{
	struct hl7_mapping_row row = {application, facility, text};

	return run(s, put_mapping, &row, e);
}

bool
hl7_mapping_find(struct store *s, struct str application, struct str facility,
    struct arena *a, struct str *text, bool *found, struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *q;

	*found = false;
	*text = STR("");
	if (db == NULL)
		return false;
	/* The most telling row first. */
	if (db_query(db,
		"SELECT mapping FROM hl7_mapping WHERE"
		" application IN (?, '') AND facility IN (?, '')"
		" ORDER BY application <> '' DESC, facility <> '' DESC LIMIT 1",
		DB_ARGS(db_str(application), db_str(facility)), &q, e)) {
		step = db_step(q, e);
		if (step == DB_STEP_ROW) {
			*text = arena_dup(a, db_column(q, 0));
			*found = true;
			db_reset(q);
		}
	}
	store_reader_done(s, db);
	return step != DB_STEP_FAILED;
}

bool
hl7_mapping_list(struct store *s, struct arena *a, struct hl7_mapping_row **out,
    size_t *n, struct err *e)
{
	struct db *db = store_reader(s, e);
	enum db_step step = DB_STEP_FAILED;
	struct db_stmt *q;

	*n = 0;
	*out = NULL;
	if (db == NULL)
		return false;
	*out = arena_array(a, MAPPINGS, sizeof(**out));
	if (*out == NULL)
		(void)fail(e, ERR_LIMIT, "too many mappings");
	else if (db_query(db,
		     "SELECT application, facility, mapping FROM hl7_mapping"
		     " ORDER BY application, facility LIMIT ?",
		     DB_ARGS(db_int(MAPPINGS)), &q, e)) {
		while ((step = db_step(q, e)) == DB_STEP_ROW && *n < MAPPINGS) {
			(*out)[*n].application = arena_dup(a, db_column(q, 0));
			(*out)[*n].facility = arena_dup(a, db_column(q, 1));
			(*out)[(*n)++].text = arena_dup(a, db_column(q, 2));
		}
		if (step == DB_STEP_ROW)
			db_reset(q);
	}
	store_reader_done(s, db);
	return step != DB_STEP_FAILED;
}

bool
hl7_version(struct store *s, int64_t *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok, found;

	*out = 0;
	if (db == NULL)
		return false;
	ok = db_get_int(db, "SELECT value FROM state WHERE name = 'hl7'",
	    DB_NO_ARGS, out, &found, e);
	store_reader_done(s, db);
	return ok;
}
