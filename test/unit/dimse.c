/*
 * Messages: command sets, fragments in every cut, cancels among other PDUs,
 * and what a peer may not do. Two associations meet over a socket pair, or a
 * bare socket says the bytes.
 */
#include "net/dimse.h"

#include "base/clock.h"
#include "base/thread.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#define CT       "1.2.840.10008.5.1.4.1.1.2"
#define INSTANCE "1.2.3.4.5"
#define LE       "1.2.840.10008.1.2"

static int
choose(void *ctx, const struct pdu_associate *rq,
    const struct pdu_context *context, uint8_t *result, bool *may_scp,
    struct str *extended)
{
	(void)ctx;
	(void)rq;
	(void)context;
	(void)result;
	(void)may_scp;
	(void)extended;
	return 0;
}

/* An accepted association with contexts 1 and 3, and the bare other end. */
static struct assoc *
open_one(int *fd, uint32_t max_length)
{
	static const struct assoc_policy policy = {.choose = choose};
	struct str syntax = STR(LE);
	struct pdu_context contexts[] = {{.id = 1,
					     .abstract = STR(CT),
					     .syntaxes = &syntax,
					     .syntax_count = 1},
	    {.id = 3,
		.abstract = STR(CT),
		.syntaxes = &syntax,
		.syntax_count = 1}};
	struct pdu_associate rq = {.version = 1,
	    .application = STR(UID_DICOMApplicationContext),
	    .contexts = contexts,
	    .context_count = 2,
	    .has_max_length = true,
	    .max_length = max_length};
	uint8_t answer[4096];
	struct assoc *a;
	struct err e;
	struct buf b;
	int fds[2];

	buf_init(&b, LIMIT_ASSOCIATE_PDU);
	pdu_associate_build(&b, PDU_ASSOCIATE_RQ, &rq);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	CHECK(write(fds[1], b.p, b.n) == (ssize_t)b.n);
	buf_fini(&b);
	CHECK(assoc_accept(&a, conn_new(fds[0]), &policy, NULL, &e));
	CHECK(recv(fds[1], answer, sizeof(answer), 0) > 0);
	*fd = fds[1];
	return a;
}

/* Two ends of one association: the second is made from the first's twin. */
static void
open_both(struct assoc **left, struct assoc **right, uint32_t max_length)
{
	int fd, other;

	*left = open_one(&fd, max_length);
	*right = open_one(&other, max_length);
	close(other);
	conn_free(&(*right)->conn);
	(*right)->conn = conn_new(fd);
}

static struct dimse
store_request(void)
{
	return (struct dimse){.context = 1,
	    .command = C_STORE_RQ,
	    .message_id = 7,
	    .has_data = true,
	    .sop_class = CT,
	    .sop_instance = INSTANCE};
}

static bool
round_trip(const struct dimse *m, struct dimse *out)
{
	struct err e;
	struct buf b;
	bool ok;

	buf_init(&b, LIMIT_COMMAND_SET);
	dimse_command_build(&b, m);
	*out = (struct dimse){.context = m->context};
	ok = CHECK(dimse_command_parse(buf_str(&b), out, &e));
	buf_fini(&b);
	return ok;
}

TEST(commands_read_back)
{
	struct dimse m = store_request(), out;

	m.priority = 2;
	memcpy(m.originator_ae, "MOVER", 6);
	m.originator_id = 99;
	if (round_trip(&m, &out))
		CHECK(memcmp(&m, &out, sizeof(m)) == 0);
	m = (struct dimse){.context = 1,
	    .command = C_MOVE_RQ,
	    .message_id = 0xffff,
	    .has_data = true,
	    .sop_class = CT,
	    .destination = "SIXTEEN_LETTERS_"};
	if (round_trip(&m, &out))
		CHECK(memcmp(&m, &out, sizeof(m)) == 0);
	m = (struct dimse){.command = C_CANCEL_RQ, .message_id = 3};
	if (round_trip(&m, &out))
		CHECK(memcmp(&m, &out, sizeof(m)) == 0);
	m = (struct dimse){.command = N_ACTION_RQ,
	    .message_id = 3,
	    .has_data = true,
	    .sop_class = "1.2",
	    .sop_instance = "1.3",
	    .event_or_action = 1};
	if (round_trip(&m, &out))
		CHECK(memcmp(&m, &out, sizeof(m)) == 0);
	m = (struct dimse){.command = N_EVENT_REPORT_RQ,
	    .message_id = 3,
	    .sop_class = "1.2",
	    .sop_instance = "1.3",
	    .event_or_action = 2};
	if (round_trip(&m, &out))
		CHECK(memcmp(&m, &out, sizeof(m)) == 0);
	m = (struct dimse){.command = N_GET_RQ,
	    .message_id = 3,
	    .sop_class = "1.2",
	    .sop_instance = "1.3",
	    .attribute_count = 2,
	    .attributes = {0x00100010, 0x00400252}};
	if (round_trip(&m, &out))
		CHECK(memcmp(&m, &out, sizeof(m)) == 0);
	m = (struct dimse){.command = N_SET_RSP,
	    .message_id = 3,
	    .is_response = true,
	    .status = 0x0110,
	    .error_id = 0xa710,
	    .comment = "no longer"};
	if (round_trip(&m, &out))
		CHECK(memcmp(&m, &out, sizeof(m)) == 0);
}

