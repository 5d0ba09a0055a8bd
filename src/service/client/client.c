/*
 * Opening and closing associations to other nodes, and C-ECHO.
 */
#include "service/client/client.h"

#include "base/clock.h"
#include "net/tls.h"
#include "service/client/account.h"

void
client_copy(struct client *out, const struct client *c)
{
	*out = *c;
	(void)tls_ref(out->tls);
}

void
client_fini(struct client *c)
{
	tls_unref(&c->tls);
}

static bool
any_accepted(const struct assoc *a)
{
	size_t i;

	for (i = 0; i < a->context_count; i++)
		if (a->contexts[i].result == CONTEXT_ACCEPTED)
			return true;
	return false;
}

/* What a person can do about it (PS3.8 Table 9-21). */
static const char *
advice(const struct pdu_reject *r)
{
	if (r->source != REJECT_BY_USER)
		return r->result == REJECT_TRANSIENT ||
			       r->source == REJECT_BY_PRESENTATION
			   ? "it is busy, try again later"
			   : "it does not take associations of this kind";
	switch (r->reason) {
	case REJECT_USER_CALLED_AE:
		return "its AE title is another one: ask for it, and correct "
		       "it here";
	default:
		return "it may not know our AE title or address: add them "
		       "there";
	}
}

static bool
denied(const struct client *c, const struct node *to,
    const struct pdu_reject *r, struct err *e)
{
	struct err why = *e;
	char what[200];

	if (r->source == REJECT_BY_USER && r->reason == REJECT_USER_CALLING_AE)
		snprintf(what, sizeof(what),
		    "it does not know our AE title '%s': add that title, with "
		    "the address of this machine, there",
		    c->ae_title);
	else
		(void)str_copy(what, sizeof(what), str_from(advice(r)));
	return fail(e, ERR_DENIED, "node '%s': %s; %s", to->ae, why.text, what);
}

bool
client_open(struct assoc **out, const struct client *c, const struct node *to,
    const struct client_wish *wish, struct err *e)
{
	struct pdu_reject reject = {0};
	int64_t start_ms;
	struct assoc_request rq = {
	    .host = to->host,
	    .port = to->port,
	    .calling = c->ae_title,
	    .called = to->ae,
	    .contexts = wish->contexts,
	    .context_count = wish->context_count,
	    .roles = wish->roles,
	    .role_count = wish->role_count,
	    .extended = wish->extended,
	    .extended_count = wish->extended_count,
	    .async_invoked = wish->window,
	    .tls = to->tls ? c->tls : NULL,
	    .tls_pin = to->certificate,
	    .timeout_ms = c->timeout_ms,
	    .watch = wish->watch,
	    .reject = &reject,
	};

	*out = NULL;
	if (to->port == 0)
		return fail(e, ERR_USAGE,
		    "node '%s' does not listen: it has no port", to->ae);
	if (!to->tls && to->certificate[0] != '\0')
		return fail(e, ERR_USAGE,
		    "node '%s' has a certificate but is not set to TLS: "
		    "'node edit %s --tls', or '--certificate none'",
		    to->ae, to->ae);
	if (to->tls && c->tls == NULL)
		return fail(e, ERR_USAGE,
		    "node '%s' speaks TLS, which is not set up here: %.200s",
		    to->ae, c->tls_trouble);
	start_ms = clock_utc_ms();
	if (!assoc_request(out, &rq, e)) {
		account_failed(c, to, start_ms, e);
		if (e->code == ERR_DENIED && reject.result != 0)
			return denied(c, to, &reject, e);
		return fail_in(e, "node '%s'", to->ae);
	}
	account_begin(*out, c, start_ms);
	if (any_accepted(*out))
		return true;
	account_note(*out, "it took none of the services asked for");
	client_close(out);
	return fail(e, ERR_UNSUPPORTED,
	    "node '%s' offers none of the services asked for", to->ae);
}

void
client_close(struct assoc **a)
{
	struct err ignored;

	if (*a == NULL)
		return;
	if ((*a)->end == ASSOC_OPEN && !assoc_release(*a, &ignored) &&
	    (*a)->end == ASSOC_OPEN)
		assoc_abort(*a, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	assoc_free(a);
}

bool
client_echo(struct assoc *a, struct client_end *end, struct err *e)
{
	const struct assoc_context *context =
	    assoc_find_context(a, STR(UID_Verification), STR(""));
	struct dimse m = {.command = C_ECHO_RQ}, rsp;

	*end = (struct client_end){0};
	if (context == NULL)
		return fail(e, ERR_UNSUPPORTED, "C-ECHO was not accepted");
	m.context = context->id;
	m.message_id = a->next_message_id++;
	(void)str_copy(m.sop_class, sizeof(m.sop_class), STR(UID_Verification));
	if (!dimse_send(a, &m, STR(""), e) || !dimse_read(a, &rsp, e))
		return false;
	if (rsp.command != C_ECHO_RSP || rsp.message_id != m.message_id) {
		assoc_abort(a, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
		return fail(e, ERR_PROTOCOL, "C-ECHO was answered with a %s",
		    dimse_command_name(rsp.command));
	}
	account(a)->echoes++;
	end->status = rsp.status;
	(void)str_copy(
	    end->comment, sizeof(end->comment), str_from(rsp.comment));
	return true;
}
