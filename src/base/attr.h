/*
 * Compiler attributes and the assertions that stay on.
 *
 * must() guards our own invariants and never a peer's bytes: it is kept in
 * release builds and ends the process with the place it stands in.
 */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF(text, arg) __attribute__((format(printf, text, arg)))
#define UNUSED            __attribute__((unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define must(condition)                                                        \
	((condition) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))

_Noreturn void must_failed(const char *condition, const char *file, int line);

/* malloc, calloc and realloc that end the process when memory is gone:
 * acknowledged means durable, so a restart loses nothing. */
void *must_alloc(size_t n) MUST_USE;
void *must_zalloc(size_t n) MUST_USE;
void *must_realloc(void *p, size_t n) MUST_USE;
char *must_strdup(const char *s) MUST_USE;

#endif