TEST(attribute_lists_are_bounded)
{
	struct dimse m = {
	    .command = N_GET_RQ, .message_id = 3, .sop_class = "1.2"};
	struct dimse out;
	struct buf b;
	struct err e;
	size_t i;

	buf_init(&b, LIMIT_COMMAND_SET);
	dimse_command_build(&b, &m);
	/* (0000,1005) of many tags, and half of one. */
	buf_u32le(&b, 0x10050000);
	buf_u32le(&b, 4 * (DIMSE_ATTRIBUTES + 10) + 2);
	for (i = 0; i < DIMSE_ATTRIBUTES + 10; i++)
		buf_u32le(&b, 0x00100010);
	buf_u16le(&b, 0x0010);
	out = (struct dimse){0};
	if (CHECK(dimse_command_parse(buf_str(&b), &out, &e))) {
		CHECK(out.attribute_count == DIMSE_ATTRIBUTES);
		CHECK(out.attributes_cut);
		CHECK(out.attributes[DIMSE_ATTRIBUTES - 1] == 0x00100010);
	}
	buf_fini(&b);
}

TEST(responses_read_back)
{
	struct dimse rq = store_request(), m, out;

	m = dimse_response(&rq, 0xa700);
	CHECK_EQ(m.command, C_STORE_RSP);
	CHECK_EQ(m.message_id, 7);
	CHECK_STR(str_from(m.sop_instance), INSTANCE);
	m.offending = TAG(0x0008, 0x0018);
	dimse_comment(&m, "out of room");
	if (round_trip(&m, &out))
		CHECK(memcmp(&m, &out, sizeof(m)) == 0);
	m = dimse_response(&rq, 0xff00);
	m.command = C_GET_RSP;
	m.has_counts = true;
	m.remaining = 4;
	m.completed = 3;
	m.failed = 2;
	m.warning = 1;
	if (round_trip(&m, &out))
		CHECK(memcmp(&m, &out, sizeof(m)) == 0);
	/* PS3.4: no remaining ones in a final response. */
	m.status = 0;
	if (round_trip(&m, &out)) {
		CHECK_EQ(out.remaining, 0);
		CHECK_EQ(out.completed, 3);
	}
	dimse_comment(&m, "A comment that is longer than the sixty-four "
			  "characters an LO may have");
	CHECK_EQ(strlen(m.comment), 64);
}

static void
element(struct buf *b, uint32_t tag, struct str value)
{
	buf_u16le(b, TAG_GROUP(tag));
	buf_u16le(b, TAG_ELEMENT(tag));
	buf_u32le(b, (uint32_t)value.n);
	buf_add(b, value);
}

/* A minimal C-ECHO-RQ with the elements of m's choice left out. */
static bool
parse_without(uint32_t left_out, struct dimse *out, struct err *e)
{
	static const struct {
		uint32_t tag;
		struct str value;
	} all[] = {{0x00000100, STR("\x30\0")}, {0x00000110, STR("\5\0")},
	    {0x00000800, STR("\1\1")}};
	struct buf b;
	size_t i;
	bool ok;

	buf_init(&b, 1024);
	for (i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].tag != left_out)
			element(&b, all[i].tag, all[i].value);
	ok = dimse_command_parse(buf_str(&b), out, e);
	buf_fini(&b);
	return ok;
}

