/*
 * Upper layer PDUs: parsing and building of the association PDUs (PS3.8 9.3.2
 * to 9.3.4 and 9.3.8, user information also Annex D and PS3.7 D.3.3).
 * P-DATA-TF PDUs are streamed and have no form in memory.
 *
 * Arrays are allocated for items that were counted in bytes that have arrived.
 */
#include "net/pdu.h"

#include "base/rd.h"

enum item {
	ITEM_APPLICATION = 0x10,
	ITEM_CONTEXT_RQ = 0x20,
	ITEM_CONTEXT_AC = 0x21,
	ITEM_ABSTRACT = 0x30,
	ITEM_SYNTAX = 0x40,
	ITEM_USER = 0x50,
	ITEM_MAX_LENGTH = 0x51,
	ITEM_IMPLEMENTATION_UID = 0x52,
	ITEM_ASYNC = 0x53,
	ITEM_ROLE = 0x54,
	ITEM_IMPLEMENTATION_VERSION = 0x55,
	ITEM_EXTENDED = 0x56,
	ITEM_COMMON_EXTENDED = 0x57,
	ITEM_IDENTITY_RQ = 0x58,
	ITEM_IDENTITY_AC = 0x59
};

#define ITEM_HEADER 4
#define RELATED_MAX 64

/* The next item or sub-item; all have this header. */
static struct rd
next_item(struct rd *r, uint8_t *type)
{
	uint16_t n;

	*type = rd_u8(r);
	rd_skip(r, 1);
	n = rd_u16be(r);
	return rd_sub(r, n);
}

/* How many items of a type are in r, at most max. A bad item ends the count
 * and is found again by the reading proper. */
static size_t
count_items(struct rd r, uint8_t wanted, size_t max)
{
	bool bad = *r.bad;
	size_t n = 0;
	uint8_t type;

	r.bad = &bad;
	while (n < max && rd_more(&r)) {
		(void)next_item(&r, &type);
		if (!bad && type == wanted)
			n++;
	}
	return n;
}

static struct str
uid_rest(struct rd *r)
{
	return str_trim(rd_rest(r));
}

/* A UID behind its own 16-bit length. */
static struct str
uid_counted(struct rd *r)
{
	uint16_t n = rd_u16be(r);

	return str_trim(rd_take(r, n));
}

static bool
parse_context(struct arena *a, struct rd r, struct pdu_context *out)
{
	struct rd item;
	size_t room;
	uint8_t type;

	out->id = rd_u8(&r);
	rd_skip(&r, 1);
	out->result = rd_u8(&r);
	rd_skip(&r, 1);
	room = count_items(r, ITEM_SYNTAX, LIMIT_TRANSFER_SYNTAXES);
	out->syntaxes = arena_array(a, room, sizeof(*out->syntaxes));
	if (out->syntaxes == NULL)
		return false;
	while (rd_more(&r)) {
		item = next_item(&r, &type);
		if (type == ITEM_ABSTRACT && out->abstract.n == 0)
			out->abstract = uid_rest(&item);
		else if (type == ITEM_SYNTAX && out->syntax_count < room)
			out->syntaxes[out->syntax_count++] = uid_rest(&item);
	}
	return true;
}

static void
parse_role(struct rd *r, struct pdu_role *out)
{
	out->sop_class = uid_counted(r);
	out->scu = rd_u8(r) == 1;
	out->scp = rd_u8(r) == 1;
}

static bool
parse_common(struct arena *a, struct rd *r, struct pdu_common_extended *out)
{
	struct rd list, look;
	bool bad = false;
	size_t room = 0;
	uint16_t n;

	out->sop_class = uid_counted(r);
	out->service_class = uid_counted(r);
	n = rd_u16be(r);
	list = rd_sub(r, n);
	look = list;
	look.bad = &bad;
	while (room < RELATED_MAX && rd_more(&look)) {
		(void)uid_counted(&look);
		room++;
	}
	out->related = arena_array(a, room, sizeof(*out->related));
	if (out->related == NULL)
		return false;
	while (out->related_count < room && rd_more(&list))
		out->related[out->related_count++] = uid_counted(&list);
	return true;
}

static void
parse_identity(struct rd *r, struct pdu_user_identity *out)
{
	uint16_t n;

	out->type = rd_u8(r);
	out->response_requested = rd_u8(r) == 1;
	n = rd_u16be(r);
	out->primary = rd_take(r, n);
	/* Some leave the second length out when there is no passcode. */
	if (!rd_more(r))
		return;
	n = rd_u16be(r);
	out->secondary = rd_take(r, n);
}

