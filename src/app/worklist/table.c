/*
 * Tables of text.
 */
#include "app/worklist/table.h"

#include "app/verb.h"
#include "base/buf.h"
#include "base/limit.h"
#include "base/utf8.h"

void
table_init(
    struct table *t, struct arena *a, const char *const *heads, size_t columns)
{
	size_t i;

	must(columns > 0 && columns <= TABLE_COLUMNS);
	*t = (struct table){.arena = a, .columns = columns};
	for (i = 0; i < columns; i++)
		table_text(t, heads[i]);
}

static bool
grow(struct table *t)
{
	size_t room = t->room == 0 ? 256 : 2 * t->room;
	struct str *cells = arena_array(t->arena, room, sizeof(*cells));

	if (cells == NULL) {
		t->over = true;
		return false;
	}
	if (t->n > 0)
		memcpy(cells, t->cells, t->n * sizeof(*cells));
	t->cells = cells;
	t->room = room;
	return true;
}

/* As much as fits before the dots. */
static struct str
shorten(struct arena *a, struct str cell, unsigned most)
{
	struct buf out;
	size_t n = cell.n;

	while (n > 0 && utf8_columns(str_of(cell.p, n)) + 3 > most)
		n = utf8_cut(cell, n - 1).n;
	buf_init(&out, n + 4);
	buf_add(&out, str_of(cell.p, n));
	buf_text(&out, "...");
	cell = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return cell;
}

void
table_add(struct table *t, struct str cell)
{
	unsigned most = t->most[t->n % t->columns];
	struct buf clean;

	if (t->over || (t->n == t->room && !grow(t)))
		return;
	buf_init(&clean, MIB);
	/* Longer than any terminal: the rest is not looked at. */
	verb_clean(&clean, utf8_cut(cell, 4000));
	cell = buf_str(&clean);
	if (most > 0 && utf8_columns(cell) > most)
		cell = shorten(t->arena, cell, most);
	t->cells[t->n++] = arena_dup(t->arena, cell);
	buf_fini(&clean);
}

void
table_text(struct table *t, const char *cell)
{
	table_add(t, str_from(cell));
}

static void
print_row(const struct table *t, const size_t *widths, size_t row)
{
	size_t i, last = t->columns, wide;
	struct str cell;

	while (last > 0 && t->cells[row * t->columns + last - 1].n == 0)
		last--;
	for (i = 0; i < last; i++) {
		cell = t->cells[row * t->columns + i];
		printf("%.*s", STR_ARG(cell));
		wide = utf8_columns(cell);
		if (i + 1 < last)
			printf("%*s", (int)(widths[i] + 2 - wide), "");
	}
	putchar('\n');
}

void
table_print(const struct table *t)
{
	size_t widths[TABLE_COLUMNS] = {0}, i, wide;

	for (i = 0; i < t->n; i++) {
		wide = utf8_columns(t->cells[i]);
		if (wide > widths[i % t->columns])
			widths[i % t->columns] = wide;
	}
	for (i = 0; i + t->columns <= t->n; i += t->columns)
		print_row(t, widths, i / t->columns);
	if (t->over)
		fputs("(there is more than fits in memory)\n", stderr);
}
