/*
 * What move and get share: the progress by the node's counts, which may lie,
 * and the words at the end.
 */
#ifndef APP_CLIENT_BRING_H
#define APP_CLIENT_BRING_H

#include "app/client/select.h"
#include "app/client/target.h"
#include "app/progress.h"

struct retrieval {
	struct target t;
	struct arena arena, answers;
	struct selection selection;
	struct progress progress;
	uint64_t failed; /* requests that did not bring everything */
	bool by_us;      /* the instances come here: our own count tells */
};

/* For a client_query whose ctx is the retrieval. */
bool bring_answer(
    void *ctx, const struct dataset *identifier, const struct client_end *end);
bool bring_stop(void *ctx);
/* One line about a request on stdout, and why not all came. */
void bring_report(struct retrieval *r, const struct selected *s,
    const struct client_end *end);
void bring_init(struct retrieval *r);
void bring_fini(struct retrieval *r);

#endif
