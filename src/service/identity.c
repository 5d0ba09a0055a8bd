/*
 * Passwords are hashed one at a time: each takes 64 MiB and a tenth of a
 * second. Credentials that were right are known for some minutes, since some
 * modalities open an association for each image; an address that was wrong too
 * often has to wait, so that nobody guesses here what the portal does not let
 * him guess.
 */
#include "service/identity.h"

#include "base/clock.h"
#include "base/os.h"
#include "base/thread.h"
#include "net/conn.h"
#include "store/table/password.h"
#include "store/table/user.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#define TYPE_PASSCODE 2

#define KNOWN    32
#define KNOWN_MS (5 * 60 * 1000)
#define SOURCES  256
#define WRONG    10 /* so often from one address in WRONG_MS */
#define WRONG_MS (5 * 60 * 1000)
/* Workers that may wait for their turn to hash; the others are free. */
#define WAITING 8

struct known {
	uint8_t key[32];
	int64_t until_ms;
};

struct source {
	char address[CONN_ADDRESS_ROOM];
	int64_t since_ms;
	unsigned wrong;
};

struct identities {
	struct store *store;
	struct mutex hashing;
	struct mutex lock; /* of what follows */
	unsigned waiting;
	struct known known[KNOWN];
	struct source sources[SOURCES];
	uint8_t salt[32];
};

/* What is to be proven. */
struct claim {
	struct str password;
	const char *address;
	struct user user;
	bool there;
	uint8_t key[32];
};

struct identities *
identities_new(struct store *store)
{
	struct identities *t = must_zalloc(sizeof(*t));

	t->store = store;
	mutex_init(&t->hashing);
	mutex_init(&t->lock);
	os_random(t->salt, sizeof(t->salt));
	return t;
}

void
identities_free(struct identities **tp)
{
	struct identities *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	mutex_fini(&t->lock);
	mutex_fini(&t->hashing);
	free(t);
}

/* Of this user with this password; another one after each change. */
static void
make_key(const struct identities *t, struct claim *c)
{
	gnutls_hash_hd_t hash;

	must(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) == 0);
	must(gnutls_hash(hash, t->salt, sizeof(t->salt)) == 0);
	must(gnutls_hash(hash, &c->user.id, sizeof(c->user.id)) == 0);
	must(gnutls_hash(
		 hash, &c->user.generation, sizeof(c->user.generation)) == 0);
	must(gnutls_hash(hash, c->user.hash, sizeof(c->user.hash)) == 0);
	must(gnutls_hash(hash, c->password.p, c->password.n) == 0);
	gnutls_hash_deinit(hash, c->key);
}

/* Under the lock. */
static bool
is_known(struct identities *t, const struct claim *c)
{
	int64_t now = clock_mono_ms();
	size_t i;

	for (i = 0; i < KNOWN; i++)
		if (t->known[i].until_ms > now &&
		    memcmp(t->known[i].key, c->key, sizeof(c->key)) == 0)
			return true;
	return false;
}

/* Under the lock: the entry of this address, or the one to use for it. */
static struct source *
source_of(struct identities *t, const char *address)
{
	struct source *oldest = &t->sources[0], *at;

	for (at = t->sources; at < t->sources + SOURCES; at++) {
		if (strcmp(at->address, address) == 0)
			return at;
		if (at->since_ms < oldest->since_ms)
			oldest = at;
	}
	return oldest;
}

/* Whether this address has been wrong too often to be asked again now. */
static bool
must_wait(struct identities *t, const char *address)
{
	const struct source *at;
	bool yes;

	mutex_lock(&t->lock);
	at = source_of(t, address);
	yes = strcmp(at->address, address) == 0 && at->wrong >= WRONG &&
	      clock_mono_ms() - at->since_ms < WRONG_MS;
	mutex_unlock(&t->lock);
	return yes;
}

