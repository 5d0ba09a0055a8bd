/*
 * Which studies a node has: C-FIND in ranges of dates, so that a node that
 * limits its answers still names them all.
 */
#ifndef SERVICE_JOB_FETCH_LIST_H
#define SERVICE_JOB_FETCH_LIST_H

#include "service/client/client.h"

struct fetch_filter {
	int64_t from_day, to_day; /* days since 1970-01-01; INT64_MIN: open */
	const char *modality, *patient; /* NULL: any */
	int64_t today;
};

/* "YYYYMMDD" or "YYYY-MM-DD". */
bool fetch_day_parse(struct str text, int64_t *day);

/* A study; instances 0: the node does not say how many. May come more than
 * once. False: enough, *e is set. */
typedef bool fetch_study_fn(
    void *ctx, struct str study_uid, uint64_t instances, struct err *e);

struct fetch_list_end {
	uint64_t finds; /* how often the node was asked */
	bool limited;   /* it limits its answers; undated studies may lack */
	bool undated;   /* it does not search by date */
	char cut[32];   /* a time in which there may be more than it names */
};
bool fetch_list(const struct client *c, const struct node *node,
    const struct fetch_filter *filter, fetch_study_fn *study,
    bool (*stop)(void *), void *ctx, struct fetch_list_end *end,
    struct err *e) MUST_USE;

#endif