static void
parse_identity_answer(struct rd *r, struct pdu_user_identity *out)
{
	uint16_t n = rd_u16be(r);

	out->answer = rd_take(r, n);
	out->answered = true;
}

/* The sub-items that come at most once. */
static void
parse_single(struct rd *item, uint8_t type, struct pdu_associate *out)
{
	switch (type) {
	case ITEM_MAX_LENGTH:
		if (out->has_max_length)
			break;
		out->max_length = rd_u32be(item);
		out->has_max_length = true;
		break;
	case ITEM_IMPLEMENTATION_UID:
		if (out->implementation_uid.n == 0)
			out->implementation_uid = uid_rest(item);
		break;
	case ITEM_IMPLEMENTATION_VERSION:
		if (out->implementation_version.n == 0)
			out->implementation_version = uid_rest(item);
		break;
	case ITEM_ASYNC:
		if (out->has_async)
			break;
		out->async_invoked = rd_u16be(item);
		out->async_performed = rd_u16be(item);
		out->has_async = true;
		break;
	case ITEM_IDENTITY_RQ:
		if (out->identity.type == 0)
			parse_identity(item, &out->identity);
		break;
	case ITEM_IDENTITY_AC:
		if (!out->identity.answered)
			parse_identity_answer(item, &out->identity);
		break;
	default:
		break;
	}
}

/* Room for the sub-items that come in numbers. */
struct user_room {
	size_t roles, extended, common;
};

static bool
make_user_room(struct arena *a, struct rd r, struct pdu_associate *out,
    struct user_room *room)
{
	room->roles = count_items(r, ITEM_ROLE, LIMIT_USER_ITEMS);
	room->extended = count_items(r, ITEM_EXTENDED, LIMIT_USER_ITEMS);
	room->common = count_items(r, ITEM_COMMON_EXTENDED, LIMIT_USER_ITEMS);
	out->roles = arena_array(a, room->roles, sizeof(*out->roles));
	out->extended = arena_array(a, room->extended, sizeof(*out->extended));
	out->common = arena_array(a, room->common, sizeof(*out->common));
	return out->roles != NULL && out->extended != NULL &&
	       out->common != NULL;
}

static bool
parse_user(struct arena *a, struct rd r, struct pdu_associate *out)
{
	struct pdu_extended *extended;
	struct user_room room;
	struct rd item;
	uint8_t type;

	if (!make_user_room(a, r, out, &room))
		return false;
	while (rd_more(&r)) {
		item = next_item(&r, &type);
		if (type == ITEM_ROLE && out->role_count < room.roles) {
			parse_role(&item, &out->roles[out->role_count++]);
		} else if (type == ITEM_EXTENDED &&
			   out->extended_count < room.extended) {
			extended = &out->extended[out->extended_count++];
			extended->sop_class = uid_counted(&item);
			extended->info = rd_rest(&item);
		} else if (type == ITEM_COMMON_EXTENDED &&
			   out->common_count < room.common) {
			if (!parse_common(
				a, &item, &out->common[out->common_count++]))
				return false;
		} else {
			parse_single(&item, type, out);
		}
	}
	return true;
}

static bool
check_ids(enum pdu_type type, const struct pdu_associate *v, struct err *e)
{
	bool seen[256] = {false};
	size_t i;
	uint8_t id;

	/* An answer may leave out what it refuses: seen, and harmless. */
	if (v->context_count == 0 && type == PDU_ASSOCIATE_RQ)
		return fail(e, ERR_MALFORMED,
		    "an A-ASSOCIATE-RQ without a presentation context");
	for (i = 0; i < v->context_count; i++) {
		id = v->contexts[i].id;
		if (id % 2 == 0)
			return fail(e, ERR_MALFORMED,
			    "presentation context id %u is not odd",
			    (unsigned)id);
		if (seen[id])
			return fail(e, ERR_MALFORMED,
			    "presentation context id %u comes twice",
			    (unsigned)id);
		seen[id] = true;
	}
	return true;
}

/* The items behind the fixed part; false past the arena's budget. */
static bool
parse_items(struct arena *a, struct rd r, uint8_t context_type,
    struct pdu_associate *out)
{
	/* One more than can have ids of their own: check_ids() will tell. */
	size_t room = count_items(r, context_type, LIMIT_CONTEXTS + 1);
	bool has_user = false;
	struct rd item;
	uint8_t type;

