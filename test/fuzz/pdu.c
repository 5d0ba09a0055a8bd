/*
 * Association PDUs: whatever parses is built again, and what was built parses
 * to what builds the same bytes. The first byte of the input is the PDU type.
 */
#include "net/pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
count_bytes(const struct pdu_associate *v)
{
	size_t n = v->titles.n + v->application.n, i, j;

	for (i = 0; i < v->context_count; i++) {
		n += v->contexts[i].abstract.n;
		for (j = 0; j < v->contexts[i].syntax_count; j++)
			n += v->contexts[i].syntaxes[j].n;
	}
	for (i = 0; i < v->role_count; i++)
		n += v->roles[i].sop_class.n;
	for (i = 0; i < v->extended_count; i++)
		n += v->extended[i].sop_class.n + v->extended[i].info.n;
	for (i = 0; i < v->common_count; i++)
		for (j = 0; j < v->common[i].related_count; j++)
			n += v->common[i].related[j].n;
	return n + v->identity.primary.n + v->identity.secondary.n +
	       v->identity.answer.n;
}

static void
associate(enum pdu_type type, struct str body)
{
	struct pdu_associate v, again;
	struct arena arena;
	struct buf first, second;
	struct err e;

	arena_init(&arena, 4 * LIMIT_ASSOC_ARENA);
	buf_init(&first, 2 * LIMIT_ASSOCIATE_PDU);
	buf_init(&second, 2 * LIMIT_ASSOCIATE_PDU);
	if (pdu_associate_parse(&arena, type, body, &v, &e)) {
		must(v.context_count <= LIMIT_CONTEXTS);
		must(v.context_count > 0 || type == PDU_ASSOCIATE_AC);
		must(strlen(v.called) <= 16 && strlen(v.calling) <= 16);
		must(count_bytes(&v) <= body.n);
		pdu_associate_build(&first, type, &v);
		must(!first.over);
		must(pdu_associate_parse(&arena, type,
		    str_of(first.p + PDU_HEADER, first.n - PDU_HEADER), &again,
		    &e));
		must(count_bytes(&again) <= first.n);
		pdu_associate_build(&second, type, &again);
		must(str_eq(buf_str(&first), buf_str(&second)));
	} else {
		must(e.code == ERR_MALFORMED || e.code == ERR_LIMIT);
	}
	buf_fini(&first);
	buf_fini(&second);
	arena_fini(&arena);
}

static void
shorter(struct str body)
{
	uint8_t source, reason;
	struct pdu_reject r;
	struct err e;

	if (pdu_reject_parse(body, &r, &e))
		must(strlen(pdu_reject_text(r)) > 0);
	if (pdu_abort_parse(body, &source, &reason, &e))
		must(strlen(pdu_abort_text(source, reason)) > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body;

	if (size == 0 || size > LIMIT_ASSOCIATE_PDU)
		return 0;
	body = str_of(data + 1, size - 1);
	if (data[0] == PDU_ASSOCIATE_RQ || data[0] == PDU_ASSOCIATE_AC)
		associate((enum pdu_type)data[0], body);
	else
		shorter(body);
	return 0;
}
