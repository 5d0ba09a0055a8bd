/*
 * Names that are to be looked up stand in a queue, which up to THREADS threads
 * work; each ends when it is empty. getaddrinfo() may hang for minutes: a
 * thread uses nothing but a copy of the name meanwhile, and what it found goes
 * to whatever entry has that name then.
 */
#include "store/table/names.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/thread.h"

#include <netdb.h>
#include <netinet/in.h>

#define THREADS 16
/* Answers count so long; failures less: a host may just be coming up. */
#define FRESH_MS  60000
#define FAILED_MS 5000
/* More than there can be nodes: what is not asked for any more goes. */
#define ENTRIES 20000

struct name {
	char host[256];
	struct address v[ADDRESSES];
	size_t n;
	bool known;       /* an answer has come, if only that there is none */
	bool wanted;      /* in the queue, or being looked up */
	int64_t asked_ms; /* when the look-up was wanted */
	int64_t due_ms;
	struct name *next; /* in the queue */
};

struct names {
	struct mutex lock;
	struct cond found;
	struct map map;
	struct name *first, **last;
	unsigned threads, refs;
	bool closed;
};

struct names *
names_new(void)
{
	struct names *n = must_zalloc(sizeof(*n));

	mutex_init(&n->lock);
	cond_init(&n->found);
	map_init(&n->map);
	n->last = &n->first;
	n->refs = 1;
	return n;
}

static void
free_name(void *ctx, struct str key, void *value)
{
	(void)ctx;
	(void)key;
	free(value);
}

/* Under the lock, which is gone afterwards. */
static void
unref(struct names *n)
{
	bool last = --n->refs == 0;

	mutex_unlock(&n->lock);
	if (!last)
		return;
	map_each(&n->map, free_name, NULL);
	map_fini(&n->map);
	cond_fini(&n->found);
	mutex_fini(&n->lock);
	free(n);
}

void
names_free(struct names **np)
{
	struct names *n = *np;

	if (n == NULL)
		return;
	*np = NULL;
	mutex_lock(&n->lock);
	n->closed = true;
	cond_broadcast(&n->found);
	unref(n);
}

/* The addresses of a list, the first of them. */
static size_t
take_list(const struct addrinfo *list, struct address v[ADDRESSES])
{
	const struct addrinfo *at;
	size_t n = 0;

	for (at = list; at != NULL && n < ADDRESSES; at = at->ai_next)
		if (address_of(at->ai_addr, &v[n]))
			n++;
	return n;
}

/* Look one up without the lock, and keep what came of it. */
static void
look_up(struct names *n, const char *host)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	struct address v[ADDRESSES];
	struct name *name;
	size_t count = 0;
	int code;

	mutex_unlock(&n->lock);
	code = getaddrinfo(host, NULL, &hints, &list);
	if (code == 0) {
		count = take_list(list, v);
		freeaddrinfo(list);
	}
	mutex_lock(&n->lock);
	name = map_get(&n->map, str_from(host));
	if (name == NULL)
		return;
	name->wanted = false;
	name->due_ms = clock_mono_ms() + (count > 0 ? FRESH_MS : FAILED_MS);
	/* No answer is no reason to forget the last one. */
	if (code != EAI_AGAIN || !name->known) {
		memcpy(name->v, v, count * sizeof(v[0]));
		name->n = count;
	}
	name->known = true;
	cond_broadcast(&n->found);
}

static void
run(void *arg)
{
	struct names *n = arg;
	struct name *name;
	char host[256];

	mutex_lock(&n->lock);
	while (!n->closed && n->first != NULL) {
		name = n->first;
		n->first = name->next;
		if (n->first == NULL)
			n->last = &n->first;
		name->next = NULL;
		memcpy(host, name->host, sizeof(host));
		look_up(n, host);
	}
	n->threads--;
	unref(n);
}

