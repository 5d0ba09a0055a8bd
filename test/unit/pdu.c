/*
 * Upper layer PDUs: what is built reads back, what is broken is refused, and
 * every cut of a good request is refused without a false step.
 */
#include "net/pdu.h"

#include "test.h"

#define CT  "1.2.840.10008.5.1.4.1.1.2"
#define LE  "1.2.840.10008.1.2"
#define ELE "1.2.840.10008.1.2.1"
#define APP "1.2.840.10008.3.1.1.1"

static struct str syntaxes[] = {
    {(const uint8_t *)LE, sizeof(LE) - 1},
    {(const uint8_t *)ELE, sizeof(ELE) - 1},
};

static struct pdu_associate
simple_request(struct pdu_context *contexts, size_t n)
{
	struct pdu_associate v = {.version = 1,
	    .called = "FILEROOM",
	    .calling = "MODALITY",
	    .application = STR(APP),
	    .contexts = contexts,
	    .context_count = n};
	size_t i;

	for (i = 0; i < n; i++)
		contexts[i] = (struct pdu_context){.id = (uint8_t)(2 * i + 1),
		    .abstract = STR(CT),
		    .syntaxes = syntaxes,
		    .syntax_count = 2};
	return v;
}

static struct str
body_of(const struct buf *pdu)
{
	return str_of(pdu->p + PDU_HEADER, pdu->n - PDU_HEADER);
}

/* Builds v, parses it into out; the buffer keeps what out points into. */
static bool
round_trip(struct arena *a, struct buf *pdu, enum pdu_type type,
    const struct pdu_associate *v, struct pdu_associate *out)
{
	struct err e;

	buf_init(pdu, 2 * LIMIT_ASSOCIATE_PDU);
	arena_init(a, 2 * LIMIT_ASSOC_ARENA);
	pdu_associate_build(pdu, type, v);
	if (!CHECK(!pdu->over) || !CHECK_EQ(pdu->p[0], type))
		return false;
	return CHECK(pdu_associate_parse(a, type, body_of(pdu), out, &e));
}

/* The items of user information that come in numbers. */
static void
check_user(const struct pdu_associate *out)
{
	CHECK_EQ(out->role_count, 2);
	CHECK(out->roles[0].scu && !out->roles[0].scp);
	CHECK(!out->roles[1].scu && out->roles[1].scp);
	CHECK_STR(out->roles[1].sop_class, "1.2.3");
	CHECK_EQ(out->extended_count, 1);
	CHECK_EQ(out->extended[0].info.n, 3);
	CHECK_EQ(out->common_count, 2);
	CHECK_EQ(out->common[0].related_count, 2);
	CHECK_STR(out->common[0].related[1], "1.2.4");
	CHECK_STR(out->common[0].service_class, "1.2.840.10008.4.2");
	CHECK_EQ(out->common[1].related_count, 0);
	CHECK_EQ(out->identity.type, 2);
	CHECK(out->identity.response_requested);
	CHECK_STR(out->identity.primary, "doctor");
	CHECK_STR(out->identity.secondary, "secret");
	CHECK(!out->identity.answered);
}

