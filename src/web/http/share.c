/*
 * How many connections there are, of all and of each address: nobody from
 * elsewhere holds so many that others find the door closed. Of IPv6 a network
 * of 64 bits counts as one. This machine and trusted proxies, behind whom are
 * many, are counted and not limited.
 */
#include "web/http/inside.h"

#include "base/limit.h"
#include "base/log.h"

#include <arpa/inet.h>

struct share {
	size_t n;
	bool told;
};

/* The bytes under which an address is counted. */
static struct str
key_of(const char *address, uint8_t room[16])
{
	if (inet_pton(AF_INET6, address, room) == 1)
		return str_of(room, 8);
	if (inet_pton(AF_INET, address, room) == 1)
		return str_of(room, 4);
	return str_from(address);
}

static bool
is_near(struct web *w, const char *address)
{
	bool near;

	mutex_lock(&w->lock);
	near = origin_is_near(&w->origin, str_from(address));
	mutex_unlock(&w->lock);
	return near;
}

bool
share_take(struct web *w, const char *address)
{
	bool near = is_near(w, address), ok;
	uint8_t room[16];
	struct str key = key_of(address, room);
	struct share *s;

	mutex_lock(&w->list_lock);
	s = map_get(&w->shares, key);
	if (w->client_count >= LIMIT_HTTP_CONNECTIONS) {
		ok = false;
	} else if (s == NULL) {
		s = must_zalloc(sizeof(*s));
		(void)map_put(&w->shares, key, s);
		ok = true;
	} else {
		ok = near || s->n < LIMIT_HTTP_PER_ADDRESS;
		if (!ok && !s->told)
			log_warning("http",
			    "%s holds %d connections and gets no more", address,
			    LIMIT_HTTP_PER_ADDRESS);
		s->told = s->told || !ok;
	}
	if (ok) {
		s->n++;
		w->client_count++;
	}
	mutex_unlock(&w->list_lock);
	return ok;
}

void
share_give(struct web *w, const char *address)
{
	uint8_t room[16];
	struct str key = key_of(address, room);
	struct share *s;

	mutex_lock(&w->list_lock);
	w->client_count--;
	s = map_get(&w->shares, key);
	must(s != NULL && s->n > 0);
	if (--s->n == 0) {
		(void)map_take(&w->shares, key);
		free(s);
	}
	mutex_unlock(&w->list_lock);
}
