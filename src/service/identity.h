/*
 * User identity in association requests (PS3.7 D.3.3.7): a name and a passcode
 * are those of a user of the portal, or the association is refused. Nothing
 * else that may stand there can be proven, and where the portal has no users
 * nothing is: such a request is accepted without the positive response
 * (D.3.3.7), and its requester decides.
 */
#ifndef SERVICE_IDENTITY_H
#define SERVICE_IDENTITY_H

#include "net/pdu.h"
#include "store/store.h"

/* What is kept between associations: who was right lately, who was wrong. */
struct identities;

struct identities *identities_new(struct store *);
void identities_free(struct identities **);

/* False when the association is to be refused, with *reject filled. proven:
 * whether a positive response is true. */
bool identity_check(struct identities *, const struct pdu_user_identity *,
    const char *address, bool *proven, struct pdu_reject *reject,
    struct err *e) MUST_USE;

#endif