TEST(request_with_every_item_reads_back)
{
	struct pdu_context contexts[3];
	struct pdu_associate v = simple_request(contexts, 3), out;
	struct pdu_role roles[] = {
	    {STR(CT), true, false}, {STR("1.2.3"), false, true}};
	struct pdu_extended extended[] = {{STR(CT), STR("\1\0\1")}};
	struct str related[] = {STR("1.2.3"), STR("1.2.4")};
	struct pdu_common_extended common[] = {
	    {STR(CT), STR("1.2.840.10008.4.2"), related, 2},
	    {STR("1.9"), STR(""), NULL, 0}};
	struct arena a;
	struct buf pdu;

	v.has_max_length = true;
	v.max_length = 16384;
	v.implementation_uid = STR("1.2.3.4");
	v.implementation_version = STR("TEST_1");
	v.has_async = true;
	v.async_invoked = 5;
	v.async_performed = 7;
	v.roles = roles;
	v.role_count = 2;
	v.extended = extended;
	v.extended_count = 1;
	v.common = common;
	v.common_count = 2;
	v.identity = (struct pdu_user_identity){.type = 2,
	    .response_requested = true,
	    .primary = STR("doctor"),
	    .secondary = STR("secret")};
	if (!round_trip(&a, &pdu, PDU_ASSOCIATE_RQ, &v, &out))
		return;
	CHECK_EQ(out.version, 1);
	CHECK_STR(str_from(out.called), "FILEROOM");
	CHECK_STR(str_from(out.calling), "MODALITY");
	CHECK_STR(out.application, APP);
	CHECK_EQ(out.titles.n, PDU_TITLES);
	CHECK_EQ(out.context_count, 3);
	CHECK_EQ(out.contexts[2].id, 5);
	CHECK_STR(out.contexts[2].abstract, CT);
	CHECK_EQ(out.contexts[2].syntax_count, 2);
	CHECK_STR(out.contexts[2].syntaxes[1], ELE);
	CHECK(out.has_max_length);
	CHECK_EQ(out.max_length, 16384);
	CHECK_STR(out.implementation_uid, "1.2.3.4");
	CHECK_STR(out.implementation_version, "TEST_1");
	CHECK(out.has_async);
	CHECK_EQ(out.async_invoked, 5);
	CHECK_EQ(out.async_performed, 7);
	check_user(&out);
	buf_fini(&pdu);
	arena_fini(&a);
}

TEST(accept_reads_back)
{
	struct pdu_context contexts[2];
	struct pdu_associate v = simple_request(contexts, 2), out;
	struct arena a;
	struct buf pdu;
	char titles[PDU_TITLES];

	memset(titles, 'x', sizeof(titles));
	v.titles = str_of(titles, sizeof(titles));
	contexts[0].syntax_count = contexts[1].syntax_count = 1;
	contexts[1].result = CONTEXT_ABSTRACT_SYNTAX;
	v.identity.answered = true;
	v.identity.answer = STR("ticket");
	if (!round_trip(&a, &pdu, PDU_ASSOCIATE_AC, &v, &out))
		return;
	CHECK(str_eq(out.titles, v.titles));
	CHECK_EQ(out.contexts[0].result, CONTEXT_ACCEPTED);
	CHECK_EQ(out.contexts[1].result, CONTEXT_ABSTRACT_SYNTAX);
	CHECK_EQ(out.contexts[1].syntax_count, 1);
	CHECK_EQ(out.contexts[0].abstract.n, 0);
	CHECK(out.identity.answered);
	CHECK_STR(out.identity.answer, "ticket");
	CHECK(!out.has_max_length && !out.has_async);
	buf_fini(&pdu);
	arena_fini(&a);
}

TEST(empty_titles_are_tolerated)
{
	struct pdu_context contexts[1];
	struct pdu_associate v = simple_request(contexts, 1), out;
	struct arena a;
	struct buf pdu;

	v.called[0] = v.calling[0] = '\0';
	if (!round_trip(&a, &pdu, PDU_ASSOCIATE_RQ, &v, &out))
		return;
	CHECK_EQ(out.called[0], '\0');
	CHECK_EQ(out.calling[0], '\0');
	buf_fini(&pdu);
	arena_fini(&a);
}

static enum err_code
parse_code(const struct pdu_associate *v)
{
	struct pdu_associate out;
	struct err e = {0};
	struct arena a;
	struct buf pdu;
	bool ok;

	buf_init(&pdu, 2 * LIMIT_ASSOCIATE_PDU);
	arena_init(&a, 2 * LIMIT_ASSOC_ARENA);
	pdu_associate_build(&pdu, PDU_ASSOCIATE_RQ, v);
	CHECK(!pdu.over);
	ok = pdu_associate_parse(&a, PDU_ASSOCIATE_RQ, body_of(&pdu), &out, &e);
	buf_fini(&pdu);
	arena_fini(&a);
	return ok ? ERR_NONE : e.code;
}

