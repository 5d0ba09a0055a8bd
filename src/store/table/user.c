/*
 * Table user. Each change adds one to 'users' in table state, which other
 * processes watch. That one active administrator stays is looked at within the
 * transaction of the change.
 */
#include "store/table/user.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "store/inside.h"

#define NAME_CHARACTERS 64

static const char *const rights[RIGHT_COUNT] = {"search", "download", "share",
    "upload", "send", "retrieve", "edit", "delete", "worklist", "activity",
    "settings", "users"};

static const char *const texts[USER_TEXTS] = {"salute", "first_name",
    "last_name", "email", "phone", "institution", "department",
    "only_institution", "only_referring", "only_modality"};

const char *
right_name(unsigned i)
{
	must(i < RIGHT_COUNT);
	return rights[i];
}

const char *
user_text_name(enum user_text t)
{
	must(t < USER_TEXTS);
	return texts[t];
}

bool
rights_parse(struct str list, unsigned *out, struct err *e)
{
	char shown[80];
	struct str part;
	unsigned i;

	*out = 0;
	if (str_trim(list).n == 0)
		return true;
	while (str_split(&list, ',', &part)) {
		part = str_trim(part);
		for (i = 0; i < RIGHT_COUNT; i++)
			if (str_eq_text(part, rights[i]))
				break;
		if (i == RIGHT_COUNT)
			return fail(e, ERR_USAGE,
			    "'%s' is no right; rights: search, download, "
			    "share, upload, send, retrieve, edit, delete, "
			    "worklist, activity, settings, users",
			    str_printable(shown, sizeof(shown), part));
		*out |= 1U << i;
	}
	return true;
}

static bool
check_name(struct str name, struct err *e)
{
	struct str rest = name;
	uint32_t c;
	size_t n, count = 0;

	while ((n = utf8_next(rest, &c)) > 0) {
		if (c < ' ' || (c >= 0x7f && c < 0xa0) || c == ':' ||
		    (c >= 0x2028 && c <= 0x202e))
			break;
		rest = str_of(rest.p + n, rest.n - n);
		count++;
	}
	if (rest.n > 0 || count == 0 || count > NAME_CHARACTERS ||
	    str_trim(name).n != name.n || name.n >= USER_TEXT_ROOM)
		return fail(e, ERR_USAGE,
		    "a user name has 1 to %d characters, none of them a colon "
		    "or a control character, and no space at its ends",
		    NAME_CHARACTERS);
	/* Browsers take these for steps of a path (RFC 3986 5.2.4). */
	if (str_eq_text(name, ".") || str_eq_text(name, ".."))
		return fail(e, ERR_USAGE, "a user name has more than dots");
	return true;
}

static struct str
fold_name(struct arena *a, struct str name)
{
	return utf8_fold_accents(a, name);
}

static bool
count_change(struct db *db, struct err *e)
{
	return db_exec(db,
	    "INSERT INTO state (name, value) VALUES ('users', 1)"
	    " ON CONFLICT (name) DO UPDATE SET value = value + 1",
	    DB_NO_ARGS, e);
}

static bool
an_admin_is_left(struct db *db, struct err *e)
{
	int64_t n;
	bool found;

	if (!db_get_int(db,
		"SELECT count(*) FROM user WHERE active = 1 AND admin = 1",
		DB_NO_ARGS, &n, &found, e))
		return false;
	return n > 0 ||
	       fail(e, ERR_CONFLICT, "no active administrator would be left");
}

struct change {
	struct user *user;
	struct str key;
	bool first;
};

static bool
name_is_free(struct db *db, const struct change *c, struct err *e)
{
	int64_t n;
	bool found;

	if (!db_get_int(db, "SELECT 1 FROM user WHERE name_key = ? AND id <> ?",
		DB_ARGS(db_str(c->key), db_int(c->user->id)), &n, &found, e))
		return false;
	return !found || fail(e, ERR_CONFLICT, "there is a user '%s' already",
			     c->user->name);
}

