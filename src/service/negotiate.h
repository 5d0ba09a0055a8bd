/*
 * Who may associate and what for: the acceptor's half of PS3.8 7.1.1 and
 * PS3.7 Annex D.
 *
 * Refused as a whole: a called AE title that is not ours (unless that is not
 * checked), and, with dicom.access known, a caller that is neither on this
 * machine nor a known node at its own address. Such a caller gets Verification
 * when it proposes it, and nothing else. Of the others a user's name and
 * passcode must be right, if there are any (identity.h).
 */
#ifndef SERVICE_NEGOTIATE_H
#define SERVICE_NEGOTIATE_H

#include "service/identity.h"
#include "service/service.h"

/* The context of negotiation_policy: one for each association. */
struct negotiation {
	const struct service_config *config;
	struct store *store;
	struct identities *identities;
	/* The findings. */
	bool trusted;     /* this machine or a known node */
	bool echo_only;   /* not admitted to anything but Verification */
	char reason[160]; /* why echo_only withheld something; or empty */
	uint8_t answer[8];
};

extern const struct assoc_policy negotiation_policy;

/* Our AE title, or one of its forms with _E, _P, _TE and _TP. */
bool negotiate_called(const char *ours, const char *called);
/* The transfer syntax for a context of this service: the first proposed that
 * it takes, but explicit VR rather than implicit; -1 when it takes none. */
int negotiate_syntax(
    const struct service *service, const struct pdu_context *context);

#endif
