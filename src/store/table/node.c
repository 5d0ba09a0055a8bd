/*
 * Known nodes and refused callers.
 *
 * node_known() is asked for each association: the nodes are kept in memory and
 * read again when they are older than a second, so that a change by another
 * process counts. Their names are looked up in the background (names.h), from
 * the moment they are read.
 */
#include "store/table/node.h"

#include "base/clock.h"
#include "store/inside.h"
#include "store/table/names.h"

#define REFRESH_MS 1000
#define NODES      10000
#define REFUSALS   1000

struct known_nodes {
	struct mutex lock;
	struct node *v;
	size_t n;
	bool loaded;
	int64_t loaded_ms;
};

struct known_nodes *
known_nodes_new(void)
{
	struct known_nodes *k = must_zalloc(sizeof(*k));

	mutex_init(&k->lock);
	return k;
}

void
known_nodes_free(struct known_nodes **k)
{
	if (*k == NULL)
		return;
	mutex_fini(&(*k)->lock);
	free((*k)->v);
	free(*k);
	*k = NULL;
}

static void
forget_known(struct store *s)
{
	mutex_lock(&s->known->lock);
	s->known->loaded = false;
	s->known->loaded_ms = clock_mono_ms();
	mutex_unlock(&s->known->lock);
}

static void
read_node(struct db_stmt *q, struct node *n)
{
	*n = (struct node){.port = (uint16_t)db_column_int(q, 2)};
	(void)str_copy(n->ae, sizeof(n->ae), db_column(q, 0));
	(void)str_copy(n->host, sizeof(n->host), db_column(q, 1));
	n->tls = db_column_int(q, 3) != 0;
	(void)str_copy(n->name, sizeof(n->name), db_column(q, 4));
	(void)str_copy(n->certificate, sizeof(n->certificate), db_column(q, 5));
	(void)str_copy(n->charset, sizeof(n->charset), db_column(q, 6));
	(void)str_copy(n->worklist, sizeof(n->worklist), db_column(q, 7));
}

static bool
put(struct upsert *u, void *ctx, struct err *e)
{
	const struct node *n = ctx;

	return db_exec(upsert_db(u),
	    "INSERT INTO node (ae, host, port, tls, name, certificate,"
	    " charset, worklist) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (ae) DO UPDATE SET"
	    " host = excluded.host, port = excluded.port, tls = excluded.tls,"
	    " name = excluded.name, certificate = excluded.certificate, charset = excluded.charset,"
	    " worklist = excluded.worklist",
	    DB_ARGS(db_str(str_trim(str_from(n->ae))), db_text(n->host),
		db_int(n->port), db_int(n->tls), db_text(n->name),
		db_text(n->certificate), db_text(n->charset),
		db_text(n->worklist)),
	    e);
}

static bool
put_new(struct upsert *u, void *ctx, struct err *e)
{
	const struct node *n = ctx;
	int64_t there;
	bool found;

	if (!db_get_int(upsert_db(u), "SELECT 1 FROM node WHERE ae = ?",
		DB_ARGS(db_str(str_trim(str_from(n->ae)))), &there, &found, e))
		return false;
	if (found)
		return fail(
		    e, ERR_CONFLICT, "there is a node '%s' already", n->ae);
	return put(u, ctx, e);
}

bool
node_put(struct store *s, const struct node *n, bool must_be_new, struct err *e)
{
	struct node copy = *n;
	bool ok;

	if (str_trim(str_from(n->ae)).n == 0)
		return fail(e, ERR_USAGE, "a node needs an AE title");
	ok = commit_run(s->commit, true, must_be_new ? put_new : put, &copy,
		 e) == COMMIT_DONE;
	forget_known(s);
	return ok;
}

static bool
delete_node(struct upsert *u, void *ctx, struct err *e)
{
	const char *ae = ctx;

	if (!db_exec(upsert_db(u), "DELETE FROM node WHERE ae = ?",
		DB_ARGS(db_str(str_trim(str_from(ae)))), e))
		return false;
	if (db_changes(upsert_db(u)) == 0)
		return fail(e, ERR_MISSING, "there is no node '%s'", ae);
	return true;
}

bool
node_delete(struct store *s, const char *ae, struct err *e)
{
	char copy[64];
	bool ok;

	(void)str_copy(copy, sizeof(copy), str_from(ae));
	ok = commit_run(s->commit, true, delete_node, copy, e) == COMMIT_DONE;
	forget_known(s);
	return ok;
}