TEST(what_a_command_needs)
{
	struct dimse m = {0};
	struct err e;

	CHECK(parse_without(0, &m, &e));
	CHECK_EQ(m.command, C_ECHO_RQ);
	CHECK_EQ(m.message_id, 5);
	CHECK(!m.has_data && !m.is_response);
	CHECK(!parse_without(0x00000100, &m, &e));
	CHECK_EQ(e.code, ERR_MALFORMED);
	CHECK(!parse_without(0x00000110, &m, &e));
	CHECK(!parse_without(0x00000800, &m, &e));
	CHECK(!dimse_command_parse(STR(""), &m, &e));
}

TEST(sloppy_commands_are_understood)
{
	char longer[100];
	struct dimse m = {0};
	struct err e;
	struct buf b;

	memset(longer, '1', sizeof(longer));
	buf_init(&b, 4096);
	element(&b, 0x00000000, STR("\xff\xff\xff\xff"));
	element(&b, 0x00000800, STR("\2\1"));
	element(&b, 0x00000100, STR("\1\0"));
	element(&b, 0x00000100, STR("\x30\0"));
	element(&b, 0x00000110, STR(""));
	element(&b, 0x00000110, STR("\5\0\0\0"));
	element(&b, 0x00000002, STR(" 1.2\0 "));
	element(&b, 0x00000900, STR("x"));
	element(&b, 0x00005010, STR("anything"));
	element(&b, 0x00080018, STR("9.9.9.9"));
	element(&b, 0x00001000, str_of(longer, sizeof(longer)));
	element(&b, 0x00000600, STR("A\0B             "));
	CHECK(dimse_command_parse(buf_str(&b), &m, &e));
	CHECK_EQ(m.command, C_STORE_RQ);
	CHECK_EQ(m.message_id, 5);
	CHECK(m.has_data);
	CHECK_STR(str_from(m.sop_class), "1.2");
	CHECK_EQ(strlen(m.sop_instance), 64);
	CHECK(m.sop_instance_long);
	CHECK_STR(str_from(m.destination), "A?B");
	buf_u8(&b, 0);
	CHECK(!dimse_command_parse(buf_str(&b), &m, &e));
	CHECK_EQ(e.code, ERR_MALFORMED);
	buf_fini(&b);
}

#define BULK (1 * MIB + 7000)

static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 7 % 253);
}

static struct str
bulk(void)
{
	static uint8_t *p;
	size_t i;

	if (p == NULL) {
		p = must_alloc(BULK);
		for (i = 0; i < BULK; i++)
			p[i] = byte_at(i);
	}
	return str_of(p, BULK);
}

struct sender {
	struct assoc *assoc;
	size_t size;
	int fd; /* of a file, or -1 */
	int parts;
};

static void
send_one(void *arg)
{
	struct sender *s = arg;
	struct str data = str_of(bulk().p, s->size), part;
	struct dimse m = store_request();
	struct err e;
	size_t n;

	if (s->fd >= 0) {
		CHECK(dimse_send_file(s->assoc, &m, s->fd, 5, s->size, &e));
	} else if (s->parts == 0) {
		CHECK(dimse_send(s->assoc, &m, data, &e));
	} else {
		CHECK(dimse_send_begin(s->assoc, &m, &e));
		while (data.n > 0) {
			n = data.n / (size_t)s->parts + 1;
			part = str_of(data.p, n < data.n ? n : data.n);
			CHECK(dimse_send_part(s->assoc, part, &e));
			data = str_of(data.p + part.n, data.n - part.n);
		}
		CHECK(dimse_send_end(s->assoc, &e));
	}
}

/* Send in one thread, read and compare in the other. */
static void
carry(uint32_t max_length, size_t size, int fd, int parts)
{
	struct sender s = {.size = size, .fd = fd, .parts = parts};
	bool right = true, has_data;
	struct assoc *receiver;
	size_t got = 0, i;
	struct thread t;
	struct dimse m;
	struct str part;
	struct err e;

	open_both(&s.assoc, &receiver, max_length);
	(void)bulk();
	CHECK(thread_start(&t, "send", send_one, &s));
	has_data = size > 0 || fd >= 0 || parts > 0;
	if (CHECK(dimse_read(receiver, &m, &e))) {
		CHECK_EQ(m.command, C_STORE_RQ);
		CHECK_EQ(m.context, 1);
		CHECK_STR(str_from(m.sop_instance), INSTANCE);
		CHECK_EQ(m.has_data, has_data);
		for (;;) {
			if (!CHECK(dimse_read_part(receiver, &part, &e)) ||
			    part.n == 0)
				break;
			for (i = 0; i < part.n; i++)
				right = right && part.p[i] == byte_at(got + i);
			got += part.n;
		}
	}
	thread_join(&t);
	CHECK_EQ(got, size);
	CHECK(right);
	CHECK(!receiver->message_open);
	CHECK_EQ(receiver->pdu_left, 0);
	assoc_free(&s.assoc);
	assoc_free(&receiver);
}

