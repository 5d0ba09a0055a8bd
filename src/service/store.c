/*
 * Storage (PS3.4 Annex B): C-STORE as performer.
 *
 * The data set streams from the socket into the archive in the fragments in
 * which it arrives. Success leaves only after object_commit() has returned
 * true. Whatever goes wrong with the object, its data set is read to the end
 * before the answer, so that the association stays in step; when the
 * association itself breaks, what was received of the object is given up.
 *
 * A storage class is every one of PS3.4 Annex B (and I, GG), every newer one
 * below the root they have in common, and every class outside the standard's
 * root, which is a manufacturer's own. Each is taken in every transfer syntax
 * of PS3.6, as it is sent.
 */
#include "service/service.h"

#include "base/log.h"

/* PS3.4 B.3.1.2: all attributes are kept, signatures as they are, and none is
 * coerced. */
#define LEVEL_OF_SUPPORT   2
#define LEVEL_OF_SIGNATURE 0
#define ELEMENT_COERCION   0

static bool
looks_like_uid(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] != '.' && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
	return s.n > 0 && str_find(s, '.') < s.n;
}

static bool
serves(struct str abstract)
{
	const struct dict_uid *known = dict_uid(abstract);

	if (known != NULL)
		return known->kind == UID_KIND_STORAGE;
	if (str_starts(abstract, STR("1.2.840.10008.")))
		return str_starts(abstract, STR("1.2.840.10008.5.1.4.1.1."));
	return looks_like_uid(abstract);
}

/* Not those that are no data sets, or no stored ones (PS3.5 A.4 and A.8). */
static bool
takes(struct str syntax)
{
	static const char *const others[] = {UID_RFC2557MIMEEncapsulation,
	    UID_XMLEncoding,
	    UID_SMPTEST211020UncompressedProgressiveActiveVideo,
	    UID_SMPTEST211020UncompressedInterlacedActiveVideo,
	    UID_SMPTEST211030PCMDigitalAudio};
	const struct dict_uid *known = dict_uid(syntax);
	size_t i;

	if (known == NULL || known->kind != UID_KIND_TRANSFER_SYNTAX)
		return false;
	for (i = 0; i < ARRAY_LEN(others); i++)
		if (strcmp(known->uid, others[i]) == 0)
			return false;
	return true;
}

static size_t
extended(struct str proposed, uint8_t *answer, size_t room)
{
	const uint8_t fields[] = {
	    LEVEL_OF_SUPPORT, 0, LEVEL_OF_SIGNATURE, 0, ELEMENT_COERCION, 0};

	if (proposed.n == 0 || room < sizeof(fields))
		return 0;
	memcpy(answer, fields, sizeof(fields));
	return sizeof(fields);
}

/* Read the data set into the object. False when the association broke; *why
 * tells what is wrong with the object otherwise. */
static bool
receive(struct session *s, struct object *o, struct err *why, struct err *e)
{
	struct str part;

	for (;;) {
		if (!dimse_read_part(s->assoc, &part, e))
			return false;
		if (part.n == 0)
			return true;
		if (!object_write(o, part, why))
			return true;
	}
}

static bool
begin(struct session *s, const struct dimse *rq, struct object **o,
    struct err *why)
{
	const struct assoc_context *context =
	    assoc_context(s->assoc, rq->context);
	struct object_header header = {
	    .sop_class = str_from(rq->sop_class),
	    .sop_instance = str_from(rq->sop_instance),
	    .syntax = context->syntax,
	};

	if (!rq->has_data)
		return fail(why, ERR_MALFORMED, "a C-STORE without data set");
	if (s->intake == NULL)
		s->intake = intake_new(s->store, s->assoc->calling);
	return object_begin(s->intake, &header, o, why);
}

/* PS3.4 B.2.3: what was stored under another name than announced is told. */
static bool
answer_stored(struct session *s, const struct dimse *rq,
    const struct object_result *r, struct err *e)
{
	const char *what = r->class_mismatch
			       ? "stored; the data set is of another SOP Class"
			       : "stored; the data set is another SOP Instance";

	s->activity.instances_in++;
	log_debug("dicom", "stored %s (%llu bytes)", r->sop_instance,
	    (unsigned long long)r->size);
	if (r->class_mismatch || r->instance_mismatch)
		return service_answer(
		    s, rq, STATUS_DataSetMismatchWarning, what, e);
	return service_answer(s, rq, STATUS_Success, NULL, e);
}

static bool
serve(struct session *s, const struct dimse *rq, struct err *e)
{
	struct object_result result = {0};
	struct err why = {0};
	struct object *o = NULL;

	s->activity.stores++;
	if (rq->sop_instance_long) {
		s->activity.stores_failed++;
		return service_refuse(s, rq, STATUS_InvalidObjectInstance,
		    "a SOP Instance UID of more than 64 characters", e);
	}
	if (begin(s, rq, &o, &why)) {
		if (!receive(s, o, &why, e)) {
			object_abort(&o);
			s->activity.stores_failed++;
			return false;
		}
		if (why.code != ERR_NONE)
			object_abort(&o);
		else if (object_commit(&o, &result, &why))
			return answer_stored(s, rq, &result, e);
	}
	s->activity.stores_failed++;
	return service_fail(s, rq, &why, e);
}

const struct service service_store = {
    .name = "Storage",
    .command = C_STORE_RQ,
    .pool = POOL_STORE,
    .serves = serves,
    .takes = takes,
    .extended = extended,
    .serve = serve,
};
