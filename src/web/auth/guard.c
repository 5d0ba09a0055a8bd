/*
 * Memory about who comes, see guard.h.
 *
 * Everything is kept by a hash with a key of this process: neither cookies nor
 * credentials lie here as they were sent. Tables have a fixed size; when one is
 * full, what was used longest ago goes.
 */
#include "web/auth/guard.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/map.h"
#include "base/os.h"
#include "base/thread.h"
#include "web/auth/secret.h"

#include <arpa/inet.h>

#define VISITS         4096
#define VISIT_IDLE_MS  (30 * 60 * 1000)
#define VISIT_WHOLE_MS (12 * 60 * 60 * 1000)
#define TRIES          8192
#define TRY_WINDOW_MS  (15 * 60 * 1000)
#define TRIES_ACCOUNT  10
#define TRIES_ADDRESS  40
#define KNOWN          256
#define KNOWN_MS       (5 * 60 * 1000)
#define STEPS          256
#define REFRESH_MS     500
/* How old what is written down of a visit may be. */
#define WRITE_MS 60000

struct kept_visit {
	uint8_t key[32];
	struct visit visit;
	bool used, changed; /* since it was written down */
	int64_t written_ms;
	char *actions;
	size_t actions_n;
};

/* A row that is to be written down: copied under the lock, written outside. */
struct note {
	struct note *next;
	struct activity row;
	char *actions;
	size_t actions_n;
};

struct tries {
	uint8_t key[32];
	int64_t since_ms;
	int count;
};

struct known {
	uint8_t key[32];
	int64_t user, generation, at_ms;
};

struct step {
	int64_t user, step;
};

struct guard {
	struct mutex lock;
	struct store *store;
	uint8_t salt[32];
	struct user *users;
	size_t user_count;
	int64_t version, asked_ms;
	bool loaded;
	struct kept_visit visits[VISITS];
	struct map by_key; /* visits */
	struct note *notes;
	size_t unwritten;     /* notes, also such as are being written */
	struct mutex writing; /* taken before the lock */
	unsigned forgotten;   /* how often the users were */
	int64_t swept_ms;
	struct tries tries[TRIES];
	struct known known[KNOWN];
	struct step steps[STEPS];
	size_t step_at;
};

struct guard *
guard_new(struct store *store)
{
	struct guard *g = must_zalloc(sizeof(*g));

	mutex_init(&g->lock);
	mutex_init(&g->writing);
	map_init(&g->by_key);
	g->store = store;
	os_random(g->salt, sizeof(g->salt));
	activity_end_open(store, "server ended");
	return g;
}

static void
key_of(
    const struct guard *g, const char *kind, struct str text, uint8_t out[32])
{
	struct buf b;

	buf_init(&b, 16 * KIB);
	buf_add(&b, str_of(g->salt, sizeof(g->salt)));
	buf_text(&b, kind);
	buf_add(&b, text);
	secret_hash(buf_str(&b), out);
	if (b.p != NULL)
		explicit_bzero(b.p, b.room);
	buf_fini(&b);
}

