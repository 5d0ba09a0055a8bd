/*
 * Stored settings: text by key. What keys there are, their types and limits is
 * app/settings.def's; here they are kept.
 */
#ifndef STORE_SETTING_H
#define STORE_SETTING_H

#include "store/store.h"

bool setting_get(struct store *, const char *key, struct arena *a, char **value,
    struct err *e) MUST_USE; /* *value NULL when not stored */
/* value NULL removes. Flushed. */
bool setting_put(
    struct store *, const char *key, const char *value, struct err *e) MUST_USE;
/* A number that changes whenever a setting was written, also by another
 * process; cheap enough to ask every second. */
bool setting_version(struct store *, int64_t *out, struct err *e) MUST_USE;

#endif
