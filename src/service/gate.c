/*
 * One line for each address that has something running; it goes when the last
 * of it has left.
 */
#include "service/gate.h"

#include "base/limit.h"

#define ADDRESS_ROOM 48

struct gate_line {
	unsigned inside;
	struct gate_pass *first, **last; /* who waits */
	char address[ADDRESS_ROOM];
};

void
gate_init(struct gate *g)
{
	map_init(&g->lines);
}

void
gate_fini(struct gate *g)
{
	must(g->lines.n == 0);
	map_fini(&g->lines);
}

static struct gate_line *
line_of(struct gate *g, const char *address)
{
	struct gate_line *line = map_get(&g->lines, str_from(address));

	if (line != NULL)
		return line;
	line = must_zalloc(sizeof(*line));
	line->last = &line->first;
	(void)str_copy(line->address, sizeof(line->address), str_from(address));
	(void)map_put(&g->lines, str_from(line->address), line);
	return line;
}

static void
drop_empty(struct gate *g, struct gate_line *line)
{
	if (line->inside > 0 || line->first != NULL)
		return;
	(void)map_take(&g->lines, str_from(line->address));
	free(line);
}

bool
gate_enter(struct gate *g, struct gate_pass *p, const char *address)
{
	struct gate_line *line = line_of(g, address);

	must(p->line == NULL);
	p->line = line;
	if (line->inside < LIMIT_RUNNING_PER_ADDRESS) {
		line->inside++;
		return true;
	}
	p->waiting = true;
	p->next = NULL;
	*line->last = p;
	line->last = &p->next;
	return false;
}

static struct gate_pass *
pop(struct gate_line *line)
{
	struct gate_pass *p = line->first;

	if (p == NULL)
		return NULL;
	line->first = p->next;
	if (line->first == NULL)
		line->last = &line->first;
	p->next = NULL;
	p->waiting = false;
	return p;
}

struct gate_pass *
gate_leave(struct gate *g, struct gate_pass *p)
{
	struct gate_line *line = p->line;
	struct gate_pass *next;

	if (line == NULL)
		return NULL;
	must(!p->waiting);
	p->line = NULL;
	next = pop(line);
	if (next == NULL)
		line->inside--;
	drop_empty(g, line);
	return next;
}

bool
gate_wanted(const struct gate_pass *p)
{
	return p->line != NULL && p->line->first != NULL;
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