static int
by_id(const void *a, const void *b)
{
	const struct user *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static bool
refresh(struct guard *g, struct err *e)
{
	int64_t now = clock_mono_ms(), version;
	struct user *list, *copy;
	unsigned forgotten;
	struct arena a;
	bool due, ok;
	size_t n;

	mutex_lock(&g->lock);
	due = !g->loaded || now - g->asked_ms >= REFRESH_MS;
	forgotten = g->forgotten;
	mutex_unlock(&g->lock);
	if (!due)
		return true;
	if (!user_version(g->store, &version, e))
		return false;
	mutex_lock(&g->lock);
	due = !g->loaded || version != g->version;
	if (!due && forgotten == g->forgotten)
		g->asked_ms = now;
	mutex_unlock(&g->lock);
	if (!due)
		return true;
	arena_init(&a, 2 * USERS_MAX * sizeof(*list));
	ok = user_list(g->store, &a, &list, &n, e);
	if (ok) {
		copy = must_zalloc((n + 1) * sizeof(*copy));
		if (n > 0)
			memcpy(copy, list, n * sizeof(*copy));
		qsort(copy, n, sizeof(*copy), by_id);
		mutex_lock(&g->lock);
		free(g->users);
		g->users = copy;
		g->user_count = n;
		g->version = version;
		g->asked_ms = now;
		/* Somebody was changed while they were read. */
		g->loaded = forgotten == g->forgotten;
		mutex_unlock(&g->lock);
	}
	arena_fini(&a);
	return ok;
}

bool
guard_user(struct guard *g, int64_t id, struct user *out, struct err *e)
{
	struct user want = {.id = id};
	const struct user *found = NULL;

	if (!refresh(g, e))
		return false;
	mutex_lock(&g->lock);
	if (g->user_count > 0)
		found = bsearch(
		    &want, g->users, g->user_count, sizeof(*g->users), by_id);
	if (found != NULL)
		*out = *found;
	mutex_unlock(&g->lock);
	return found != NULL || fail(e, ERR_MISSING, "there is no such user");
}

void
guard_forget(struct guard *g)
{
	mutex_lock(&g->lock);
	g->loaded = false;
	g->forgotten++;
	mutex_unlock(&g->lock);
}

static bool
over(const struct visit *v, int64_t now)
{
	return now - v->seen_ms > VISIT_IDLE_MS ||
	       now - v->began_ms > VISIT_WHOLE_MS || v->seen_ms > now + 60000;
}

/* What is counted as it goes on. */
static void
count(struct activity *a, const struct visit *from)
{
	a->end_ms = from->seen_ms;
	a->requests = (uint32_t)from->requests;
	a->bytes_in = from->bytes_in;
	a->bytes_out = from->bytes_out;
	a->finds = from->searches;
	a->gets = from->downloads;
	a->stores = from->uploads;
	a->instances_in = from->instances_in;
}

/* Under the lock. how: ACTIVITY_OPEN, or how it ended. */
static void
note(struct guard *g, struct kept_visit *v, const char *how)
{
	struct note *n = must_zalloc(sizeof(*n));
	const struct visit *from = &v->visit;
	struct activity *a = &n->row;

	(void)str_copy(a->protocol, sizeof(a->protocol), STR("web"));
	(void)str_copy(a->calling, sizeof(a->calling), str_from(from->who));
	(void)str_copy(a->called, sizeof(a->called), str_from(from->by));
	(void)str_copy(a->address, sizeof(a->address), str_from(from->address));
	(void)str_copy(a->session, sizeof(a->session), str_from(from->name));
	(void)str_copy(a->browser, sizeof(a->browser), str_from(from->browser));
	(void)str_copy(a->end, sizeof(a->end), str_from(how));
	if (from->study[0] != '\0')
		snprintf(a->detail, sizeof(a->detail), "study %s", from->study);
	a->start_ms = from->began_ms;
	count(a, from);
	if (v->actions_n > 0) {
		n->actions = must_alloc(v->actions_n);
		memcpy(n->actions, v->actions, v->actions_n);
		n->actions_n = v->actions_n;
	}
	n->next = g->notes;
	g->notes = n;
	g->unwritten++;
	v->changed = false;
	v->written_ms = clock_utc_ms();
}

static void
drop(struct guard *g, struct kept_visit *v, const char *how)
{
	note(g, v, how);
	(void)map_take(&g->by_key, str_of(v->key, sizeof(v->key)));
	free(v->actions);
	*v = (struct kept_visit){.used = false};
}

/* Under the lock: a place for a visit with this key. */
static struct kept_visit *
make_room(struct guard *g, const uint8_t key[32], const struct visit *v)
{
	int64_t now = v->began_ms;
	struct kept_visit *to = &g->visits[0], *at;

	for (at = g->visits; at < g->visits + VISITS; at++) {
		if (!at->used || over(&at->visit, now)) {
			to = at;
			break;
		}
		if (at->visit.seen_ms < to->visit.seen_ms)
			to = at;
	}
	if (to->used)
		drop(g, to, over(&to->visit, now) ? "timed out" : "too many");
	memcpy(to->key, key, sizeof(to->key));
	to->visit = *v;
	to->used = true;
	(void)map_put(&g->by_key, str_of(to->key, sizeof(to->key)), to);
	note(g, to, ACTIVITY_OPEN);
	return to;
}

/* What was put aside for it, in its order: what another thread has taken and
 * not yet written goes before, or a session that ended would be open again. */
static void
write_notes(struct guard *g)
{
	struct note *list, *n, *first = NULL;
	size_t written = 0;

	mutex_lock(&g->writing);
	mutex_lock(&g->lock);
	list = g->notes;
	g->notes = NULL;
	mutex_unlock(&g->lock);
	while ((n = list) != NULL) {
		list = n->next;
		n->next = first;
		first = n;
	}
	while ((n = first) != NULL) {
		first = n->next;
		activity_record_session(
		    g->store, &n->row, str_of(n->actions, n->actions_n));
		free(n->actions);
		free(n);
		written++;
	}
	mutex_lock(&g->lock);
	g->unwritten -= written;
	mutex_unlock(&g->lock);
	mutex_unlock(&g->writing);
}

void
visit_write(struct guard *g)
{
	int64_t now = clock_utc_ms();
	struct kept_visit *at;
	bool any;

	mutex_lock(&g->lock);
	if (now - g->swept_ms > WRITE_MS / 4 || now < g->swept_ms) {
		g->swept_ms = now;
		for (at = g->visits; at < g->visits + VISITS; at++) {
			if (!at->used)
				continue;
			if (over(&at->visit, now))
				drop(g, at, "timed out");
			else if (at->changed && now - at->written_ms > WRITE_MS)
				note(g, at, ACTIVITY_OPEN);
		}
	}
	any = g->unwritten > 0;
	mutex_unlock(&g->lock);
	if (any)
		write_notes(g);
}

void
visit_begin(struct guard *g, struct visit *v, char cookie[VISIT_TOKEN])
{
	uint8_t key[32];

	secret_text(cookie, VISIT_TOKEN - 1);
	secret_text(v->token, VISIT_TOKEN - 1);
	secret_text(v->name, VISIT_NAME - 1);
	v->began_ms = v->seen_ms = clock_utc_ms();
	key_of(g, "visit", str_from(cookie), key);
	mutex_lock(&g->lock);
	(void)make_room(g, key, v);
	mutex_unlock(&g->lock);
	write_notes(g);
}

/* Its key is of another kind than cookies', who cannot come to it. */
void
visit_program(struct guard *g, struct visit *v)
{
	struct kept_visit *at;
	char text[128];
	uint8_t key[32];

	snprintf(text, sizeof(text), "%lld %s %s", (long long)v->user, v->by,
	    v->address);
	key_of(g, "program", str_from(text), key);
	v->began_ms = v->seen_ms = clock_utc_ms();
	mutex_lock(&g->lock);
	at = map_get(&g->by_key, str_of(key, sizeof(key)));
	if (at != NULL && over(&at->visit, v->seen_ms)) {
		drop(g, at, "timed out");
		at = NULL;
	}
	if (at == NULL) {
		secret_text(v->name, VISIT_NAME - 1);
		at = make_room(g, key, v);
	}
	at->visit.seen_ms = v->seen_ms;
	at->visit.requests++;
	(void)str_copy(v->name, sizeof(v->name), str_from(at->visit.name));
	mutex_unlock(&g->lock);
}

static void
add_action(struct kept_visit *v, const char *line)
{
	size_t n = strlen(line);

	if (v->actions == NULL)
		v->actions = must_alloc(ACTIVITY_ACTIONS);
	/* The first ones stay: how it began is what is looked for. */
	if (v->actions_n + n + 1 > ACTIVITY_ACTIONS)
		return;
	memcpy(v->actions + v->actions_n, line, n);
	v->actions[v->actions_n + n] = '\n';
	v->actions_n += n + 1;
}

void
visit_note(struct guard *g, const char *name, const struct visit_deed *d)
{
	struct kept_visit *at;

	mutex_lock(&g->lock);
	for (at = g->visits; at < g->visits + VISITS; at++) {
		if (!at->used || strcmp(at->visit.name, name) != 0)
			continue;
		at->visit.bytes_in += d->bytes_in;
		at->visit.bytes_out += d->bytes_out;
		at->visit.instances_in += d->instances_in;
		at->visit.downloads += d->download;
		at->visit.uploads += d->upload;
		at->visit.searches += d->search;
		at->changed = true;
		if (d->line != NULL)
			add_action(at, d->line);
		break;
	}
	mutex_unlock(&g->lock);
}

void
visit_failed(struct guard *g, const char *who, const char *why,
    const char *address, struct str browser)
{
	struct activity a = {.protocol = "web", .called = "log-in"};

	(void)str_copy(a.calling, sizeof(a.calling), str_from(who));
	(void)str_copy(a.address, sizeof(a.address), str_from(address));
	(void)str_copy(a.end, sizeof(a.end), STR("failed"));
	(void)str_copy(a.detail, sizeof(a.detail), str_from(why));
	str_printable(a.browser, sizeof(a.browser), browser);
	a.start_ms = a.end_ms = clock_utc_ms();
	a.requests = 1;
	activity_record_session(g->store, &a, STR(""));
}

void
guard_free(struct guard **gp)
{
	struct guard *g = *gp;
	struct kept_visit *at;

	if (g == NULL)
		return;
	*gp = NULL;
	for (at = g->visits; at < g->visits + VISITS; at++)
		if (at->used)
			drop(g, at,
			    over(&at->visit, clock_utc_ms())
				? "timed out"
				: "server stopped");
	write_notes(g);
	free(g->users);
	map_fini(&g->by_key);
	mutex_fini(&g->writing);
	mutex_fini(&g->lock);
	explicit_bzero(g, sizeof(*g));
	free(g);
}

static struct kept_visit *
visit_at(struct guard *g, struct str cookie)
{
	uint8_t key[32];

	if (cookie.n != VISIT_TOKEN - 1)
		return NULL;
	key_of(g, "visit", cookie, key);
	return map_get(&g->by_key, str_of(key, sizeof(key)));
}

bool
visit_find(struct guard *g, struct str cookie, struct visit *out)
{
	int64_t now = clock_utc_ms();
	struct kept_visit *at;
	bool found;

	mutex_lock(&g->lock);
	at = visit_at(g, cookie);
	found = at != NULL && !over(&at->visit, now);
	if (found) {
		at->visit.seen_ms = now;
		at->visit.requests++;
		*out = at->visit;
		at->changed = true;
	} else if (at != NULL) {
		drop(g, at, "timed out");
	}
	mutex_unlock(&g->lock);
	return found;
}

int64_t
visit_seen_ms(struct guard *g, struct str cookie)
{
	int64_t now = clock_utc_ms(), seen = 0;
	struct kept_visit *at;

	mutex_lock(&g->lock);
	at = visit_at(g, cookie);
	if (at != NULL && !over(&at->visit, now))
		seen = at->visit.seen_ms;
	mutex_unlock(&g->lock);
	return seen;
}

void
visit_end(struct guard *g, struct str cookie)
{
	struct kept_visit *at;

	mutex_lock(&g->lock);
	at = visit_at(g, cookie);
	if (at != NULL)
		drop(g, at, "logged out");
	mutex_unlock(&g->lock);
	write_notes(g);
}

void
visit_end_all(struct guard *g, int64_t user, const char *but)
{
	struct kept_visit *at;

	mutex_lock(&g->lock);
	for (at = g->visits; at < g->visits + VISITS; at++)
		if (at->used && at->visit.user == user &&
		    (but == NULL || strcmp(at->visit.name, but) != 0))
			drop(g, at, "ended for the user");
	mutex_unlock(&g->lock);
	write_notes(g);
}

void
visit_end_study(struct guard *g, struct str study)
{
	struct kept_visit *at;

	mutex_lock(&g->lock);
	for (at = g->visits; at < g->visits + VISITS; at++)
		if (at->used && at->visit.user == 0 &&
		    str_eq_text(study, at->visit.study))
			drop(g, at, "link revoked");
	mutex_unlock(&g->lock);
	write_notes(g);
}

void
visit_each(struct guard *g, visit_fn *fn, void *ctx)
{
	int64_t now = clock_utc_ms();
	struct kept_visit *at;

	mutex_lock(&g->lock);
	for (at = g->visits; at < g->visits + VISITS; at++)
		if (at->used && !over(&at->visit, now))
			fn(ctx, &at->visit);
	mutex_unlock(&g->lock);
}

void
visit_refresh(
    struct guard *g, struct activity *row, struct arena *a, struct str *actions)
{
	struct kept_visit *at;

	if (row->session[0] == '\0' || strcmp(row->end, ACTIVITY_OPEN) != 0)
		return;
	mutex_lock(&g->lock);
	for (at = g->visits; at < g->visits + VISITS; at++) {
		if (!at->used || strcmp(at->visit.name, row->session) != 0)
			continue;
		count(row, &at->visit);
		if (actions != NULL)
			*actions =
			    arena_dup(a, str_of(at->actions, at->actions_n));
		break;
	}
	mutex_unlock(&g->lock);
}

/* Of an IPv6 address its network of 64 bits: one household. */
static struct str
source_of(const char *address, char out[CONN_ADDRESS_ROOM])
{
	uint8_t six[16];

	if (inet_pton(AF_INET6, address, six) == 1) {
		memset(six + 8, 0, 8);
		if (inet_ntop(AF_INET6, six, out, CONN_ADDRESS_ROOM) != NULL)
			return str_from(out);
	}
	return str_from(address);
}

/* The entry with this key; with make the oldest is taken for it. */
static struct tries *
tries_at(struct guard *g, const uint8_t key[32], bool make)
{
	/* A key may lie in sixteen places: few to look at, and nobody who does
	 * not know the salt can choose them. */
	size_t from = ((size_t)key[0] << 8 | key[1]) * 16 % TRIES, i;
	struct tries *oldest = &g->tries[from], *at;
	int64_t now = clock_mono_ms();

	for (i = 0; i < 16; i++) {
		at = &g->tries[from + i];
		if (at->count > 0 && memcmp(at->key, key, 32) == 0) {
			if (now - at->since_ms > TRY_WINDOW_MS)
				at->count = 0;
			else
				return at;
		}
		if (at->count == 0 ||
		    (oldest->count != 0 && at->since_ms < oldest->since_ms))
			oldest = at;
	}
	if (!make)
		return NULL;
	*oldest = (struct tries){.since_ms = now};
	memcpy(oldest->key, key, 32);
	return oldest;
}

static bool
too_many(
    struct guard *g, const char *kind, struct str what, int most, int *wait_s)
{
	struct tries *t;
	uint8_t key[32];
	int64_t left;

	key_of(g, kind, what, key);
	t = tries_at(g, key, false);
	if (t == NULL || t->count < most)
		return false;
	left = (t->since_ms + TRY_WINDOW_MS - clock_mono_ms()) / 1000 + 1;
	if (left > *wait_s)
		*wait_s = (int)left;
	return true;
}

bool
guard_may_try(
    struct guard *g, struct str account, const char *address, int *wait_s)
{
	char room[CONN_ADDRESS_ROOM];
	bool a, b;

	*wait_s = 0;
	mutex_lock(&g->lock);
	a = too_many(g, "account", account, TRIES_ACCOUNT, wait_s);
	b = too_many(
	    g, "address", source_of(address, room), TRIES_ADDRESS, wait_s);
	mutex_unlock(&g->lock);
	return !a && !b;
}

void
guard_failed(struct guard *g, struct str account, const char *address)
{
	char room[CONN_ADDRESS_ROOM];
	uint8_t key[32];

	mutex_lock(&g->lock);
	key_of(g, "account", account, key);
	tries_at(g, key, true)->count++;
	key_of(g, "address", source_of(address, room), key);
	tries_at(g, key, true)->count++;
	mutex_unlock(&g->lock);
}

void
guard_succeeded(struct guard *g, struct str account)
{
	struct tries *t;
	uint8_t key[32];

	mutex_lock(&g->lock);
	key_of(g, "account", account, key);
	t = tries_at(g, key, false);
	if (t != NULL)
		t->count = 0;
	mutex_unlock(&g->lock);
}

bool
guard_step(struct guard *g, int64_t user, int64_t step)
{
	bool fresh = true;
	size_t i;

	mutex_lock(&g->lock);
	for (i = 0; i < STEPS; i++)
		if (g->steps[i].user == user && g->steps[i].step >= step)
			fresh = false;
	if (fresh) {
		g->steps[g->step_at] = (struct step){user, step};
		g->step_at = (g->step_at + 1) % STEPS;
	}
	mutex_unlock(&g->lock);
	return fresh;
}

bool
guard_knows(
    struct guard *g, struct str credentials, int64_t *user, int64_t *generation)
{
	int64_t now = clock_mono_ms();
	uint8_t key[32];
	bool found = false;
	size_t i;

	key_of(g, "basic", credentials, key);
	mutex_lock(&g->lock);
	for (i = 0; i < KNOWN && !found; i++) {
		if (g->known[i].user == 0 ||
		    now - g->known[i].at_ms > KNOWN_MS ||
		    memcmp(g->known[i].key, key, sizeof(key)) != 0)
			continue;
		found = true;
		*user = g->known[i].user;
		*generation = g->known[i].generation;
	}
	mutex_unlock(&g->lock);
	return found;
}

void
guard_learns(
    struct guard *g, struct str credentials, int64_t user, int64_t generation)
{
	struct known *to = &g->known[0], k = {.user = user,
					     .generation = generation,
					     .at_ms = clock_mono_ms()};
	size_t i;

	key_of(g, "basic", credentials, k.key);
	mutex_lock(&g->lock);
	for (i = 0; i < KNOWN; i++)
		if (g->known[i].at_ms < to->at_ms)
			to = &g->known[i];
	*to = k;
	mutex_unlock(&g->lock);
}