static bool
taken(struct db *db, const struct change *c, struct err *e)
{
	int64_t n;
	bool found;

	if (!db_get_int(
		db, "SELECT count(*) FROM user", DB_NO_ARGS, &n, &found, e))
		return false;
	if (c->first && n > 0)
		return fail(e, ERR_CONFLICT, "there is a user already");
	if (n >= USERS_MAX)
		return fail(e, ERR_LIMIT, "more than %d users", USERS_MAX);
	return name_is_free(db, c, e);
}

static bool
write_texts(struct db *db, const struct user *u, struct err *e)
{
	const char(*t)[USER_TEXT_ROOM] = u->text;

	return db_exec(db,
	    "UPDATE user SET active = ?, admin = ?, rights = ?, only_own = ?,"
	    " salute = ?, first_name = ?, last_name = ?, email = ?,"
	    " phone = ?, institution = ?, department = ?,"
	    " only_institution = ?, only_referring = ?, only_modality = ?"
	    " WHERE id = ?",
	    DB_ARGS(db_int(u->active), db_int(u->admin), db_int(u->rights),
		db_int(u->only_own), db_text(t[USER_SALUTE]),
		db_text(t[USER_FIRST_NAME]), db_text(t[USER_LAST_NAME]),
		db_text(t[USER_EMAIL]), db_text(t[USER_PHONE]),
		db_text(t[USER_INSTITUTION]), db_text(t[USER_DEPARTMENT]),
		db_text(t[USER_ONLY_INSTITUTION]),
		db_text(t[USER_ONLY_REFERRING]), db_text(t[USER_ONLY_MODALITY]),
		db_int(u->id)),
	    e);
}

static bool
add(struct upsert *up, void *ctx, struct err *e)
{
	struct change *c = ctx;
	struct user *u = c->user;
	struct db *db = upsert_db(up);

	if (!taken(db, c, e) ||
	    !db_exec(db,
		"INSERT INTO user (name, name_key, hash, created)"
		" VALUES (?, ?, ?, ?)",
		DB_ARGS(db_text(u->name), db_str(c->key), db_text(u->hash),
		    db_int(u->created_ms)),
		e))
		return false;
	u->id = db_last_id(db);
	return write_texts(db, u, e) && count_change(db, e);
}

bool
user_add(struct store *s, struct user *u, bool first, struct err *e)
{
	struct change c = {.user = u, .first = first};
	struct arena a;
	bool ok;

	if (!check_name(str_from(u->name), e))
		return false;
	arena_init(&a, 64 * KIB);
	c.key = fold_name(&a, str_from(u->name));
	u->created_ms = clock_utc_ms();
	ok = commit_run(s->commit, true, add, &c, e) == COMMIT_DONE;
	arena_fini(&a);
	return ok;
}

static bool
there(struct db *db, struct err *e)
{
	return db_changes(db) > 0 ||
	       fail(e, ERR_MISSING, "there is no such user");
}

static bool
put(struct upsert *up, void *ctx, struct err *e)
{
	const struct change *c = ctx;
	const struct user *u = c->user;
	struct db *db = upsert_db(up);

	return name_is_free(db, c, e) &&
	       db_exec(db,
		   "UPDATE user SET generation = generation + 1"
		   " WHERE id = ? AND (active > ? OR name <> ?)",
		   DB_ARGS(db_int(u->id), db_int(u->active), db_text(u->name)),
		   e) &&
	       db_exec(db,
		   "UPDATE user SET name = ?, name_key = ? WHERE id = ?",
		   DB_ARGS(db_text(u->name), db_str(c->key), db_int(u->id)),
		   e) &&
	       write_texts(db, u, e) && there(db, e) &&
	       an_admin_is_left(db, e) && count_change(db, e);
}

bool
user_put(struct store *s, const struct user *u, struct err *e)
{
	struct user copy = *u;
	struct change c = {.user = &copy};
	struct arena a;
	bool ok;

	if (!check_name(str_from(u->name), e))
		return false;
	arena_init(&a, 64 * KIB);
	c.key = fold_name(&a, str_from(u->name));
	ok = commit_run(s->commit, true, put, &c, e) == COMMIT_DONE;
	arena_fini(&a);
	return ok;
}

struct secret {
	int64_t id, until_ms;
	const char *hash;
	struct str bytes;
};

