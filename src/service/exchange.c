/*
 * Dispatch of requests, and PS3.7 C.5 for those that find no service.
 */
#include "service/exchange.h"

#include "base/clock.h"
#include "base/log.h"
#include "service/commitment/report.h"

static bool
is_normalized(uint16_t command)
{
	switch (command) {
	case N_EVENT_REPORT_RQ:
	case N_GET_RQ:
	case N_SET_RQ:
	case N_ACTION_RQ:
	case N_CREATE_RQ:
	case N_DELETE_RQ:
		return true;
	default:
		return false;
	}
}

static bool
is_composite(uint16_t command)
{
	switch (command) {
	case C_STORE_RQ:
	case C_GET_RQ:
	case C_FIND_RQ:
	case C_MOVE_RQ:
	case C_ECHO_RQ:
		return true;
	default:
		return false;
	}
}

/* A request for which this context has no service. */
static bool
refuse(struct session *s, const struct dimse *rq, struct err *e)
{
	log_warning("dicom",
	    "'%s' at %s asked for %s (%04X) in a context that "
	    "has no such service",
	    s->assoc->calling, s->assoc->conn->peer.address,
	    dimse_command_name(rq->command), (unsigned)rq->command);
	if (is_normalized(rq->command))
		return service_refuse(s, rq, STATUS_NoSuchSOPClass,
		    "this SOP Class has no such service here", e);
	if (is_composite(rq->command))
		return service_refuse(s, rq, STATUS_SOPClassNotSupported,
		    "the presentation context is of another service", e);
	return service_refuse(
	    s, rq, STATUS_UnrecognizedOperation, "unrecognized operation", e);
}

bool
exchange_read(struct session *s, struct dimse *rq,
    const struct service **service, struct err *e)
{
	const struct assoc_context *context;
	const struct service *found;

	*service = NULL;
	if (!dimse_read(s->assoc, rq, e))
		return false;
	if (rq->is_response && report_answered(s, rq))
		return true;
	if (rq->is_response) {
		(void)fail(e, ERR_PROTOCOL, "a %s that answers nothing",
		    dimse_command_name(rq->command));
		assoc_abort(s->assoc, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
		return false;
	}
	/* What it would cancel has been answered already. */
	if (rq->command == C_CANCEL_RQ)
		return true;
	context = assoc_context(s->assoc, rq->context);
	must(context != NULL);
	found = service_for_command(rq->command, context->abstract);
	if (found == NULL)
		return refuse(s, rq, e);
	if (rq->sop_class[0] != '\0' &&
	    !str_eq_text(context->abstract, rq->sop_class))
		return service_refuse(s, rq, STATUS_SOPClassNotSupported,
		    "the SOP Class is not that of the context", e);
	*service = found;
	return true;
}

/* Requesters give up when they hear nothing; the shortest known wait is 10
 * seconds. */
#define WAIT_TELL_MS 2000

void
exchange_line_up(struct session *s)
{
	s->line.total = UINT64_MAX;
	s->line.tell_ms = clock_mono_ms() + WAIT_TELL_MS;
}

bool
exchange_wait(struct session *s, const struct dimse *rq,
    const struct service *service, struct err *e)
{
	int64_t now = clock_mono_ms();
	bool ok = true;

	if (now < s->line.tell_ms)
		return true;
	s->line.tell_ms = now + WAIT_TELL_MS;
	if (service->wait != NULL)
		ok = service->wait(s, rq, &s->line.total, e);
	arena_reset(&s->arena);
	return ok;
}

bool
exchange_serve(struct session *s, const struct dimse *rq,
    const struct service *service, struct err *e)
{
	bool ok = service->serve(s, rq, e);

	arena_reset(&s->arena);
	return ok;
}
