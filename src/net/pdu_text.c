/*
 * Rejections and aborts in words (PS3.8 Tables 9-21 and 9-26). All are
 * constants: they may be kept.
 */
#include "net/pdu.h"

#define USER         "by the peer's user: "
#define ACSE         "by the peer's association control: "
#define PRESENTATION "by the peer's presentation layer: "

struct reason {
	uint8_t source, reason;
	const char *permanent, *transient, *other;
};

#define REASON(source, reason, text)                                           \
	{                                                                      \
		source, reason, "rejected permanently " text,                  \
		    "rejected for now " text, "rejected " text                 \
	}

static const struct reason reasons[] = {
    REASON(REJECT_BY_USER, REJECT_USER_NO_REASON, USER "no reason given"),
    REASON(REJECT_BY_USER, REJECT_USER_APPLICATION_CONTEXT,
	USER "application context not supported"),
    REASON(REJECT_BY_USER, REJECT_USER_CALLING_AE,
	USER "calling AE title not recognized"),
    REASON(REJECT_BY_USER, REJECT_USER_CALLED_AE,
	USER "called AE title not recognized"),
    REASON(REJECT_BY_ACSE, REJECT_ACSE_NO_REASON, ACSE "no reason given"),
    REASON(REJECT_BY_ACSE, REJECT_ACSE_PROTOCOL_VERSION,
	ACSE "protocol version not supported"),
    REASON(REJECT_BY_PRESENTATION, REJECT_PRESENTATION_CONGESTION,
	PRESENTATION "temporary congestion"),
    REASON(REJECT_BY_PRESENTATION, REJECT_PRESENTATION_LIMIT,
	PRESENTATION "local limit exceeded"),
};

static const struct reason unknown_reason =
    REASON(0, 0, "for a reason that the standard does not define");

const char *
pdu_reject_text(struct pdu_reject r)
{
	const struct reason *found = &unknown_reason;
	size_t i;

	for (i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].source == r.source &&
		    reasons[i].reason == r.reason)
			found = &reasons[i];
	if (r.result == REJECT_PERMANENT)
		return found->permanent;
	return r.result == REJECT_TRANSIENT ? found->transient : found->other;
}

const char *
pdu_abort_text(uint8_t source, uint8_t reason)
{
	if (source == ABORT_BY_USER)
		return "aborted by the peer's user";
	if (source != ABORT_BY_PROVIDER)
		return "aborted by the peer";
	switch (reason) {
	case ABORT_NOT_SPECIFIED:
		return "aborted by the peer's upper layer: no reason given";
	case ABORT_UNRECOGNIZED_PDU:
		return "aborted by the peer's upper layer: unrecognized PDU";
	case ABORT_UNEXPECTED_PDU:
		return "aborted by the peer's upper layer: unexpected PDU";
	case ABORT_UNRECOGNIZED_PARAMETER:
		return "aborted by the peer's upper layer: unrecognized PDU "
		       "parameter";
	case ABORT_UNEXPECTED_PARAMETER:
		return "aborted by the peer's upper layer: unexpected PDU "
		       "parameter";
	case ABORT_INVALID_PARAMETER:
		return "aborted by the peer's upper layer: invalid PDU "
		       "parameter value";
	default:
		return "aborted by the peer's upper layer: unknown reason";
	}
}