	out->contexts = arena_array(a, room, sizeof(*out->contexts));
	if (out->contexts == NULL)
		return false;
	while (rd_more(&r)) {
		item = next_item(&r, &type);
		if (type == ITEM_APPLICATION && out->application.n == 0) {
			out->application = uid_rest(&item);
		} else if (type == context_type && out->context_count < room) {
			if (!parse_context(
				a, item, &out->contexts[out->context_count++]))
				return false;
		} else if (type == ITEM_USER && !has_user) {
			has_user = true;
			if (!parse_user(a, item, out))
				return false;
		}
	}
	return true;
}

static void
copy_title(char out[17], struct rd *r)
{
	(void)str_copy(out, 17, str_trim(rd_take(r, 16)));
}

bool
pdu_associate_parse(struct arena *a, enum pdu_type type, struct str body,
    struct pdu_associate *out, struct err *e)
{
	uint8_t context_type =
	    type == PDU_ASSOCIATE_AC ? ITEM_CONTEXT_AC : ITEM_CONTEXT_RQ;
	bool bad = false;
	struct rd r = rd_over(body, &bad), titles;

	*out = (struct pdu_associate){0};
	out->version = rd_u16be(&r);
	rd_skip(&r, 2);
	out->titles = rd_take(&r, PDU_TITLES);
	titles = rd_over(out->titles, &bad);
	copy_title(out->called, &titles);
	copy_title(out->calling, &titles);
	if (bad)
		return fail(e, ERR_MALFORMED,
		    "an A-ASSOCIATE PDU of only %zu bytes", body.n);
	if (!parse_items(a, r, context_type, out))
		return fail(e, ERR_LIMIT, "an A-ASSOCIATE PDU is too complex");
	if (bad)
		return fail(e, ERR_MALFORMED,
		    "an item of an A-ASSOCIATE PDU is longer than what "
		    "holds it");
	return check_ids(type, out, e);
}

const struct pdu_role *
pdu_find_role(const struct pdu_associate *v, struct str sop_class)
{
	size_t i;

	for (i = 0; i < v->role_count; i++)
		if (str_eq(v->roles[i].sop_class, sop_class))
			return &v->roles[i];
	return NULL;
}

bool
pdu_reject_parse(struct str body, struct pdu_reject *out, struct err *e)
{
	bool bad = false;
	struct rd r = rd_over(body, &bad);

	rd_skip(&r, 1);
	out->result = rd_u8(&r);
	out->source = rd_u8(&r);
	out->reason = rd_u8(&r);
	if (bad)
		return fail(e, ERR_MALFORMED, "an A-ASSOCIATE-RJ cut short");
	return true;
}

bool
pdu_abort_parse(
    struct str body, uint8_t *source, uint8_t *reason, struct err *e)
{
	bool bad = false;
	struct rd r = rd_over(body, &bad);

	rd_skip(&r, 2);
	*source = rd_u8(&r);
	*reason = rd_u8(&r);
	if (bad)
		return fail(e, ERR_MALFORMED, "an A-ABORT cut short");
	return true;
}

/* Where the content of an item begins. */
static size_t
begin_item(struct buf *out, uint8_t type)
{
	buf_u8(out, type);
	buf_u8(out, 0);
	buf_u16be(out, 0);
	return out->n;
}

static void
end_item(struct buf *out, size_t begun)
{
	if (out->over)
		return;
	if (out->n - begun > UINT16_MAX) {
		out->over = true;
		return;
	}
	buf_set_u16be(out, begun - 2, (uint16_t)(out->n - begun));
}

static void
add_text_item(struct buf *out, uint8_t type, struct str text)
{
	size_t at = begin_item(out, type);

	buf_add(out, text);
	end_item(out, at);
}

static void
add_counted(struct buf *out, struct str s)
{
	if (s.n > UINT16_MAX) {
		out->over = true;
		return;
	}
	buf_u16be(out, (uint16_t)s.n);
	buf_add(out, s);
}

static void
build_context(struct buf *out, bool answer, const struct pdu_context *c)
{
	size_t at = begin_item(out, answer ? ITEM_CONTEXT_AC : ITEM_CONTEXT_RQ);
	size_t i;

	buf_u8(out, c->id);
	buf_u8(out, 0);
	buf_u8(out, answer ? c->result : 0);
	buf_u8(out, 0);
	if (!answer)
		add_text_item(out, ITEM_ABSTRACT, c->abstract);
	for (i = 0; i < c->syntax_count; i++)
		add_text_item(out, ITEM_SYNTAX, c->syntaxes[i]);
	end_item(out, at);
}

static void
build_role(struct buf *out, const struct pdu_role *role)
{
	size_t at = begin_item(out, ITEM_ROLE);

	add_counted(out, role->sop_class);
	buf_u8(out, role->scu);
	buf_u8(out, role->scp);
	end_item(out, at);
}

