/*
 * Verification (PS3.4 Annex A): C-ECHO, answered with success and nothing
 * else.
 */
#include "service/service.h"

static bool
serves(struct str abstract)
{
	return str_eq_text(abstract, UID_Verification);
}

static bool
serve(struct session *s, const struct dimse *rq, struct err *e)
{
	s->activity.echoes++;
	/* A C-ECHO has no data set; one that says it has is answered all the
	 * same, once it is read. */
	return dimse_drain(s->assoc, e) &&
	       service_answer(s, rq, STATUS_Success, NULL, e);
}

const struct service service_echo = {
    .name = "Verification",
    .command = C_ECHO_RQ,
    .pool = POOL_STORE,
    .serves = serves,
    .takes = service_takes_plain,
    .serve = serve,
};