/* Under the lock. */
static void
start_thread(struct names *n)
{
	struct thread t;

	if (n->threads == THREADS || !thread_start(&t, "names", run, n))
		return;
	thread_detach(&t);
	n->threads++;
	n->refs++;
}

struct sweep {
	struct name *gone[64];
	size_t n;
};

static void
find_idle(void *ctx, struct str key, void *value)
{
	struct sweep *s = ctx;
	struct name *name = value;

	(void)key;
	if (s->n < ARRAY_LEN(s->gone) && !name->wanted)
		s->gone[s->n++] = name;
}

/* Under the lock: room for another, at the expense of some. */
static void
sweep(struct names *n)
{
	struct sweep s = {.n = 0};
	size_t i;

	if (n->map.n < ENTRIES)
		return;
	map_each(&n->map, find_idle, &s);
	for (i = 0; i < s.n; i++) {
		(void)map_take(&n->map, str_from(s.gone[i]->host));
		free(s.gone[i]);
	}
}

/* Under the lock: the entry, looked up if that is due. */
static struct name *
want(struct names *n, const char *host)
{
	struct name *name = map_get(&n->map, str_from(host));
	int64_t now = clock_mono_ms();

	if (name == NULL) {
		sweep(n);
		name = must_zalloc(sizeof(*name));
		(void)str_copy(name->host, sizeof(name->host), str_from(host));
		(void)map_put(&n->map, str_from(name->host), name);
	}
	/* No thread could be had before. */
	if (n->threads == 0 && n->first != NULL)
		start_thread(n);
	if (name->wanted || (name->known && now < name->due_ms))
		return name;
	name->wanted = true;
	name->asked_ms = now;
	*n->last = name;
	n->last = &name->next;
	start_thread(n);
	return name;
}

static bool
among(const struct name *name, const struct address *a)
{
	size_t i;

	for (i = 0; i < name->n; i++)
		if (!memcmp(&name->v[i], a, sizeof(*a)))
			return true;
	return false;
}

/* Under the lock. */
static enum names_said
say(struct names *n, const char *host, const struct address *a,
    int64_t until_ms)
{
	struct name *name = want(n, host);
	int64_t end = name->asked_ms + NAMES_WAIT_MS;

	if (end > until_ms)
		end = until_ms;
	/* It may be swept meanwhile. */
	while (name != NULL && name->wanted && !among(name, a) &&
	       clock_mono_ms() < end) {
		(void)cond_wait_until(&n->found, &n->lock, end);
		name = map_get(&n->map, str_from(host));
	}
	if (name == NULL || !name->known)
		return NAMES_NOT_YET;
	if (among(name, a))
		return NAMES_YES;
	return name->n > 0 ? NAMES_NO : NAMES_NOWHERE;
}

enum names_said
names_say(struct names *n, const char *host, const struct address *a,
    int64_t until_ms)
{
	struct address number;
	enum names_said said;

	if (address_parse(host, &number))
		return !memcmp(&number, a, sizeof(*a)) ? NAMES_YES : NAMES_NO;
	if (strlen(host) >= sizeof(((struct name *)NULL)->host))
		return NAMES_NOWHERE;
	mutex_lock(&n->lock);
	said = say(n, host, a, until_ms);
	mutex_unlock(&n->lock);
	return said;
}

void
names_want(struct names *n, const char *host)
{
	struct address number;

	if (address_parse(host, &number) ||
	    strlen(host) >= sizeof(((struct name *)NULL)->host))
		return;
	mutex_lock(&n->lock);
	if (map_get(&n->map, str_from(host)) == NULL)
		(void)want(n, host);
	mutex_unlock(&n->lock);
}

static void
make_old(void *ctx, struct str key, void *value)
{
	struct name *name = value;

	(void)ctx;
	(void)key;
	name->due_ms = 0;
}

void
names_age(struct names *n)
{
	mutex_lock(&n->lock);
	map_each(&n->map, make_old, NULL);
	mutex_unlock(&n->lock);
}