static void
build_common(struct buf *out, const struct pdu_common_extended *c)
{
	size_t at = begin_item(out, ITEM_COMMON_EXTENDED), list, i;

	add_counted(out, c->sop_class);
	add_counted(out, c->service_class);
	buf_u16be(out, 0);
	list = out->n;
	for (i = 0; i < c->related_count; i++)
		add_counted(out, c->related[i]);
	end_item(out, list);
	end_item(out, at);
}

static void
build_identity(
    struct buf *out, bool answer, const struct pdu_user_identity *identity)
{
	size_t at;

	if (answer && identity->answered) {
		at = begin_item(out, ITEM_IDENTITY_AC);
		add_counted(out, identity->answer);
		end_item(out, at);
	}
	if (!answer && identity->type != 0) {
		at = begin_item(out, ITEM_IDENTITY_RQ);
		buf_u8(out, identity->type);
		buf_u8(out, identity->response_requested);
		add_counted(out, identity->primary);
		add_counted(out, identity->secondary);
		end_item(out, at);
	}
}

/* The sub-items in the order of their types: some older peers expect it. */
static void
build_user(struct buf *out, bool answer, const struct pdu_associate *v)
{
	size_t at = begin_item(out, ITEM_USER), item, i;

	if (v->has_max_length) {
		item = begin_item(out, ITEM_MAX_LENGTH);
		buf_u32be(out, v->max_length);
		end_item(out, item);
	}
	if (v->implementation_uid.n > 0)
		add_text_item(
		    out, ITEM_IMPLEMENTATION_UID, v->implementation_uid);
	if (v->has_async) {
		item = begin_item(out, ITEM_ASYNC);
		buf_u16be(out, v->async_invoked);
		buf_u16be(out, v->async_performed);
		end_item(out, item);
	}
	for (i = 0; i < v->role_count; i++)
		build_role(out, &v->roles[i]);
	if (v->implementation_version.n > 0)
		add_text_item(out, ITEM_IMPLEMENTATION_VERSION,
		    v->implementation_version);
	for (i = 0; i < v->extended_count; i++) {
		item = begin_item(out, ITEM_EXTENDED);
		add_counted(out, v->extended[i].sop_class);
		buf_add(out, v->extended[i].info);
		end_item(out, item);
	}
	for (i = 0; !answer && i < v->common_count; i++)
		build_common(out, &v->common[i]);
	build_identity(out, answer, &v->identity);
	end_item(out, at);
}

static void
add_title(struct buf *out, const char *title)
{
	struct str s = str_from(title);

	must(s.n <= 16);
	buf_add(out, s);
	buf_fill(out, ' ', 16 - s.n);
}

static size_t
begin_pdu(struct buf *out, enum pdu_type type)
{
	buf_u8(out, (uint8_t)type);
	buf_u8(out, 0);
	buf_u32be(out, 0);
	return out->n;
}

static void
end_pdu(struct buf *out, size_t begun)
{
	if (!out->over)
		buf_set_u32be(out, begun - 4, (uint32_t)(out->n - begun));
}

void
pdu_associate_build(
    struct buf *out, enum pdu_type type, const struct pdu_associate *v)
{
	bool answer = type == PDU_ASSOCIATE_AC;
	size_t at = begin_pdu(out, type), i;

	buf_u16be(out, v->version);
	buf_u16be(out, 0);
	if (v->titles.n == PDU_TITLES) {
		buf_add(out, v->titles);
	} else {
		add_title(out, v->called);
		add_title(out, v->calling);
		buf_fill(out, 0, 32);
	}
	add_text_item(out, ITEM_APPLICATION, v->application);
	for (i = 0; i < v->context_count; i++)
		build_context(out, answer, &v->contexts[i]);
	build_user(out, answer, v);
	end_pdu(out, at);
}

void
pdu_reject_build(struct buf *out, struct pdu_reject r)
{
	size_t at = begin_pdu(out, PDU_ASSOCIATE_RJ);

	buf_u8(out, 0);
	buf_u8(out, r.result);
	buf_u8(out, r.source);
	buf_u8(out, r.reason);
	end_pdu(out, at);
}

void
pdu_release_build(struct buf *out, enum pdu_type type)
{
	size_t at = begin_pdu(out, type);

	buf_u32be(out, 0);
	end_pdu(out, at);
}

void
pdu_abort_build(struct buf *out, uint8_t source, uint8_t reason)
{
	size_t at = begin_pdu(out, PDU_ABORT);

	buf_u16be(out, 0);
	buf_u8(out, source);
	buf_u8(out, reason);
	end_pdu(out, at);
}
