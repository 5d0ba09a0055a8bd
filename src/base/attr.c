/*
 * How the process ends when one of our own invariants does not hold, and the
 * allocators that never return NULL.
 *
 * The message goes out with one write(2) and without the log: whoever failed
 * may hold its lock.
 */
#include "base/attr.h"

#include <unistd.h>

void
must_failed(const char *condition, const char *file, int line)
{
	char text[512];
	int n;

	n = snprintf(text, sizeof(text), "%s:%d: must hold: %s\n", file, line,
	    condition);
	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
		abort();
	abort();
}

void *
must_alloc(size_t n)
{
	void *p = malloc(n > 0 ? n : 1);

	must(p != NULL);
	return p;
}

void *
must_zalloc(size_t n)
{
	void *p = calloc(1, n > 0 ? n : 1);

	must(p != NULL);
	return p;
}

void *
must_realloc(void *p, size_t n)
{
	void *q = realloc(p, n > 0 ? n : 1);

	must(q != NULL);
	return q;
}

char *
must_strdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(must_alloc(n), s, n);
}