static bool
set_password(struct upsert *up, void *ctx, struct err *e)
{
	const struct secret *c = ctx;
	struct db *db = upsert_db(up);

	return db_exec(db,
		   "UPDATE user SET hash = ?, generation = generation + 1,"
		   " reset = x'', reset_until = 0 WHERE id = ?",
		   DB_ARGS(db_text(c->hash), db_int(c->id)), e) &&
	       there(db, e) && count_change(db, e);
}

bool
user_set_password(struct store *s, int64_t id, const char *hash, struct err *e)
{
	struct secret c = {.id = id, .hash = hash};

	return commit_run(s->commit, true, set_password, &c, e) == COMMIT_DONE;
}

static bool
set_second(struct upsert *up, void *ctx, struct err *e)
{
	const struct secret *c = ctx;
	struct db *db = upsert_db(up);

	return db_exec(db, "UPDATE user SET second = ? WHERE id = ?",
		   DB_ARGS(db_blob(c->bytes), db_int(c->id)), e) &&
	       there(db, e) && count_change(db, e);
}

bool
user_set_second(
    struct store *s, int64_t id, const uint8_t secret[20], struct err *e)
{
	struct secret c = {
	    .id = id, .bytes = str_of(secret, secret != NULL ? 20 : 0)};

	return commit_run(s->commit, true, set_second, &c, e) == COMMIT_DONE;
}

static bool
reset_put(struct upsert *up, void *ctx, struct err *e)
{
	const struct secret *c = ctx;
	struct db *db = upsert_db(up);

	return db_exec(db,
		   "UPDATE user SET reset = ?, reset_until = ? WHERE id = ?",
		   DB_ARGS(
		       db_blob(c->bytes), db_int(c->until_ms), db_int(c->id)),
		   e) &&
	       there(db, e);
}

bool
user_reset_put(struct store *s, int64_t id, const uint8_t hash[32],
    int64_t until_ms, struct err *e)
{
	struct secret c = {
	    .id = id, .until_ms = until_ms, .bytes = str_of(hash, 32)};

	return commit_run(s->commit, true, reset_put, &c, e) == COMMIT_DONE;
}

static bool
delete_user(struct upsert *up, void *ctx, struct err *e)
{
	int64_t id = *(const int64_t *)ctx;
	struct db *db = upsert_db(up);

	return db_exec(db, "DELETE FROM user WHERE id = ?", DB_ARGS(db_int(id)),
		   e) &&
	       there(db, e) && an_admin_is_left(db, e) &&
	       db_exec(db, "DELETE FROM api_key WHERE user = ?",
		   DB_ARGS(db_int(id)), e) &&
	       db_exec(db, "DELETE FROM upload WHERE user = ?",
		   DB_ARGS(db_int(id)), e) &&
	       count_change(db, e);
}

bool
user_delete(struct store *s, int64_t id, struct err *e)
{
	return commit_run(s->commit, true, delete_user, &id, e) == COMMIT_DONE;
}

#define COLUMNS                                                                \
	"SELECT id, name, hash, active, admin, rights, only_own, second,"      \
	" generation, created, login, salute, first_name, last_name, email,"   \
	" phone, institution, department, only_institution, only_referring,"   \
	" only_modality FROM user"
#define FIRST_TEXT 11

static void
read_user(struct db_stmt *q, struct user *u)
{
	struct str second = db_column(q, 7);
	int i;

	*u = (struct user){.id = db_column_int(q, 0),
	    .active = db_column_int(q, 3) != 0,
	    .admin = db_column_int(q, 4) != 0,
	    .rights = (unsigned)db_column_int(q, 5) & RIGHTS_ALL,
	    .only_own = db_column_int(q, 6) != 0,
	    .second = second.n == sizeof(u->secret),
	    .generation = db_column_int(q, 8),
	    .created_ms = db_column_int(q, 9),
	    .login_ms = db_column_int(q, 10)};
	if (u->second)
		memcpy(u->secret, second.p, sizeof(u->secret));
	(void)str_copy(u->name, sizeof(u->name), db_column(q, 1));
	(void)str_copy(u->hash, sizeof(u->hash), db_column(q, 2));
	for (i = 0; i < USER_TEXTS; i++)
		(void)str_copy(u->text[i], sizeof(u->text[i]),
		    db_column(q, FIRST_TEXT + i));
}

