/*
 * Safe names: what stands in an object decides how a file is called, but never
 * where it goes.
 */
#include "base/filename.h"
#include "base/limit.h"
#include "base/utf8.h"

static bool
is_upper(uint8_t c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_portable(uint8_t c)
{
	return is_upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static uint8_t
to_upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - ('a' - 'A')) : c;
}

static uint8_t
to_lower(uint8_t c)
{
	return is_upper(c) ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Folding makes letters small: one at the beginning of a word or among capitals
 * becomes a capital again (of two that are made of one, both among capitals).
 */
static void
add_folded(struct buf *part, uint32_t character, struct str c, struct str rest)
{
	bool begins = part->n == 0 || !is_portable(part->p[part->n - 1]);
	bool after = part->n > 0 && is_upper(part->p[part->n - 1]);
	bool among = (rest.n > 0 && is_upper(rest.p[0])) ||
		     (after && utf8_is_upper(character));
	struct arena arena;
	struct str folded;
	size_t i;

	arena_init(&arena, 16 * KIB);
	folded = utf8_fold(&arena, c);
	for (i = 0; i < folded.n; i++)
		if (is_portable(folded.p[i]))
			buf_u8(part, among || (begins && i == 0)
					 ? to_upper(folded.p[i])
					 : folded.p[i]);
	arena_fini(&arena);
}

/* One '_' for any run of what is not portable. */
static void
add_gap(struct buf *part)
{
	if (part->n > 0 && part->p[part->n - 1] != '_')
		buf_u8(part, '_');
}

void
filename_add(struct buf *path, size_t from, struct str text, size_t max)
{
	struct buf part;
	size_t before, n;
	uint32_t c;

	buf_init(&part, 1 * KIB);
	text = utf8_cut(text, 256);
	while (text.n > 0) {
		n = utf8_next(text, &c);
		if (n == 0)
			n = 1;
		before = part.n;
		if (n == 1 && (is_portable(text.p[0]) || text.p[0] == '-'))
			buf_u8(&part, text.p[0]);
		else if (n > 1)
			add_folded(&part, c, str_of(text.p, n),
			    str_of(text.p + n, text.n - n));
		if (part.n == before)
			add_gap(&part);
		text = str_of(text.p + n, text.n - n);
	}
	n = part.n < max ? part.n : max;
	while (n > 0 && !is_portable(part.p[n - 1]))
		n--;
	before = 0;
	while (before < n && !is_portable(part.p[before]))
		before++;
	if (n > before && path->n > from)
		buf_u8(path, '_');
	if (n > before)
		buf_add(path, str_of(part.p + before, n - before));
	buf_fini(&part);
}

void
filename_number(struct buf *path, size_t from, struct str text, int width)
{
	uint64_t v;
	char shown[32];

	text = str_trim(text);
	if (!str_u64(text, &v)) {
		filename_add(path, from, text, 12);
		return;
	}
	snprintf(shown, sizeof(shown), "%0*llu", width, (unsigned long long)v);
	filename_add(path, from, str_from(shown), sizeof(shown));
}

/* Names of devices in Windows, with any extension. */
static bool
is_reserved(struct str name)
{
	static const char *const names[] = {"CON", "PRN", "AUX", "NUL"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(name, str_from(names[i])))
			return true;
	return name.n == 4 && name.p[3] >= '0' && name.p[3] <= '9' &&
	       (str_eq_nocase(str_of(name.p, 3), STR("COM")) ||
		   str_eq_nocase(str_of(name.p, 3), STR("LPT")));
}

void
filename_end(struct buf *path, size_t from, const char *instead)
{
	if (path->n == from)
		buf_text(path, instead);
	else if (is_reserved(str_of(path->p + from, path->n - from)))
		buf_u8(path, '_');
}

void
filenames_init(struct filenames *n)
{
	map_init(&n->taken);
	arena_init(&n->arena, 256 * MIB);
}

void
filenames_fini(struct filenames *n)
{
	map_fini(&n->taken);
	arena_fini(&n->arena);
}

void
filenames_clear(struct filenames *n)
{
	map_clear(&n->taken);
	arena_reset(&n->arena);
}

static struct str
lower(struct filenames *n, struct str path)
{
	uint8_t *p = arena_alloc(&n->arena, path.n);
	size_t i;

	for (i = 0; p != NULL && i < path.n; i++)
		p[i] = to_lower(path.p[i]);
	return str_of(p, p != NULL ? path.n : 0);
}

bool
filenames_take(
    struct filenames *n, struct buf *path, const char *extension, struct err *e)
{
	size_t plain = path->n;
	struct str key = lower(n, buf_str(path)), first = key;
	uintptr_t count = (uintptr_t)map_get(&n->taken, key);

	/* Counting on from the last one asked for: a thousand images without
	 * a number do not try a thousand names each. */
	while (key.n > 0 && map_get(&n->taken, key) != NULL) {
		count++;
		path->n = plain;
		buf_printf(path, "_%llu", (unsigned long long)count);
		key = lower(n, buf_str(path));
	}
	buf_text(path, extension);
	if (key.n == 0 || path->over)
		return fail(e, ERR_LIMIT, "too many names, or too long ones");
	if (count > 0)
		(void)map_put(&n->taken, first, (void *)count);
	(void)map_put(&n->taken, key, (void *)(uintptr_t)1);
	return true;
}