TEST(context_ids_are_odd_and_single)
{
	struct pdu_context contexts[LIMIT_CONTEXTS + 1];
	struct pdu_associate v = simple_request(contexts, 2);

	CHECK_EQ(parse_code(&v), ERR_NONE);
	contexts[1].id = 1;
	CHECK_EQ(parse_code(&v), ERR_MALFORMED);
	contexts[1].id = 2;
	CHECK_EQ(parse_code(&v), ERR_MALFORMED);
	contexts[1].id = 0;
	CHECK_EQ(parse_code(&v), ERR_MALFORMED);
	v.context_count = 0;
	CHECK_EQ(parse_code(&v), ERR_MALFORMED);
	v = simple_request(contexts, LIMIT_CONTEXTS);
	CHECK_EQ(parse_code(&v), ERR_NONE);
	v = simple_request(contexts, LIMIT_CONTEXTS + 1);
	CHECK_EQ(parse_code(&v), ERR_MALFORMED);
}

TEST(context_without_syntaxes_is_given_as_it_is)
{
	struct pdu_context contexts[1];
	struct pdu_associate v = simple_request(contexts, 1), out;
	struct arena a;
	struct buf pdu;

	contexts[0].syntax_count = 0;
	contexts[0].abstract = STR("");
	if (!round_trip(&a, &pdu, PDU_ASSOCIATE_RQ, &v, &out))
		return;
	CHECK_EQ(out.contexts[0].syntax_count, 0);
	CHECK_EQ(out.contexts[0].abstract.n, 0);
	buf_fini(&pdu);
	arena_fini(&a);
}

TEST(ten_thousand_roles_cost_little)
{
	struct pdu_role *roles = must_zalloc(10000 * sizeof(*roles));
	struct pdu_context contexts[1];
	struct pdu_associate v = simple_request(contexts, 1), out;
	struct arena a;
	struct buf pdu;
	size_t i;

	/* Ten thousand of the shortest that exist still fit one item. */
	for (i = 0; i < 10000; i++)
		roles[i].sop_class = STR("");
	v.roles = roles;
	v.role_count = 8000;
	if (round_trip(&a, &pdu, PDU_ASSOCIATE_RQ, &v, &out)) {
		CHECK_EQ(out.role_count, LIMIT_USER_ITEMS);
		CHECK(a.used < 64 * KIB);
		arena_fini(&a);
	}
	buf_clear(&pdu);
	v.role_count = 10000;
	pdu_associate_build(&pdu, PDU_ASSOCIATE_RQ, &v);
	CHECK(pdu.over);
	buf_fini(&pdu);
	free(roles);
}

TEST(unknown_items_are_skipped)
{
	struct pdu_context contexts[1];
	struct pdu_associate v = simple_request(contexts, 1), out;
	struct arena a;
	struct buf pdu;
	struct err e;

	buf_init(&pdu, LIMIT_ASSOCIATE_PDU);
	arena_init(&a, LIMIT_ASSOC_ARENA);
	pdu_associate_build(&pdu, PDU_ASSOCIATE_RQ, &v);
	buf_add(&pdu, STR("\x99\0\0\3abc\x21\0\0\0"));
	CHECK(
	    pdu_associate_parse(&a, PDU_ASSOCIATE_RQ, body_of(&pdu), &out, &e));
	CHECK_EQ(out.context_count, 1);
	buf_fini(&pdu);
	arena_fini(&a);
}