static void
note(struct identities *t, const struct claim *c, bool right)
{
	int64_t now = clock_mono_ms();
	struct known *oldest = &t->known[0];
	struct source *from;
	size_t i;

	mutex_lock(&t->lock);
	for (i = 0; i < KNOWN; i++)
		if (t->known[i].until_ms < oldest->until_ms)
			oldest = &t->known[i];
	from = source_of(t, c->address);
	if (right) {
		oldest->until_ms = now + KNOWN_MS;
		memcpy(oldest->key, c->key, sizeof(oldest->key));
	} else if (strcmp(from->address, c->address) != 0 ||
		   now - from->since_ms >= WRONG_MS) {
		*from = (struct source){.since_ms = now, .wrong = 1};
		(void)str_copy(
		    from->address, sizeof(from->address), str_from(c->address));
	} else {
		from->wrong++;
	}
	mutex_unlock(&t->lock);
}

/* False when too many wait already. */
static bool
verify(struct identities *t, const struct claim *c, bool *right)
{
	bool known, crowded;

	mutex_lock(&t->lock);
	known = c->there && is_known(t, c);
	crowded = !known && t->waiting >= WAITING;
	t->waiting += !known && !crowded;
	mutex_unlock(&t->lock);
	*right = known;
	if (known || crowded)
		return known;
	mutex_lock(&t->hashing);
	mutex_lock(&t->lock);
	/* Somebody before us in the line may have been right. */
	known = c->there && is_known(t, c);
	mutex_unlock(&t->lock);
	*right = known ||
		 password_verify(c->password, c->there ? c->user.hash : NULL);
	mutex_unlock(&t->hashing);
	mutex_lock(&t->lock);
	t->waiting--;
	mutex_unlock(&t->lock);
	if (!known)
		note(t, c, *right);
	return true;
}

static bool
prove(struct identities *t, struct claim *c, const char *name,
    struct pdu_reject *reject, struct err *e)
{
	bool right;

	if (must_wait(t, c->address))
		return fail(e, ERR_DENIED,
		    "user '%s': too many wrong passwords from this address; "
		    "it is asked again in %d minutes",
		    name, WRONG_MS / 60000);
	make_key(t, c);
	if (!verify(t, c, &right)) {
		*reject = (struct pdu_reject){REJECT_TRANSIENT,
		    REJECT_BY_PRESENTATION, REJECT_PRESENTATION_CONGESTION};
		return fail(e, ERR_LIMIT, "too many users at once");
	}
	if (!right || !c->user.active)
		return fail(e, ERR_DENIED,
		    "user '%s': the name or the password is wrong", name);
	if (c->user.second)
		return fail(e, ERR_DENIED,
		    "user '%s' has a second factor, for which DICOM cannot "
		    "ask: use another user",
		    name);
	return true;
}

bool
identity_check(struct identities *t, const struct pdu_user_identity *identity,
    const char *address, bool *proven, struct pdu_reject *reject, struct err *e)
{
	struct claim c = {.password = identity->secondary, .address = address};
	char name[80];
	int64_t users;

	*proven = false;
	if (identity->type != TYPE_PASSCODE)
		return true;
	/* Table 9-21 and PS3.7 D.3.3.7.3 */
	*reject = (struct pdu_reject){
	    REJECT_PERMANENT, REJECT_BY_ACSE, REJECT_ACSE_NO_REASON};
	if (!user_count(t->store, &users, e))
		return fail_in(e, "user identity");
	if (users == 0)
		return true;
	(void)str_printable(name, sizeof(name), identity->primary);
	if (c.password.n > 4 * PASSWORD_MOST)
		c.password.n = 4 * PASSWORD_MOST;
	c.there = user_find(t->store, identity->primary, &c.user, e);
	if (!c.there && e->code != ERR_MISSING && e->code != ERR_USAGE)
		return fail_in(e, "user identity");
	if (!c.there)
		c.user = (struct user){0};
	*proven = prove(t, &c, name, reject, e);
	explicit_bzero(&c, sizeof(c));
	return *proven;
}
