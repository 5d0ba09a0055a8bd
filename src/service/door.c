/*
 * A listener and its place. The same port at another address mostly cannot be
 * had while the old one is open: then the old one is closed first, and opened
 * again should the new one fail.
 */
#include "service/door.h"

#include "base/log.h"

static bool
is_closed(struct door_place at)
{
	return at.port == 0 && !at.automatic;
}

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
	if (is_closed(at))
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
	bool in_the_way = d->listener != NULL && !to.automatic &&
			  to.port == listener_port(d->listener);
	struct listener *next;
	struct err again;
	bool ok;

	/* What was lost is opened again. */
	if (same_place(from, to) && (d->listener != NULL || is_closed(to)))
		return true;
	ok = listen_at(d, to, &next, e);
	if (!ok && in_the_way && e->code == ERR_CONFLICT) {
		listener_close(&d->listener);
		ok = listen_at(d, to, &next, e);
		if (!ok && !listen_at(d, from, &next, &again))
			log_error(d->name, "the old place is lost too: %s",
			    again.text);
	} else if (ok) {
		listener_close(&d->listener);
	} else {
		return false;
	}
	take_listener(d, next);
	return ok;
}

void
door_close(struct door *d)
{
	listener_close(&d->listener);
}
