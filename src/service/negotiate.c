/*
 * Admission and the choice for each presentation context.
 */
#include "service/negotiate.h"

#include "store/table/node.h"

/* PS3.7 D.3.3.3: how many of the peer's requests may be under way. They are
 * read and answered in their order, so any number would do. */
#define ASYNC_WINDOW 16

bool
negotiate_called(const char *ours, const char *called)
{
	static const char *const forms[] = {"", "_E", "_P", "_TE", "_TP"};
	struct str main_title = str_trim(str_from(ours));
	struct str title = str_trim(str_from(called)), rest;
	size_t i;

	if (!str_starts(title, main_title))
		return false;
	rest = str_of(title.p + main_title.n, title.n - main_title.n);
	for (i = 0; i < ARRAY_LEN(forms); i++)
		if (str_eq_text(rest, forms[i]))
			return true;
	return false;
}

static bool
proposes(const struct pdu_associate *rq, bool verification)
{
	size_t i;

	for (i = 0; i < rq->context_count; i++)
		if (str_eq_text(rq->contexts[i].abstract, UID_Verification) ==
		    verification)
			return true;
	return false;
}

/* Whoever calls by the title of a node that has a certificate must show it:
 * otherwise the title is somebody else's. */
static bool
check_certificate(struct negotiation *n, const struct conn *c,
    const char *calling, struct err *e)
{
	char bound[NODE_CERTIFICATE_ROOM];
	const char *shown = conn_fingerprint(c);

	if (!node_certificate(n->store, calling, bound, e))
		return fail(e, ERR_DENIED, "the known nodes cannot be read");
	if (bound[0] == '\0' || strcmp(bound, shown) == 0)
		return true;
	if (c->tls == NULL)
		return fail(e, ERR_DENIED,
		    "the node has a certificate and must call over TLS");
	if (shown[0] == '\0')
		return fail(
		    e, ERR_DENIED, "the node has not shown its certificate");
	return fail(e, ERR_DENIED,
	    "the certificate shown is not the node's (it is %s)", shown);
}

static bool
admit(void *ctx, const struct conn *c, const struct pdu_associate *rq,
    struct pdu_reject *reject, struct err *e)
{
	struct negotiation *n = ctx;
	const char *why = "AE title unknown";

	if (n->config->check_called_ae &&
	    !negotiate_called(n->config->ae_title, rq->called)) {
		reject->reason = REJECT_USER_CALLED_AE;
		return fail(e, ERR_DENIED,
		    "called AE title '%s' is not this archive's", rq->called);
	}
	if (!check_certificate(n, c, rq->calling, e)) {
		reject->reason = REJECT_USER_CALLING_AE;
		return false;
	}
	n->trusted = c->peer.loopback ||
		     node_known(n->store, rq->calling, c->peer.address, &why);
	if (n->trusted || n->config->access_open)
		return true;
	if (!proposes(rq, true)) {
		reject->reason = REJECT_USER_CALLING_AE;
		return fail(e, ERR_DENIED, "not a known node: %s", why);
	}
	n->echo_only = true;
	if (proposes(rq, false))
		snprintf(n->reason, sizeof(n->reason),
		    "not a known node: %.100s; only C-ECHO was granted", why);
	return true;
}

static bool
identify(void *ctx, const struct conn *c, const struct pdu_user_identity *user,
    bool *proven, struct pdu_reject *reject, struct err *e)
{
	struct negotiation *n = ctx;

	/* Strangers cannot have passwords tried. */
	if (n->echo_only)
		return true;
	return identity_check(
	    n->identities, user, c->peer.address, proven, reject, e);
}

int
negotiate_syntax(
    const struct service *service, const struct pdu_context *context)
{
	int first = -1;
	size_t i;

	for (i = 0; i < context->syntax_count; i++) {
		if (!service->takes(context->syntaxes[i]))
			continue;
		if (first < 0)
			first = (int)i;
		if (!str_eq_text(
			context->syntaxes[first], UID_ImplicitVRLittleEndian))
			break;
		/* Every application offers implicit VR because it has to; what
		 * it offers besides carries more. */
		if (str_eq_text(
			context->syntaxes[i], UID_ExplicitVRLittleEndian))
			return (int)i;
	}
	return first;
}

static int
choose(void *ctx, const struct pdu_associate *rq,
    const struct pdu_context *context, uint8_t *result, bool *may_scp,
    struct str *extended)
{
	const struct service *service = service_for_abstract(context->abstract);
	struct negotiation *n = ctx;
	struct str proposed = *extended;
	size_t length = 0;
	int pick;

	(void)rq;
	*extended = STR("");
	if (service == NULL) {
		*result = CONTEXT_ABSTRACT_SYNTAX;
		return -1;
	}
	if (n->echo_only && service != &service_echo) {
		*result = CONTEXT_USER_REJECTION;
		return -1;
	}
	pick = negotiate_syntax(service, context);
	if (pick < 0) {
		*result = CONTEXT_TRANSFER_SYNTAXES;
		return -1;
	}
	/* Roles turn around where C-GET has the peer store what we send, and
	 * where it reports on a storage commitment that we asked for. */
	if (service != &service_store && service != &service_commitment)
		*may_scp = false;
	if (proposed.n > 0 && service->extended != NULL)
		length =
		    service->extended(proposed, n->answer, sizeof(n->answer));
	*extended = str_of(n->answer, length);
	return pick;
}

const struct assoc_policy negotiation_policy = {
    .admit = admit,
    .identify = identify,
    .choose = choose,
    .async_performed = ASYNC_WINDOW,
};
