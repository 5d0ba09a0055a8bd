/*
 * One line for each key that has something running; it goes when the last of
 * it has left.
 */
#include "service/gate.h"

#define KEY_ROOM 48

struct gate_line {
	unsigned inside;
	struct gate_pass *first, *last; /* who waits */
	char key[KEY_ROOM];
};

void
gate_init(struct gate *g, unsigned most)
{
	map_init(&g->lines);
	g->most = most;
}

void
gate_fini(struct gate *g)
{
	must(g->lines.n == 0);
	map_fini(&g->lines);
}

static struct gate_line *
line_of(struct gate *g, const char *key)
{
	struct gate_line *line = map_get(&g->lines, str_from(key));

	if (line != NULL)
		return line;
	line = must_zalloc(sizeof(*line));
	(void)str_copy(line->key, sizeof(line->key), str_from(key));
	(void)map_put(&g->lines, str_from(line->key), line);
	return line;
}

static void
drop_empty(struct gate *g, struct gate_line *line)
{
	if (line->inside > 0 || line->first != NULL)
		return;
	(void)map_take(&g->lines, str_from(line->key));
	free(line);
}

bool
gate_enter(struct gate *g, struct gate_pass *p, const char *key)
{
	struct gate_line *line = line_of(g, key);

	must(p->line == NULL);
	p->line = line;
	if (line->inside < g->most) {
		line->inside++;
		return true;
	}
	p->waiting = true;
	p->next = NULL;
	p->before = line->last;
	if (line->last != NULL)
		line->last->next = p;
	else
		line->first = p;
	line->last = p;
	return false;
}

static void
step_out(struct gate_line *line, struct gate_pass *p)
{
	if (p->before != NULL)
		p->before->next = p->next;
	else
		line->first = p->next;
	if (p->next != NULL)
		p->next->before = p->before;
	else
		line->last = p->before;
	p->next = p->before = NULL;
	p->waiting = false;
}

static struct gate_pass *
pop(struct gate_line *line)
{
	struct gate_pass *p = line->first;

	if (p != NULL)
		step_out(line, p);
	return p;
}

struct gate_pass *
gate_leave(struct gate *g, struct gate_pass *p)
{
	struct gate_line *line = p->line;
	struct gate_pass *next;

	if (line == NULL)
		return NULL;
	p->line = NULL;
	if (p->waiting) {
		step_out(line, p);
		next = NULL;
	} else {
		next = line->inside <= g->most ? pop(line) : NULL;
		if (next == NULL)
			line->inside--;
	}
	drop_empty(g, line);
	return next;
}

bool
gate_wanted(const struct gate_pass *p)
{
	return p->line != NULL && p->line->first != NULL;
}

struct room {
	const struct gate *gate;
	struct gate_line *found;
};

static void
find_room(void *ctx, struct str key, void *value)
{
	struct gate_line *line = value;
	struct room *room = ctx;

	(void)key;
	if (line->first != NULL && line->inside < room->gate->most)
		room->found = line;
}

struct gate_pass *
gate_admit(struct gate *g)
{
	struct room room = {g, NULL};

	map_each(&g->lines, find_room, &room);
	if (room.found == NULL)
		return NULL;
	room.found->inside++;
	return pop(room.found);
}

static void
find_waiting(void *ctx, struct str key, void *value)
{
	struct gate_line **found = ctx, *line = value;

	(void)key;
	if (line->first != NULL)
		*found = line;
}

struct gate_pass *
gate_take_waiting(struct gate *g)
{
	struct gate_line *line = NULL;
	struct gate_pass *p;

	map_each(&g->lines, find_waiting, &line);
	if (line == NULL)
		return NULL;
	p = pop(line);
	p->line = NULL;
	drop_empty(g, line);
	return p;
}
