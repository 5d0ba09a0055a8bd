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
#include "service/receive.h"

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

static bool
serve(struct session *s, const struct dimse *rq, struct err *e)
{
	struct receive_archive to = {0};
	struct received r;

	s->activity.stores++;
	if (s->intake == NULL)
		s->intake = intake_new(s->store, s->assoc->calling);
	to.intake = s->intake;
	if (!receive_instance(s->assoc, rq, &receive_archive, &to, &r, e)) {
		s->activity.stores_failed++;
		return false;
	}
	if (r.why.code != ERR_NONE) {
		s->activity.stores_failed++;
		return service_fail_as(s, rq, r.status, &r.why, e);
	}
	s->activity.instances_in++;
	log_debug("dicom", "stored %s (%llu bytes)", r.result.sop_instance,
	    (unsigned long long)r.result.size);
	if (!service_answer(s, rq, r.status, r.comment, e))
		return false;
	if (r.result.outcome == OBJECT_STORED)
		arrival_note(
		    s->store, &s->config.arrival, &s->arrived, r.result.study);
	return true;
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
