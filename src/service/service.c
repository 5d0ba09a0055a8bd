/*
 * The list of services, and what all of them share: finding the one for a
 * request, statuses, answers.
 */
#include "service/service.h"

#include "base/log.h"

const struct service *const services[] = {&service_echo, &service_store,
    &service_find, &service_get, &service_move, &service_worklist,
    &service_commitment, &service_commitment_result, &service_mpps_create,
    &service_mpps_set, &service_mpps_get, NULL};

const struct service *
service_for_command(uint16_t command, struct str sop_class)
{
	size_t i;

	for (i = 0; services[i] != NULL; i++)
		if (services[i]->command == command &&
		    services[i]->serves(sop_class))
			return services[i];
	return NULL;
}

const struct service *
service_for_abstract(struct str abstract)
{
	size_t i;

	for (i = 0; services[i] != NULL; i++)
		if (services[i]->serves(abstract))
			return services[i];
	return NULL;
}

uint16_t
dimse_status(enum err_code code)
{
	switch (code) {
	case ERR_NONE:
		return STATUS_Success;
	case ERR_FULL:
		return STATUS_OutOfResources;
	case ERR_MALFORMED:
	case ERR_LIMIT:
		return STATUS_CannotUnderstand;
	case ERR_UNSUPPORTED:
	case ERR_PROTOCOL:
		return STATUS_DataSetDoesNotMatchSOPClass;
	case ERR_CONFLICT:
		return STATUS_DuplicateSOPInstance;
	case ERR_MISSING:
		return STATUS_NoSuchInstance;
	case ERR_DENIED:
		return STATUS_NotAuthorized;
	case ERR_CANCELLED:
		return STATUS_Cancel;
	case ERR_IO:
	case ERR_TIMEOUT:
	case ERR_CLOSED:
	case ERR_CORRUPT:
	case ERR_USAGE:
		return STATUS_ProcessingFailure;
	}
	return STATUS_ProcessingFailure;
}

/* tag: the attribute at fault, or 0. */
static bool
answer_about(struct session *s, const struct dimse *rq, uint16_t status,
    uint32_t tag, const char *comment, struct err *e)
{
	struct dimse rsp = dimse_response(rq, status);

	rsp.offending = tag;
	if (comment != NULL)
		dimse_comment(&rsp, comment);
	if (s->config.debug)
		log_info("dicom", "'%s' %s: message %u: %s (%04X)%s%s",
		    s->assoc->calling, dimse_command_name(rq->command),
		    (unsigned)rq->message_id, status_name(status),
		    (unsigned)status, comment != NULL ? ", " : "",
		    comment != NULL ? comment : "");
	return dimse_send(s->assoc, &rsp, STR(""), e);
}

bool
service_answer(struct session *s, const struct dimse *rq, uint16_t status,
    const char *comment, struct err *e)
{
	return answer_about(s, rq, status, 0, comment, e);
}

static bool
refuse_about(struct session *s, const struct dimse *rq, uint16_t status,
    uint32_t tag, const char *comment, struct err *e)
{
	(void)str_copy(
	    s->activity.detail, sizeof(s->activity.detail), str_from(comment));
	return dimse_drain(s->assoc, e) &&
	       answer_about(s, rq, status, tag, comment, e);
}

bool
service_refuse(struct session *s, const struct dimse *rq, uint16_t status,
    const char *comment, struct err *e)
{
	return refuse_about(s, rq, status, 0, comment, e);
}

const char *
service_comment(const struct err *why)
{
	switch (why->code) {
	case ERR_FULL:
		return "no room left in the archive";
	case ERR_IO:
	case ERR_CORRUPT:
	case ERR_USAGE:
		return "processing failure, see the log of the archive";
	default:
		return why->text;
	}
}

static bool
fail_about(struct session *s, const struct dimse *rq, uint16_t status,
    uint32_t tag, const struct err *why, struct err *e)
{
	enum log_level level = LOG_WARNING;

	if (why->code == ERR_IO || why->code == ERR_CORRUPT ||
	    why->code == ERR_FULL)
		level = LOG_ERROR;
	log_line(level, "dicom", "%s of '%s' at %s failed (%04X): %s",
	    dimse_command_name(rq->command), s->assoc->calling,
	    s->assoc->conn->peer.address, (unsigned)status, why->text);
	return refuse_about(s, rq, status, tag, service_comment(why), e);
}

bool
service_fail_as(struct session *s, const struct dimse *rq, uint16_t status,
    const struct err *why, struct err *e)
{
	return fail_about(s, rq, status, 0, why, e);
}

bool
service_fail(struct session *s, const struct dimse *rq, const struct err *why,
    struct err *e)
{
	return service_fail_as(s, rq, dimse_status(why->code), why, e);
}

bool
service_fail_key(struct session *s, const struct dimse *rq, uint32_t tag,
    const struct err *why, struct err *e)
{
	return fail_about(s, rq, dimse_status(why->code), tag, why, e);
}

bool
service_read_identifier(struct session *s, struct err *e)
{
	buf_init(&s->identifier, LIMIT_IDENTIFIER);
	s->identifier_read = true;
	if (dimse_read_all(s->assoc, &s->identifier, e) ||
	    (e->code == ERR_LIMIT && s->assoc->end == ASSOC_OPEN))
		return true;
	buf_fini(&s->identifier);
	s->identifier_read = false;
	return false;
}

bool
service_stopping(struct session *s)
{
	return s->stopping != NULL && s->stopping(s);
}

bool
service_identifier(struct session *s, const struct dimse *rq,
    service_answer_fn *answer, struct err *e)
{
	struct err why;
	bool ok;

	if (!s->identifier_read && !service_read_identifier(s, e))
		return false;
	if (s->identifier.over) {
		(void)fail(&why, ERR_LIMIT, "a data set of more than %zu bytes",
		    s->identifier.cap);
		ok = service_fail(s, rq, &why, e);
	} else {
		ok = answer(s, rq, buf_str(&s->identifier), e);
	}
	buf_fini(&s->identifier);
	s->identifier_read = s->cancelled = false;
	return ok;
}

bool
service_gone(struct session *s, struct err *e)
{
	struct dimse ignored;

	while (dimse_read(s->assoc, &ignored, e))
		;
	return false;
}

bool
service_takes_plain(struct str syntax)
{
	return str_eq_text(syntax, UID_ImplicitVRLittleEndian) ||
	       str_eq_text(syntax, UID_ExplicitVRLittleEndian) ||
	       str_eq_text(syntax, UID_ExplicitVRBigEndian) ||
	       str_eq_text(syntax, UID_DeflatedExplicitVRLittleEndian);
}