static bool
find(struct db *db, const char *ae, struct node *out, struct err *e)
{
	struct db_stmt *q;
	enum db_step step;

	if (!db_query(db,
		"SELECT ae, host, port, tls, name, certificate, charset, worklist"
		" FROM node WHERE ae = ?",
		DB_ARGS(db_str(str_trim(str_from(ae)))), &q, e))
		return false;
	step = db_step(q, e);
	if (step == DB_STEP_DONE)
		return fail(e, ERR_MISSING, "there is no node '%s'", ae);
	if (step == DB_STEP_FAILED)
		return false;
	read_node(q, out);
	db_reset(q);
	return true;
}

bool
node_find(struct store *s, const char *ae, struct node *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok;

	*out = (struct node){.port = 0};
	if (db == NULL)
		return false;
	ok = find(db, ae, out, e);
	store_reader_done(s, db);
	return ok;
}

/* All nodes, one after the other in rows. */
static bool
read_nodes(struct store *s, struct buf *rows, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct node n;
	struct db_stmt *q;
	enum db_step step = DB_STEP_FAILED;

	if (db == NULL)
		return false;
	if (db_query(db,
		"SELECT ae, host, port, tls, name, certificate, charset, worklist"
		" FROM node ORDER BY ae",
		DB_NO_ARGS, &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW) {
			read_node(q, &n);
			buf_add(rows, str_of(&n, sizeof(n)));
		}
	store_reader_done(s, db);
	if (step == DB_STEP_DONE && rows->over)
		return fail(e, ERR_LIMIT, "more than %d nodes", NODES);
	return step == DB_STEP_DONE;
}

bool
node_list(struct store *s, struct arena *a, struct node **out, size_t *n,
    struct err *e)
{
	struct buf rows;
	bool ok;

	*out = NULL;
	*n = 0;
	buf_init(&rows, NODES * sizeof(struct node));
	ok = read_nodes(s, &rows, e);
	if (ok) {
		*n = rows.n / sizeof(struct node);
		*out = arena_alloc(a, rows.n);
		if (*out == NULL)
			ok = fail(e, ERR_LIMIT, "too many nodes");
		else if (rows.n > 0)
			memcpy(*out, rows.p, rows.n);
	}
	buf_fini(&rows);
	return ok;
}

/* Under the lock. Rows that were read since_ms, and may have changed since:
 * what is older than what there is comes too late. */
static void
take_nodes(struct known_nodes *k, const struct buf *rows, int64_t since_ms)
{
	if (since_ms < k->loaded_ms)
		return;
	free(k->v);
	k->n = rows->n / sizeof(struct node);
	k->v = must_zalloc((k->n + 1) * sizeof(*k->v));
	if (k->n > 0)
		memcpy(k->v, rows->p, k->n * sizeof(*k->v));
	k->loaded = true;
	k->loaded_ms = since_ms;
}

static void
want_names(struct store *s, const struct buf *rows)
{
	struct node n;
	size_t at;

	for (at = 0; at < rows->n; at += sizeof(n)) {
		memcpy(&n, rows->p + at, sizeof(n));
		names_want(s->names, n.host);
	}
}

static bool
refresh(struct store *s)
{
	struct known_nodes *k = s->known;
	int64_t now = clock_mono_ms();
	struct buf rows;
	struct err e;
	bool due, ok = true;

	mutex_lock(&k->lock);
	due = !k->loaded || now - k->loaded_ms >= REFRESH_MS;
	mutex_unlock(&k->lock);
	if (!due)
		return true;
	buf_init(&rows, NODES * sizeof(struct node));
	ok = read_nodes(s, &rows, &e);
	if (ok) {
		mutex_lock(&k->lock);
		take_nodes(k, &rows, now);
		mutex_unlock(&k->lock);
		want_names(s, &rows);
	}
	buf_fini(&rows);
	return ok;
}

static struct node *
known_by_ae(struct known_nodes *k, struct str ae)
{
	size_t i;

	for (i = 0; i < k->n; i++)
		if (str_eq_text(ae, k->v[i].ae))
			return &k->v[i];
	return NULL;
}

bool
node_known(
    struct store *s, const char *ae, const char *address, const char **why)
{
	struct address peer;
	struct node *found, copy;

	*why = "the known nodes cannot be read";
	if (!refresh(s))
		return false;
	mutex_lock(&s->known->lock);
	found = known_by_ae(s->known, str_trim(str_from(ae)));
	if (found != NULL)
		copy = *found;
	mutex_unlock(&s->known->lock);
	*why = "AE title unknown";
	if (found == NULL)
		return false;
	*why = "address is not that of the known node";
	if (!address_parse(address, &peer))
		return false;
	switch (names_say(
	    s->names, copy.host, &peer, clock_mono_ms() + NAMES_WAIT_MS)) {
	case NAMES_YES:
		return true;
	case NAMES_NO:
		break;
	case NAMES_NOWHERE:
		*why = "the known node's host name does not resolve";
		break;
	case NAMES_NOT_YET:
		*why = "the known node's host name is still being looked up";
		break;
	}
	return false;
}

void
node_prepare(struct store *s)
{
	(void)refresh(s);
}

bool
node_certificate(struct store *s, const char *ae,
    char out[NODE_CERTIFICATE_ROOM], struct err *e)
{
	struct node *found;

	out[0] = '\0';
	if (!refresh(s))
		return fail(e, ERR_IO, "the known nodes cannot be read");
	mutex_lock(&s->known->lock);
	found = known_by_ae(s->known, str_trim(str_from(ae)));
	if (found != NULL)
		memcpy(out, found->certificate, NODE_CERTIFICATE_ROOM);
	mutex_unlock(&s->known->lock);
	return true;
}

bool
node_recall(struct store *s, const char *ae, struct node *out)
{
	struct node *found;

	if (!refresh(s))
		return false;
	mutex_lock(&s->known->lock);
	found = known_by_ae(s->known, str_trim(str_from(ae)));
	if (found != NULL)
		*out = *found;
	mutex_unlock(&s->known->lock);
	return found != NULL;
}

static bool
insert_refusal(struct upsert *u, void *ctx, struct err *e)
{
	const struct refusal *r = ctx;

	return db_exec(upsert_db(u),
		   "INSERT INTO refusal (calling, called, address, reason,"
		   " first, last, count) VALUES (?, ?, ?, ?, ?, ?, ?)"
		   " ON CONFLICT (calling, called, address, reason) DO UPDATE"
		   " SET last = max(last, excluded.last),"
		   " count = count + excluded.count",
		   DB_ARGS(db_text(r->calling), db_text(r->called),
		       db_text(r->address), db_text(r->reason),
		       db_int(r->first_ms), db_int(r->last_ms),
		       db_int((int64_t)r->count)),
		   e) &&
	       db_exec(upsert_db(u),
		   "DELETE FROM refusal WHERE id IN (SELECT id FROM refusal"
		   " ORDER BY last DESC, id DESC LIMIT -1 OFFSET ?)",
		   DB_ARGS(db_int(REFUSALS)), e);
}

void
refusal_record(struct store *s, const struct refusal *r)
{
	struct refusal copy = *r;

	if (copy.first_ms == 0)
		copy.first_ms = clock_utc_ms();
	if (copy.last_ms < copy.first_ms)
		copy.last_ms = copy.first_ms;
	if (copy.count == 0)
		copy.count = 1;
	commit_later(s->commit, insert_refusal, &copy, sizeof(copy));
}

static void
read_refusal(struct db_stmt *q, struct refusal *r)
{
	*r = (struct refusal){.count = (uint64_t)db_column_int(q, 6)};
	(void)str_copy(r->calling, sizeof(r->calling), db_column(q, 0));
	(void)str_copy(r->called, sizeof(r->called), db_column(q, 1));
	(void)str_copy(r->address, sizeof(r->address), db_column(q, 2));
	(void)str_copy(r->reason, sizeof(r->reason), db_column(q, 3));
	r->first_ms = db_column_int(q, 4);
	r->last_ms = db_column_int(q, 5);
}

static bool
read_refusals(struct store *s, struct buf *rows, struct err *e)
{
	struct db *db = store_reader(s, e);
	struct refusal r;
	struct db_stmt *q;
	enum db_step step = DB_STEP_FAILED;

	if (db == NULL)
		return false;
	if (db_query(db,
		"SELECT calling, called, address, reason, first, last, count"
		" FROM refusal ORDER BY last DESC, id DESC LIMIT ?",
		DB_ARGS(db_int(REFUSALS)), &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW) {
			read_refusal(q, &r);
			buf_add(rows, str_of(&r, sizeof(r)));
		}
	store_reader_done(s, db);
	return step == DB_STEP_DONE;
}

bool
refusal_list(struct store *s, struct arena *a, struct refusal **out, size_t *n,
    struct err *e)
{
	struct buf rows;
	bool ok;

	*out = NULL;
	*n = 0;
	buf_init(&rows, REFUSALS * sizeof(struct refusal));
	ok = read_refusals(s, &rows, e);
	if (ok) {
		*n = rows.n / sizeof(struct refusal);
		*out = arena_alloc(a, rows.n);
		if (*out == NULL)
			ok = fail(e, ERR_LIMIT, "too many refusals");
		else if (rows.n > 0)
			memcpy(*out, rows.p, rows.n);
	}
	buf_fini(&rows);
	return ok;
}

static bool
clear_refusals(struct upsert *u, void *ctx, struct err *e)
{
	(void)ctx;
	return db_exec(upsert_db(u), "DELETE FROM refusal", DB_NO_ARGS, e);
}

bool
refusal_clear(struct store *s, struct err *e)
{
	return commit_run(s->commit, true, clear_refusals, NULL, e) ==
	       COMMIT_DONE;
}