TEST(data_sets_arrive_whole)
{
	static const uint32_t lengths[] = {128, 131, 4096, 16384, 0};
	size_t i, most;

	for (i = 0; i < ARRAY_LEN(lengths); i++) {
		carry(lengths[i], lengths[i] < 1000 ? 70000 : BULK, -1, 0);
		most = (lengths[i] != 0 ? lengths[i] : LIMIT_PDU_OUT) - 6;
		carry(lengths[i], most & ~1UL, -1, 0);
		carry(lengths[i], (most & ~1UL) + 1, -1, 0);
		carry(lengths[i], 1, -1, 0);
		carry(lengths[i], 0, -1, 0);
		carry(lengths[i], 0, -1, 1);
		carry(lengths[i], 9999, -1, 1);
		carry(lengths[i], 9999, -1, 100);
	}
}

static int
bulk_file(void)
{
	int fd = memfd_create("bulk", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(pwrite(fd, bulk().p, BULK, 5) == (ssize_t)BULK);
	return fd;
}

TEST(files_arrive_whole)
{
	int fd = bulk_file();

	carry(16384, BULK, fd, 0);
	carry(0, BULK, fd, 0);
	carry(128, 50000, fd, 0);
	carry(16384, 16378, fd, 0);
	carry(16384, 0, fd, 0);
	close(fd);
}

/* The PDUs as they are on the wire. */
TEST(fragments_keep_the_rules)
{
	struct dimse m = store_request();
	struct str data = str_of(bulk().p, 1000);
	struct assoc *a;
	struct err e;
	uint8_t wire[4096];
	uint32_t pdu, pdv;
	bool lasts[2] = {false, false};
	ssize_t n;
	size_t at;
	int fd, command, last;

	a = open_one(&fd, 129);
	CHECK(dimse_send(a, &m, data, &e));
	/* It has left in one write: one read gets it. */
	n = recv(fd, wire, sizeof(wire), 0);
	for (at = 0; CHECK(at + 12 <= (size_t)n) && at < (size_t)n;) {
		pdu = (uint32_t)wire[at + 4] << 8 | wire[at + 5];
		pdv = (uint32_t)wire[at + 8] << 8 | wire[at + 9];
		command = wire[at + 11] & 1;
		last = wire[at + 11] & 2;
		CHECK_EQ(wire[at], PDU_DATA_TF);
		CHECK(pdu <= 129);
		CHECK_EQ(pdv, pdu - 4);
		CHECK_EQ(pdv % 2, 0);
		CHECK_EQ(wire[at + 10], 1);
		/* Commands first, and nothing behind a last fragment. */
		CHECK(!lasts[command]);
		CHECK(command || lasts[1]);
		lasts[command] = last != 0;
		at += 6 + pdu;
		if (at == (size_t)n)
			break;
	}
	CHECK(lasts[0] && lasts[1]);
	assoc_free(&a);
	close(fd);
}

TEST(a_short_file_is_not_passed_off_as_whole)
{
	struct assoc *left, *right;
	struct dimse m = store_request(), got;
	int fd = bulk_file();
	struct err e;

	open_both(&left, &right, 16384);
	/* So that nobody waits for the close. */
	CHECK(shutdown(right->conn->fd, SHUT_WR) == 0);
	CHECK(!dimse_send_file(left, &m, fd, (off_t)BULK, 100, &e));
	CHECK_EQ(e.code, ERR_CORRUPT);
	CHECK_EQ(left->end, ASSOC_ABORTED_BY_US);
	CHECK(!dimse_send(left, &m, STR(""), &e));
	CHECK(!dimse_read(right, &got, &e));
	CHECK_EQ(right->end, ASSOC_ABORTED_BY_PEER);
	assoc_free(&left);
	assoc_free(&right);
	close(fd);
}

/* Bytes for the bare peer to say. */
static void
pdv(struct buf *b, int context, int control, struct str fragment)
{
	buf_u32be(b, (uint32_t)fragment.n + 2);
	buf_u8(b, (uint8_t)context);
	buf_u8(b, (uint8_t)control);
	buf_add(b, fragment);
}

static void
pdu(struct buf *b, struct str pdvs)
{
	buf_u8(b, PDU_DATA_TF);
	buf_u8(b, 0);
	buf_u32be(b, (uint32_t)pdvs.n);
	buf_add(b, pdvs);
}

static void
one_pdv(struct buf *b, int context, int control, struct str fragment)
{
	struct buf inner;

	buf_init(&inner, 4 * MIB);
	pdv(&inner, context, control, fragment);
	pdu(b, buf_str(&inner));
	buf_fini(&inner);
}

static void
command_bytes(struct buf *b, const struct dimse *m)
{
	buf_init(b, LIMIT_COMMAND_SET);
	dimse_command_build(b, m);
}

static void
say(int fd, const struct buf *b)
{
	CHECK(write(fd, b->p, b->n) == (ssize_t)b->n);
}

struct drip {
	int fd;
	struct str bytes;
};

static void
say_byte_by_byte(void *arg)
{
	const struct drip *d = arg;
	size_t i;

	for (i = 0; i < d->bytes.n; i++)
		CHECK(write(d->fd, d->bytes.p + i, 1) == 1);
}

/* Command and data in one PDU, in many PDVs, with empty ones between. */
TEST(many_fragments_in_one_pdu)
{
	struct dimse m = store_request();
	struct buf command, inner, wire, all;
	struct assoc *a;
	struct thread t;
	struct drip d;
	struct err e;
	int fd;

	a = open_one(&fd, 0);
	command_bytes(&command, &m);
	buf_init(&inner, 4096);
	buf_init(&wire, 4096);
	buf_init(&all, 4096);
	pdv(&inner, 1, 1, str_of(command.p, 11));
	pdv(&inner, 1, 1, STR(""));
	pdv(&inner, 1, 1, str_of(command.p + 11, command.n - 11));
	pdv(&inner, 1, 3, STR(""));
	pdv(&inner, 1, 0, STR("data "));
	pdv(&inner, 1, 0xfc, STR(""));
	pdu(&wire, buf_str(&inner));
	pdu(&wire, STR(""));
	one_pdv(&wire, 1, 0, STR("set"));
	one_pdv(&wire, 1, 2, STR(""));
	m.has_data = false;
	m.message_id = 8;
	buf_fini(&command);
	command_bytes(&command, &m);
	one_pdv(&wire, 3, 3, buf_str(&command));
	d = (struct drip){fd, buf_str(&wire)};
	CHECK(thread_start(&t, "drip", say_byte_by_byte, &d));
	CHECK(dimse_read(a, &m, &e));
	CHECK_EQ(m.message_id, 7);
	CHECK_EQ(m.context, 1);
	CHECK(dimse_read_all(a, &all, &e));
	CHECK_STR(buf_str(&all), "data set");
	CHECK(dimse_read(a, &m, &e));
	CHECK_EQ(m.message_id, 8);
	CHECK_EQ(m.context, 3);
	CHECK(!conn_buffered(a->conn));
	thread_join(&t);
	assoc_free(&a);
	close(fd);
	buf_fini(&command);
	buf_fini(&inner);
	buf_fini(&wire);
	buf_fini(&all);
}

/* What is not read of one message does not disturb the next. */
TEST(left_over_data_is_drained)
{
	struct assoc *left, *right;
	struct dimse m = store_request(), got;
	struct str part;
	struct err e;
	struct buf b;

	open_both(&left, &right, 128);
	CHECK(dimse_send(left, &m, str_of(bulk().p, 5000), &e));
	m.message_id = 8;
	CHECK(dimse_send(left, &m, str_of(bulk().p, 5000), &e));
	m.message_id = 9;
	CHECK(dimse_send(left, &m, STR(""), &e));
	CHECK(dimse_read(right, &got, &e));
	CHECK(dimse_read_part(right, &part, &e));
	CHECK(dimse_read(right, &got, &e));
	CHECK_EQ(got.message_id, 8);
	buf_init(&b, 100);
	CHECK(!dimse_read_all(right, &b, &e));
	CHECK_EQ(e.code, ERR_LIMIT);
	buf_fini(&b);
	CHECK(dimse_read(right, &got, &e));
	CHECK_EQ(got.message_id, 9);
	CHECK(!got.has_data);
	CHECK(dimse_read_part(right, &part, &e));
	CHECK_EQ(part.n, 0);
	assoc_free(&left);
	assoc_free(&right);
}

/* Says bytes to a fresh association; the abort's reason, or -1. */
static int
abort_reason(struct str bytes)
{
	uint8_t answer[64];
	struct assoc *a;
	struct dimse m;
	struct err e;
	ssize_t n;
	int fd, reason = -1;

	a = open_one(&fd, 0);
	CHECK(write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
	CHECK(shutdown(fd, SHUT_WR) == 0);
	if (dimse_read(a, &m, &e) && dimse_drain(a, &e))
		reason = -2;
	else if (a->end == ASSOC_ABORTED_BY_US)
		CHECK(e.code == ERR_PROTOCOL || e.code == ERR_MALFORMED);
	n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
	if (n == 10 && answer[0] == PDU_ABORT && answer[8] == 2)
		reason = answer[9];
	assoc_free(&a);
	close(fd);
	return reason;
}

TEST(fragments_that_are_not_allowed)
{
	struct dimse m = store_request();
	struct buf c, b;

	command_bytes(&c, &m);
	buf_init(&b, 8 * MIB);
	/* A good one first, to know that the frame of this test works. */
	one_pdv(&b, 1, 3, buf_str(&c));
	one_pdv(&b, 1, 2, STR("xx"));
	CHECK_EQ(abort_reason(buf_str(&b)), -2);
	/* Lengths: 1, 0, past the PDU, a PDU too short for one. */
	CHECK_EQ(abort_reason(STR("\4\0\0\0\0\6\0\0\0\1\1\3")), 6);
	CHECK_EQ(abort_reason(STR("\4\0\0\0\0\6\0\0\0\0\1\3")), 6);
	CHECK_EQ(abort_reason(STR("\4\0\0\0\0\6\0\0\0\3\1\3")), 6);
	CHECK_EQ(abort_reason(STR("\4\0\0\0\0\6\xff\xff\xff\xff\1\3")), 6);
	CHECK_EQ(abort_reason(STR("\4\0\0\0\0\5\0\0\0\1\1")), 6);
	CHECK_EQ(abort_reason(STR("\4\0\xff\xff\xff\xff")), 6);
	CHECK_EQ(abort_reason(STR("\4\0\0\x40\0\1")), 6);
	/* Contexts that were not accepted. */
	CHECK_EQ(abort_reason(STR("\4\0\0\0\0\6\0\0\0\2\5\3")), 6);
	CHECK_EQ(abort_reason(STR("\4\0\0\0\0\6\0\0\0\2\0\3")), 6);
	/* No command, an empty command, data first. */
	CHECK_EQ(abort_reason(STR("\4\0\0\0\0\6\0\0\0\2\1\3")), 6);
	CHECK_EQ(abort_reason(STR("\4\0\0\0\0\6\0\0\0\2\1\2")), 5);
	/* A command within the data set; another context. */
	buf_clear(&b);
	one_pdv(&b, 1, 3, buf_str(&c));
	one_pdv(&b, 1, 0, STR("xx"));
	one_pdv(&b, 1, 3, buf_str(&c));
	CHECK_EQ(abort_reason(buf_str(&b)), 5);
	buf_clear(&b);
	one_pdv(&b, 1, 3, buf_str(&c));
	one_pdv(&b, 3, 2, STR("xx"));
	CHECK_EQ(abort_reason(buf_str(&b)), 5);
	buf_clear(&b);
	one_pdv(&b, 1, 1, str_of(c.p, 8));
	one_pdv(&b, 3, 3, str_of(c.p + 8, c.n - 8));
	CHECK_EQ(abort_reason(buf_str(&b)), 5);
	/* A command set without end. */
	buf_clear(&b);
	one_pdv(&b, 1, 1, str_of(bulk().p, LIMIT_COMMAND_SET + 1));
	CHECK_EQ(abort_reason(buf_str(&b)), 6);
	buf_fini(&b);
	buf_fini(&c);
}

TEST(floods_of_nothing_end)
{
	struct buf b;
	int i;

	buf_init(&b, 1 * MIB);
	for (i = 0; i < 90; i++)
		pdu(&b, STR(""));
	CHECK_EQ(abort_reason(buf_str(&b)), -1);
	for (i = 0; i < 1000; i++)
		pdu(&b, STR(""));
	CHECK_EQ(abort_reason(buf_str(&b)), 0);
	buf_clear(&b);
	for (i = 0; i < 1000; i++)
		one_pdv(&b, 1, 1, STR(""));
	CHECK_EQ(abort_reason(buf_str(&b)), 0);
	buf_fini(&b);
}

/* Every cut of a whole message ends as a lost connection, never as data. */
TEST(every_cut_of_a_message)
{
	struct dimse m = store_request(), got;
	struct buf c, b;
	struct assoc *a;
	struct err e;
	size_t n;
	int fd;

	command_bytes(&c, &m);
	buf_init(&b, 4096);
	one_pdv(&b, 1, 3, buf_str(&c));
	one_pdv(&b, 1, 0, STR("data"));
	one_pdv(&b, 1, 2, STR("set"));
	for (n = 0; n < b.n; n++) {
		a = open_one(&fd, 0);
		CHECK(write(fd, b.p, n) == (ssize_t)n);
		CHECK(shutdown(fd, SHUT_WR) == 0);
		CHECK(!dimse_read(a, &got, &e) || !dimse_drain(a, &e));
		CHECK_EQ(e.code, ERR_CLOSED);
		CHECK_EQ(a->end, ASSOC_LOST);
		assoc_free(&a);
		close(fd);
	}
	buf_fini(&b);
	buf_fini(&c);
}

static void
cancel_bytes(struct buf *b, uint16_t id)
{
	struct dimse m = {.command = C_CANCEL_RQ, .message_id = id};

	command_bytes(b, &m);
}

TEST(a_cancel_is_found)
{
	struct buf c, b;
	struct assoc *a;
	struct dimse m;
	struct err e;
	int fd;

	a = open_one(&fd, 0);
	CHECK(!dimse_cancelled(a, 5, &e));
	cancel_bytes(&c, 5);
	buf_init(&b, 4096);
	one_pdv(&b, 1, 3, buf_str(&c));
	/* First without its last byte. */
	CHECK(write(fd, b.p, b.n - 1) == (ssize_t)b.n - 1);
	CHECK(!dimse_cancelled(a, 5, &e));
	CHECK(!dimse_cancelled(a, 5, &e));
	CHECK(write(fd, b.p + b.n - 1, 1) == 1);
	CHECK(!dimse_cancelled(a, 6, &e));
	/* The same bytes, for another message. */
	a->looked_at = 0;
	CHECK(dimse_cancelled(a, 5, &e));
	CHECK_EQ(e.code, ERR_CANCELLED);
	CHECK(!conn_buffered(a->conn));
	CHECK(!dimse_cancelled(a, 5, &e));
	/* A cancel that nobody waits for is a message like any other. */
	say(fd, &b);
	CHECK(dimse_read(a, &m, &e));
	CHECK_EQ(m.command, C_CANCEL_RQ);
	CHECK_EQ(m.message_id, 5);
	assoc_free(&a);
	close(fd);
	buf_fini(&b);
	buf_fini(&c);
}

/* Between pipelined requests, alone in its PDU or together with them. */
TEST(a_cancel_is_found_among_others)
{
	struct dimse m = store_request();
	struct buf c, cancel, b, inner, data;
	struct assoc *a;
	struct err e;
	int fd, joined;

	command_bytes(&c, &m);
	cancel_bytes(&cancel, 5);
	for (joined = 0; joined < 3; joined++) {
		a = open_one(&fd, 0);
		buf_init(&b, 4096);
		buf_init(&inner, 4096);
		buf_init(&data, 100);
		one_pdv(&b, 1, 3, buf_str(&c));
		one_pdv(&b, 1, 2, STR("abc"));
		pdv(&inner, 1, 3, buf_str(&cancel));
		if (joined > 0)
			pdv(&inner, 1, 3, buf_str(&c));
		if (joined > 1)
			pdv(&inner, 1, 0, STR("de"));
		pdu(&b, buf_str(&inner));
		if (joined == 0)
			one_pdv(&b, 1, 3, buf_str(&c));
		one_pdv(&b, 1, 2, STR("f"));
		say(fd, &b);
		CHECK(dimse_cancelled(a, 5, &e));
		CHECK_EQ(e.code, ERR_CANCELLED);
		CHECK(!dimse_cancelled(a, 5, &e));
		CHECK(dimse_read(a, &m, &e));
		CHECK(dimse_read_all(a, &data, &e));
		CHECK_STR(buf_str(&data), "abc");
		buf_clear(&data);
		CHECK(dimse_read(a, &m, &e));
		CHECK_EQ(m.command, C_STORE_RQ);
		CHECK(dimse_read_all(a, &data, &e));
		CHECK_STR(buf_str(&data), joined > 1 ? "def" : "f");
		assoc_free(&a);
		close(fd);
		buf_fini(&b);
		buf_fini(&inner);
		buf_fini(&data);
	}
	buf_fini(&c);
	buf_fini(&cancel);
}

/* In the rest of the PDU whose first PDV was the request itself. */
TEST(a_cancel_behind_its_request)
{
	struct dimse m = {.context = 1, .command = C_ECHO_RQ, .message_id = 5};
	struct buf c, cancel, b, inner;
	struct assoc *a;
	struct err e;
	int fd;

	command_bytes(&c, &m);
	cancel_bytes(&cancel, 5);
	buf_init(&b, 4096);
	buf_init(&inner, 4096);
	pdv(&inner, 1, 3, buf_str(&c));
	pdv(&inner, 1, 3, buf_str(&cancel));
	pdv(&inner, 1, 3, buf_str(&c));
	pdu(&b, buf_str(&inner));
	a = open_one(&fd, 0);
	say(fd, &b);
	CHECK(dimse_read(a, &m, &e));
	CHECK(dimse_cancelled(a, 5, &e));
	CHECK(!dimse_cancelled(a, 5, &e));
	CHECK(dimse_read(a, &m, &e));
	CHECK_EQ(m.command, C_ECHO_RQ);
	CHECK_EQ(a->pdu_left, 0);
	assoc_free(&a);
	close(fd);
	buf_fini(&c);
	buf_fini(&cancel);
	buf_fini(&b);
	buf_fini(&inner);
}

/* A data set that looks like a cancel is none. */
TEST(data_is_not_taken_for_a_cancel)
{
	struct dimse m = store_request();
	struct buf c, cancel, b;
	struct assoc *a;
	struct err e;
	int fd;

	command_bytes(&c, &m);
	cancel_bytes(&cancel, 5);
	buf_init(&b, 4096);
	one_pdv(&b, 1, 3, buf_str(&c));
	one_pdv(&b, 1, 2, buf_str(&cancel));
	a = open_one(&fd, 0);
	say(fd, &b);
	CHECK(!dimse_cancelled(a, 5, &e));
	assoc_free(&a);
	close(fd);
	buf_fini(&c);
	buf_fini(&cancel);
	buf_fini(&b);
}

TEST(a_lost_peer_cancels)
{
	struct assoc *a;
	struct dimse m;
	struct err e;
	int fd;

	a = open_one(&fd, 0);
	CHECK(write(fd, "\7\0\0\0\0\4\0\0\0\0", 10) == 10);
	CHECK(dimse_cancelled(a, 5, &e));
	CHECK_EQ(e.code, ERR_CLOSED);
	CHECK(dimse_cancelled(a, 5, &e));
	/* It stays unread for whoever deals with it. */
	CHECK(!dimse_read(a, &m, &e));
	CHECK_EQ(a->end, ASSOC_ABORTED_BY_PEER);
	CHECK(dimse_cancelled(a, 5, &e));
	assoc_free(&a);
	close(fd);
	a = open_one(&fd, 0);
	close(fd);
	CHECK(dimse_cancelled(a, 5, &e));
	CHECK_EQ(e.code, ERR_CLOSED);
	assoc_free(&a);
}

/* A peer that aborts while we send: the error says so. */
TEST(an_abort_meets_our_data)
{
	struct dimse m = store_request();
	struct assoc *a;
	struct err e;
	int fd;

	a = open_one(&fd, 16384);
	CHECK(write(fd, "\7\0\0\0\0\4\0\0\2\1", 10) == 10);
	close(fd);
	CHECK(!dimse_send(a, &m, bulk(), &e));
	CHECK_EQ(e.code, ERR_CLOSED);
	CHECK_EQ(a->end, ASSOC_ABORTED_BY_PEER);
	CHECK(strstr(e.text, "unrecognized PDU") != NULL);
	assoc_free(&a);
}

TEST(names)
{
	CHECK_STR(str_from(dimse_command_name(C_STORE_RQ)), "C-STORE-RQ");
	CHECK_STR(str_from(dimse_command_name(0x8150)), "N-DELETE-RSP");
	CHECK_STR(str_from(dimse_command_name(0x7777)), "unknown command");
}

TEST_MAIN
