/*
 * A listener and its place. The same port at another address cannot be had
 * while the old one is open: then the old one is closed first, and opened
 * again should the new one fail.
 */
#include "service/door.h"

#include "base/log.h"

static bool
same_place(struct door_place a, struct door_place b)
{
	return a.port == b.port && a.automatic == b.automatic &&
	       strcmp(a.bind, b.bind) == 0;
}

static bool
listen_at(
    struct door *d, struct door_place at, struct listener **out, struct err *e)
{
	*out = NULL;
	if (at.port == 0 && !at.automatic)
		return true;
	return listener_open(out, d->lot, at.bind,
	    at.automatic ? (uint16_t)0 : at.port, d->accepted, d->ctx, e);
}

static void
take_listener(struct door *d, struct listener *l)
{
	d->listener = l;
	d->address[0] = '\0';
	if (l != NULL)
		(void)str_copy(d->address, sizeof(d->address),
		    str_from(listener_address(l)));
}

bool
door_open(struct door *d, struct door_place at, struct err *e)
{
	struct listener *l;

	if (!listen_at(d, at, &l, e))
		return false;
	take_listener(d, l);
	return true;
}

bool
door_move(
    struct door *d, struct door_place from, struct door_place to, struct err *e)
{
	bool first_close = d->listener != NULL && !to.automatic &&
			   to.port == listener_port(d->listener);
	struct listener *next;
	struct err again;

	if (same_place(from, to))
		return true;
	if (first_close)
		listener_close(&d->listener);
	if (listen_at(d, to, &next, e)) {
		listener_close(&d->listener);
		take_listener(d, next);
		return true;
	}
	if (first_close) {
		if (!listen_at(d, from, &next, &again))
			log_error(d->name, "the old place is lost too: %s",
			    again.text);
		take_listener(d, next);
	}
	return false;
}

void
door_close(struct door *d)
{
	listener_close(&d->listener);
}