/* Every prefix: either refused, or (cut between items) still sensible. */
TEST(every_cut_is_safe)
{
	struct pdu_context contexts[2];
	struct pdu_associate v = simple_request(contexts, 2), out;
	struct pdu_role roles[] = {{STR(CT), true, true}};
	struct arena a;
	struct buf pdu;
	struct err e;
	uint8_t *copy;
	size_t n, good = 0;

	v.roles = roles;
	v.role_count = 1;
	v.has_max_length = true;
	buf_init(&pdu, LIMIT_ASSOCIATE_PDU);
	arena_init(&a, LIMIT_ASSOC_ARENA);
	pdu_associate_build(&pdu, PDU_ASSOCIATE_RQ, &v);
	for (n = 0; n <= pdu.n - PDU_HEADER; n++) {
		/* Of exact size, so that a read past it is caught. */
		copy = must_alloc(n + 1);
		memcpy(copy, pdu.p + PDU_HEADER, n);
		copy = must_realloc(copy, n > 0 ? n : 1);
		if (pdu_associate_parse(
			&a, PDU_ASSOCIATE_RQ, str_of(copy, n), &out, &e)) {
			CHECK(out.context_count > 0);
			good++;
		} else {
			CHECK_EQ(e.code, ERR_MALFORMED);
		}
		arena_reset(&a);
		free(copy);
	}
	/* After each of both contexts, and at the end. */
	CHECK_EQ(good, 3);
	buf_fini(&pdu);
	arena_fini(&a);
}

TEST(budget_is_kept)
{
	struct pdu_context contexts[100];
	struct pdu_associate v = simple_request(contexts, 100), out;
	struct arena a;
	struct buf pdu;
	struct err e;

	buf_init(&pdu, LIMIT_ASSOCIATE_PDU);
	arena_init(&a, 2048);
	pdu_associate_build(&pdu, PDU_ASSOCIATE_RQ, &v);
	CHECK(!pdu_associate_parse(
	    &a, PDU_ASSOCIATE_RQ, body_of(&pdu), &out, &e));
	CHECK_EQ(e.code, ERR_LIMIT);
	buf_fini(&pdu);
	arena_fini(&a);
}

TEST(small_pdus_read_back)
{
	struct pdu_reject r = {REJECT_TRANSIENT, REJECT_BY_PRESENTATION,
	    REJECT_PRESENTATION_LIMIT};
	struct pdu_reject got;
	uint8_t source, reason;
	struct err e;
	struct buf b;

	buf_init(&b, 64);
	pdu_reject_build(&b, r);
	CHECK_EQ(b.n, 10);
	CHECK_EQ(b.p[0], PDU_ASSOCIATE_RJ);
	CHECK_EQ(b.p[5], 4);
	CHECK(pdu_reject_parse(body_of(&b), &got, &e));
	CHECK(memcmp(&got, &r, sizeof(r)) == 0);
	CHECK(!pdu_reject_parse(STR("abc"), &got, &e));
	buf_clear(&b);
	pdu_abort_build(&b, ABORT_BY_PROVIDER, ABORT_UNEXPECTED_PDU);
	CHECK_EQ(b.n, 10);
	CHECK_EQ(b.p[0], PDU_ABORT);
	CHECK(pdu_abort_parse(body_of(&b), &source, &reason, &e));
	CHECK_EQ(source, ABORT_BY_PROVIDER);
	CHECK_EQ(reason, ABORT_UNEXPECTED_PDU);
	CHECK(!pdu_abort_parse(STR("abc"), &source, &reason, &e));
	buf_clear(&b);
	pdu_release_build(&b, PDU_RELEASE_RP);
	CHECK_EQ(b.n, 10);
	CHECK_EQ(b.p[0], PDU_RELEASE_RP);
	buf_fini(&b);
}

TEST(words)
{
	struct pdu_reject r = {
	    REJECT_PERMANENT, REJECT_BY_USER, REJECT_USER_CALLED_AE};

	CHECK_STR(str_from(pdu_reject_text(r)),
	    "rejected permanently by the peer's user: called AE title not "
	    "recognized");
	r.result = REJECT_TRANSIENT;
	CHECK(strstr(pdu_reject_text(r), "rejected for now") != NULL);
	r.result = 77;
	r.reason = 99;
	CHECK(strstr(pdu_reject_text(r), "standard") != NULL);
	CHECK(strstr(pdu_abort_text(ABORT_BY_PROVIDER, 6), "invalid") != NULL);
	CHECK(strstr(pdu_abort_text(ABORT_BY_USER, 6), "user") != NULL);
	CHECK(pdu_abort_text(99, 99) != NULL);
}

TEST_MAIN
