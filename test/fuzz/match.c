/*
 * Matching: the input is a key, a line feed and a value. Wild cards are
 * compared with the textbook's table of all prefixes; keys of every VR are
 * matched; a value always matches itself and the universal key.
 */
#include "base/limit.h"
#include "base/utf8.h"
#include "dicom/match.h"

#define TABLE_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The characters of s; SIZE_MAX when there are too many for the table. */
static size_t
characters(struct str s, uint32_t out[TABLE_MAX])
{
	size_t n, count = 0;

	for (; s.n > 0; s = str_of(s.p + n, s.n - n)) {
		if (count == TABLE_MAX)
			return SIZE_MAX;
		n = utf8_next(s, &out[count++]);
		must(n > 0);
	}
	return count;
}

static bool
plainly(const uint32_t *p, size_t np, const uint32_t *v, size_t nv)
{
	static bool row[TABLE_MAX + 1];
	bool diagonal, above;
	size_t i, j;

	memset(row, 0, sizeof(row));
	row[0] = true;
	for (i = 0; i < np; i++) {
		diagonal = row[0];
		row[0] = row[0] && p[i] == '*';
		for (j = 1; j <= nv; j++) {
			above = row[j];
			if (p[i] == '*')
				row[j] = above || row[j - 1];
			else
				row[j] = diagonal &&
					 (p[i] == '?' || p[i] == v[j - 1]);
			diagonal = above;
		}
	}
	return row[nv];
}

static void
check_wild(struct str pattern, struct str value)
{
	uint32_t p[TABLE_MAX], v[TABLE_MAX];
	size_t np, nv;
	bool got = match_wild(pattern, value);

	must(match_wild(STR("*"), value));
	if (str_find(value, '*') == value.n && str_find(value, '?') == value.n)
		must(match_wild(value, value));
	if (!utf8_valid(pattern) || !utf8_valid(value))
		return;
	np = characters(pattern, p);
	nv = characters(value, v);
	if (np != SIZE_MAX && nv != SIZE_MAX)
		must(got == plainly(p, np, v, nv));
}

static void
check_range(enum vr vr, struct str key)
{
	struct str from, to;

	if (!match_range_split(vr, key, &from, &to))
		return;
	must(vr == VR_DA || vr == VR_TM || vr == VR_DT);
	must(from.n + to.n < key.n);
	must(from.n == 0 || (from.p >= key.p && from.n < key.n));
	must(to.n == 0 || to.p + to.n <= key.p + key.n);
}

/* What was read once is plain, and a range has ends that mean something. */
static void
check_moment(enum vr vr, struct str key)
{
	struct str read, again, from, to;
	enum match_moment is;
	struct arena a;

	arena_init(&a, 1 * MIB);
	is = match_moment(&a, vr, key, &read);
	must(is == MATCH_MOMENT_PLAIN || vr == VR_DA || vr == VR_TM ||
	     vr == VR_DT);
	if (is == MATCH_MOMENT_READ)
		must(match_moment(&a, vr, read, &again) == MATCH_MOMENT_PLAIN &&
		     str_eq(read, again));
	if ((is == MATCH_MOMENT_PLAIN || is == MATCH_MOMENT_READ) &&
	    str_find(read, '\\') == read.n &&
	    match_range_split(vr, read, &from, &to)) {
		/* From its beginning on, or up to its end: not empty. */
		if (from.n > 0)
			must(match_in_range(vr, from, STR(""), from));
		if (to.n > 0)
			must(match_in_range(vr, STR(""), to, to));
	}
	arena_fini(&a);
}

static void
check_value(enum vr vr, struct str key, struct str value)
{
	enum match_kind kind = match_kind(vr, key);
	struct arena a;
	bool yes;

	arena_init(&a, 4 * MIB);
	yes = match_value(&a, vr, key, value);
	must(kind != MATCH_UNIVERSAL || yes);
	must(value.n > 0 || !yes || str_find(key, '*') != key.n ||
	     str_trim(key).n == 0);
	must(vr_kind(vr) == VR_KIND_BINARY ||
	     match_value(&a, vr, STR("*"), value));
	must(match_value(&a, vr, STR(""), value));
	arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = str_of(data, size), key, value;
	size_t n = str_find(all, '\n');
	int vr;

	if (n == size)
		return 0;
	key = str_of(data, n);
	value = str_of(data + n + 1, size - n - 1);
	check_wild(key, value);
	for (vr = VR_NONE; vr < VR_COUNT; vr++) {
		check_range((enum vr)vr, key);
		check_moment((enum vr)vr, key);
		check_value((enum vr)vr, key, value);
	}
	return 0;
}