static bool
find_one(struct store *s, const char *sql, const struct db_value *args,
    size_t n, struct user *out, struct err *e)
{
	enum db_step step = DB_STEP_FAILED;
	struct db *db = store_reader(s, e);
	struct db_stmt *q;

	*out = (struct user){0};
	if (db == NULL)
		return false;
	if (db_query(db, sql, args, n, &q, e)) {
		step = db_step(q, e);
		if (step == DB_STEP_ROW) {
			read_user(q, out);
			db_reset(q);
		}
	}
	store_reader_done(s, db);
	if (step == DB_STEP_DONE)
		return fail(e, ERR_MISSING, "there is no such user");
	return step == DB_STEP_ROW;
}

bool
user_find(struct store *s, struct str name, struct user *out, struct err *e)
{
	struct arena a;
	bool ok;

	*out = (struct user){0};
	if (name.n >= 4 * USER_TEXT_ROOM)
		return fail(e, ERR_MISSING, "there is no such user");
	arena_init(&a, 64 * KIB);
	ok = find_one(s, COLUMNS " WHERE name_key = ?",
	    DB_ARGS(db_str(fold_name(&a, name))), out, e);
	arena_fini(&a);
	return ok;
}

bool
user_get(struct store *s, int64_t id, struct user *out, struct err *e)
{
	return find_one(
	    s, COLUMNS " WHERE id = ?", DB_ARGS(db_int(id)), out, e);
}

bool
user_reset_find(
    struct store *s, const uint8_t hash[32], struct user *out, struct err *e)
{
	return find_one(s, COLUMNS " WHERE reset = ? AND reset_until > ?",
	    DB_ARGS(db_blob(str_of(hash, 32)), db_int(clock_utc_ms())), out, e);
}

bool
user_list(struct store *s, struct arena *a, struct user **out, size_t *n,
    struct err *e)
{
	enum db_step step = DB_STEP_FAILED;
	struct db *db = store_reader(s, e);
	struct user *all = NULL;
	struct db_stmt *q;
	size_t room = 0;

	*out = NULL;
	*n = 0;
	if (db == NULL)
		return false;
	if (db_query(db, COLUMNS " ORDER BY name_key", DB_NO_ARGS, &q, e))
		while ((step = db_step(q, e)) == DB_STEP_ROW) {
			if (*n == room) {
				room = room == 0 ? 16 : room * 2;
				all = must_realloc(all, room * sizeof(*all));
			}
			read_user(q, &all[(*n)++]);
		}
	store_reader_done(s, db);
	if (step == DB_STEP_DONE) {
		*out = arena_array(a, *n + 1, sizeof(**out));
		if (*out != NULL && *n > 0)
			memcpy(*out, all, *n * sizeof(*all));
		if (*out == NULL)
			(void)fail(e, ERR_LIMIT, "too many users");
	}
	free(all);
	return *out != NULL;
}

static bool
read_int(struct store *s, const char *sql, int64_t *out, struct err *e)
{
	struct db *db = store_reader(s, e);
	bool ok, found;

	*out = 0;
	if (db == NULL)
		return false;
	ok = db_get_int(db, sql, DB_NO_ARGS, out, &found, e);
	store_reader_done(s, db);
	return ok;
}

bool
user_count(struct store *s, int64_t *n, struct err *e)
{
	return read_int(s, "SELECT count(*) FROM user", n, e);
}

bool
user_version(struct store *s, int64_t *out, struct err *e)
{
	return read_int(
	    s, "SELECT value FROM state WHERE name = 'users'", out, e);
}

struct arrival {
	int64_t id, at_ms;
};

static bool
came(struct upsert *up, void *ctx, struct err *e)
{
	const struct arrival *c = ctx;

	return db_exec(upsert_db(up), "UPDATE user SET login = ? WHERE id = ?",
	    DB_ARGS(db_int(c->at_ms), db_int(c->id)), e);
}

void
user_came(struct store *s, int64_t id, int64_t at_ms)
{
	struct arrival c = {id, at_ms};

	commit_later(s->commit, came, &c, sizeof(c));
}
