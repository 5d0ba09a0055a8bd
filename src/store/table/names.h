/*
 * Addresses of host names, looked up by threads of their own: who asks waits
 * for none of them, or a moment at most. Only for src/store.
 *
 * What was found counts for a minute; then it is looked up again while the old
 * addresses still count, for as long as the name service gives no answer.
 */
#ifndef STORE_TABLE_NAMES_H
#define STORE_TABLE_NAMES_H

#include "store/table/address.h"

struct names;

struct names *names_new(void);
/* Look-ups that hang are left behind and end by themselves. */
void names_free(struct names **n);

enum names_said {
	NAMES_YES,
	NAMES_NO,
	NAMES_NOWHERE, /* the name does not resolve */
	NAMES_NOT_YET  /* it is being looked up */
};
/* Is this an address of the host (a number, or a name)? Where that is not
 * known, or is not so by addresses that are old, waits for a look-up, until
 * NAMES_WAIT_MS after that has begun and no longer than until_ms
 * (clock_mono_ms; 0: does not wait). */
#define NAMES_WAIT_MS 250
enum names_said names_say(struct names *n, const char *host,
    const struct address *a, int64_t until_ms);
/* Have the host looked up if it never was. */
void names_want(struct names *n, const char *host);
/* For tests: all that was found is old now. */
void names_age(struct names *n);

#endif
