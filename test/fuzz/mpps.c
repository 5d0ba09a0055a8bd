/*
 * MPPS data sets: the first byte chooses the syntax, the rest is the data set
 * of an N-CREATE and then, of an exam that is known, that of an N-SET. What is
 * taken is kept in UTF-8, can be changed by itself, and is given in an N-GET.
 */
#include "service/worklist/performed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char known[] = "\x40\x00\x52\x02"
			    "CS\x0b\x00IN PROGRESS";

static bool
is_failure(const struct dimse *rsp)
{
	return rsp->status != STATUS_Success &&
	       rsp->status != STATUS_AttributeListError;
}

static void
check_get(struct arena *a, const struct mpps *m, struct syntax syntax)
{
	struct dimse rq = {.attribute_count = 2,
	    .attributes = {TAG_PatientName, TAG_PerformedSeriesSequence}};
	struct dimse rsp = {0};
	struct buf out;

	buf_init(&out, 4 * LIMIT_IDENTIFIER);
	must(performed_get(a, m, &rq, syntax, &out, &rsp));
	buf_clear(&out);
	rq.attribute_count = 0;
	must(performed_get(a, m, &rq, syntax, &out, &rsp));
	buf_fini(&out);
}

static void
check_set(
    struct arena *a, struct mpps *m, struct str bytes, struct syntax syntax)
{
	struct dimse rsp = {0};

	if (!performed_set(a, m, bytes, syntax, &rsp)) {
		must(is_failure(&rsp) && rsp.comment[0] != '\0');
		return;
	}
	must(!is_failure(&rsp));
	check_get(a, m, syntax);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const syntaxes[] = {UID_ImplicitVRLittleEndian,
	    UID_ExplicitVRLittleEndian, UID_ExplicitVRBigEndian,
	    UID_DeflatedExplicitVRLittleEndian};
	struct dimse rsp = {0};
	struct syntax syntax;
	struct arena a;
	struct str bytes;
	struct mpps m;

	if (size == 0)
		return 0;
	syntax = syntax_of(str_from(syntaxes[data[0] % ARRAY_LEN(syntaxes)]));
	bytes = str_of(data + 1, size - 1);
	arena_init(&a, 8 * PERFORMED_ARENA);
	if (performed_create(&a, bytes, syntax, &m, &rsp)) {
		must(!is_failure(&rsp) && m.step_count > 0);
		check_get(&a, &m, syntax);
		check_set(&a, &m, bytes, syntax);
	} else {
		must(is_failure(&rsp) && rsp.comment[0] != '\0');
	}
	m = (struct mpps){.charset = STR("ISO_IR 100"),
	    .data = str_of(known, sizeof(known) - 1)};
	check_set(&a, &m, bytes, syntax);
	arena_fini(&a);
	return 0;
}
