/*
 * What goes on right now, see live.h: a list under a lock of its own, which is
 * never held while anything is waited for.
 */
#include "store/table/live.h"

#include "store/inside.h"

void
live_begin(struct store *s, struct live *l, struct activity *row)
{
	must(l->row == NULL);
	l->row = row;
	l->before = NULL;
	mutex_lock(&s->live_lock);
	l->after = s->live;
	if (l->after != NULL)
		l->after->before = l;
	s->live = l;
	mutex_unlock(&s->live_lock);
}

void
live_name(
    struct store *s, struct live *l, const char *calling, const char *called)
{
	struct activity *row = l->row;

	mutex_lock(&s->live_lock);
	(void)str_copy(row->calling, sizeof(row->calling), str_from(calling));
	(void)str_copy(row->called, sizeof(row->called), str_from(called));
	mutex_unlock(&s->live_lock);
}

void
live_end(struct store *s, struct live *l)
{
	if (l->row == NULL)
		return;
	mutex_lock(&s->live_lock);
	if (l->before != NULL)
		l->before->after = l->after;
	else
		s->live = l->after;
	if (l->after != NULL)
		l->after->before = l->before;
	mutex_unlock(&s->live_lock);
	l->row = NULL;
}

/* The rest of a row is its owner's, who writes there meanwhile. */
static void
copy(struct activity *to, const struct activity *from)
{
	*to = (struct activity){
	    .outgoing = from->outgoing, .start_ms = from->start_ms};
	memcpy(to->protocol, from->protocol, sizeof(to->protocol));
	memcpy(to->calling, from->calling, sizeof(to->calling));
	memcpy(to->called, from->called, sizeof(to->called));
	memcpy(to->address, from->address, sizeof(to->address));
}

bool
live_list(struct store *s, size_t max, struct arena *a, struct activity **out,
    size_t *n, struct err *e)
{
	const struct live *l;

	*n = 0;
	*out = arena_array(a, max, sizeof(**out));
	if (*out == NULL)
		return fail(e, ERR_LIMIT, "too many at once");
	mutex_lock(&s->live_lock);
	for (l = s->live; l != NULL && *n < max; l = l->after)
		copy(&(*out)[(*n)++], l->row);
	mutex_unlock(&s->live_lock);
	return true;
}
