/*
 * Building and reading acknowledgements.
 */
#include "hl7/ack.h"

#include "base/limit.h"
#include "base/utf8.h"
#include "hl7/encoding.h"

#include <ctype.h>

#define ACK_CAP  (64 * KIB)
#define MSA_TEXT 80 /* MSA-3 */
#define COPY_MAX (2 * KIB)

/* HL7 table 0357. */
static const struct {
	unsigned code;
	const char *text;
} conditions[] = {
    {100, "Segment sequence error"},
    {101, "Required field missing"},
    {102, "Data type error"},
    {103, "Table value not found"},
    {200, "Unsupported message type"},
    {201, "Unsupported event code"},
    {202, "Unsupported processing id"},
    {203, "Unsupported version id"},
    {204, "Unknown key identifier"},
    {205, "Duplicate key identifier"},
    {206, "Application record locked"},
    {207, "Application internal error"},
};

struct builder {
	const struct er7_message *m;
	const struct er7_segment *msh;
	const struct ack_config *config;
	struct arena *arena;
	struct buf out;
};

static const char *
condition_text(unsigned code)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(conditions); i++)
		if (conditions[i].code == code)
			return conditions[i].text;
	return "Application internal error";
}

static void
field(struct builder *b)
{
	buf_u8(&b->out, (uint8_t)b->m->d.field);
}

static void
component(struct builder *b)
{
	buf_u8(&b->out, (uint8_t)b->m->d.component);
}

/* As it stands in their message; what is absurdly long is cut, so that the
 * answer stays whole. */
static void
copy(struct builder *b, unsigned position)
{
	struct str s = utf8_cut(er7_field(b->msh, position), COPY_MAX);
	size_t i;

	field(b);
	for (i = 0; i < s.n; i++)
		buf_u8(&b->out, s.p[i] < ' ' ? ' ' : s.p[i]);
}

static void
ours(struct builder *b, unsigned position, const char *fallback)
{
	if (er7_field(b->msh, position).n > 0) {
		copy(b, position);
		return;
	}
	field(b);
	er7_escape(&b->out, &b->m->d, str_from(fallback));
}

static void
text(struct builder *b, struct str s)
{
	er7_escape(&b->out, &b->m->d, s);
}

static void
empty(struct builder *b, unsigned n)
{
	while (n-- > 0)
		field(b);
}

/* 2.3.1 is 20301, without a version 0. */
static unsigned
version_of(const struct builder *b)
{
	struct str v = er7_component(b->m, er7_field(b->msh, 12), 1);
	unsigned parts[3] = {0}, n = 0;
	size_t i;

	for (i = 0; i < v.n && n < 3; i++) {
		if (v.p[i] == '.')
			n++;
		else if (isdigit(v.p[i]) && parts[n] < 100)
			parts[n] = 10 * parts[n] + (v.p[i] - '0');
	}
	return 10000 * parts[0] + 100 * parts[1] + parts[2];
}

static void
put_type(struct builder *b)
{
	struct str event = er7_component(b->m, er7_field(b->msh, 9), 2);
	unsigned version = version_of(b);

	field(b);
	buf_text(&b->out, "ACK");
	if ((version > 0 && version < 20300) || event.n == 0)
		return;
	component(b);
	buf_add(&b->out, str_of(event.p, event.n < 8 ? event.n : 8));
	if (version > 0 && version < 20301)
		return;
	component(b);
	buf_text(&b->out, "ACK");
}

static void
put_msh(struct builder *b, unsigned serial)
{
	const struct er7_delimiters *d = &b->m->d;
	const char named[] = {
	    d->component, d->repetition, d->escape, d->subcomponent, '\0'};
	struct str theirs = er7_field(b->msh, 2);

	buf_text(&b->out, "MSH");
	field(b);
	if (theirs.n > 0)
		buf_add(&b->out, theirs);
	else
		buf_text(&b->out, named);
	ours(b, 5, b->config->application);
	ours(b, 6, b->config->facility);
	copy(b, 3);
	copy(b, 4);
	field(b);
	buf_text(&b->out, b->config->now);
	field(b);
	put_type(b);
	field(b);
	buf_text(&b->out, b->config->control_id);
	/* The second of two needs an identifier of its own. */
	if (serial > 0)
		buf_printf(&b->out, "A");
	copy(b, 11);
	copy(b, 12);
	if (er7_field(b->msh, 18).n > 0) {
		empty(b, 5);
		copy(b, 18);
	}
	buf_u8(&b->out, '\r');
}

static void
put_location(struct builder *b, const struct order_problem *p)
{
	if (p->segment[0] == '\0')
		return;
	buf_text(&b->out, p->segment);
	component(b);
	buf_printf(&b->out, "%u", p->sequence > 0 ? p->sequence : 1);
	if (p->field == 0)
		return;
	component(b);
	buf_printf(&b->out, "%u", p->field);
}

static void
put_code(struct builder *b, const struct order_problem *p, char divider)
{
	buf_printf(&b->out, "%u%c%s%cHL70357", p->code, divider,
	    condition_text(p->code), divider);
}

static void
put_err(struct builder *b, const struct order_problem *p)
{
	unsigned version = version_of(b);

	buf_text(&b->out, "ERR");
	field(b);
	if (version == 0 || version >= 20500) {
		field(b);
		put_location(b, p);
		field(b);
		put_code(b, p, b->m->d.component);
		field(b);
		buf_u8(&b->out, 'E');
		empty(b, 4);
		text(b, str_from(p->text));
	} else {
		put_location(b, p);
		component(b);
		if (p->segment[0] == '\0' || p->field == 0)
			component(b);
		put_code(b, p, b->m->d.subcomponent);
	}
	buf_u8(&b->out, '\r');
}

static struct str
build(struct builder *b, const char *code, const struct order_problem *p,
    unsigned serial)
{
	struct str utf8, out;
	struct buf encoded;

	buf_init(&b->out, ACK_CAP);
	put_msh(b, serial);
	buf_text(&b->out, "MSA");
	field(b);
	buf_text(&b->out, code);
	copy(b, 10);
	if (p != NULL) {
		field(b);
		text(b, utf8_cut(str_from(p->text), MSA_TEXT));
	}
	buf_u8(&b->out, '\r');
	if (p != NULL)
		put_err(b, p);
	/* In the set of what it answers, whose name it repeats. */
	utf8 = buf_str(&b->out);
	buf_init(&encoded, ACK_CAP);
	if (encoding_back(b->m->charset, utf8, &encoded))
		utf8 = buf_str(&encoded);
	out = arena_dup(b->arena, utf8);
	buf_fini(&encoded);
	buf_fini(&b->out);
	return out;
}

/* MSH-15 and MSH-16, HL7 table 0155. */
static bool
wanted(struct str rule, bool accepted)
{
	rule = str_trim(rule);
	if (str_eq_nocase(rule, STR("AL")))
		return true;
	if (str_eq_nocase(rule, STR("ER")))
		return !accepted;
	return str_eq_nocase(rule, STR("SU")) && accepted;
}

/* Who has something else there is answered as if there were nothing: silence
 * would be waited for. */
static struct str
rule_of(const struct er7_segment *msh, unsigned field)
{
	struct str rule = str_trim(er7_field(msh, field));

	if (str_eq_nocase(rule, STR("AL")) || str_eq_nocase(rule, STR("NE")) ||
	    str_eq_nocase(rule, STR("ER")) || str_eq_nocase(rule, STR("SU")))
		return rule;
	return STR("");
}

void
ack_build(struct arena *a, const struct er7_message *m, enum ack_code code,
    const struct order_problem *problem, const struct ack_config *config,
    struct ack_out *out)
{
	static const char *const original[] = {"AA", "AE", "AR"};
	static const char *const commit[] = {"CA", "CE", "CR"};
	struct builder b = {
	    .m = m, .msh = &m->segments[0], .config = config, .arena = a};
	struct str accept = rule_of(b.msh, 15);
	struct str application = rule_of(b.msh, 16);
	bool enhanced = accept.n > 0 || application.n > 0;
	bool accepted = code == ACK_ACCEPT;

	*out = (struct ack_out){0};
	if (enhanced && wanted(accept, accepted)) {
		out->text[0] = build(&b, commit[code], problem, 0);
		out->n = 1;
	}
	/* Who names only one of them, asks for that one. */
	if (enhanced &&
	    !(application.n == 0 &&
		!str_eq_nocase(str_trim(accept), STR("AL")) &&
		!str_eq_nocase(str_trim(accept), STR("ER")) &&
		!str_eq_nocase(str_trim(accept), STR("SU"))) &&
	    !wanted(application, accepted))
		return;
	out->text[out->n] =
	    build(&b, original[code], problem, (unsigned)out->n);
	out->n++;
}

/* MSH alone, divided by the byte behind its name. */
static bool
read_header(struct arena *a, struct str bytes, struct er7_message *m,
    struct er7_segment *msh, struct str fields[19])
{
	struct str line, part, rest;
	struct buf repaired;

	while (bytes.n > 0 && bytes.p[0] != 'M')
		bytes = str_of(bytes.p + 1, bytes.n - 1);
	if (!str_starts(bytes, STR("MSH")) || bytes.n < 5 ||
	    bytes.p[3] <= ' ' || bytes.p[3] >= 0x7f || isalnum(bytes.p[3]))
		return false;
	line = str_of(bytes.p, str_find(bytes, '\r'));
	line.n = str_find(line, '\n');
	if (line.n > 4 * KIB)
		line.n = 4 * KIB;
	buf_init(&repaired, 16 * KIB);
	utf8_repair(line, &repaired);
	line = arena_dup(a, buf_str(&repaired));
	buf_fini(&repaired);
	*m = (struct er7_message){.d = er7_usual, .segments = msh, .n = 1};
	(void)str_copy(m->charset, sizeof(m->charset), STR("UTF-8"));
	*msh = (struct er7_segment){.name = "MSH", .fields = fields, .n = 1};
	rest = line;
	if (!str_split(&rest, bytes.p[3], &fields[0]))
		return false;
	fields[1] = STR("|");
	for (msh->n = 2; msh->n < 19 && str_split(&rest, bytes.p[3], &part);
	     msh->n++)
		fields[msh->n] = part;
	fields[2] = STR("^~\\&");
	return true;
}

void
ack_build_unreadable(struct arena *a, struct str bytes,
    const struct order_problem *problem, const struct ack_config *config,
    struct ack_out *out)
{
	struct er7_segment msh;
	struct er7_message m;
	struct str fields[19] = {{0}};
	struct builder b = {.m = &m, .msh = &msh, .config = config, .arena = a};

	*out = (struct ack_out){0};
	if (!read_header(a, bytes, &m, &msh, fields))
		return;
	out->text[0] = build(&b, "AR", problem, 0);
	out->n = 1;
}

bool
ack_read(struct arena *a, const struct er7_message *m, char code[3],
    struct str *control_id, struct str *why)
{
	const struct er7_segment *err = er7_find(m, "ERR", NULL);
	struct str c = er7_get(a, m, "MSA", 1, 1);

	if (!str_copy(code, 3, str_trim(c)) || strlen(code) != 2)
		return false;
	*control_id = er7_get(a, m, "MSA", 2, 1);
	*why = er7_get(a, m, "MSA", 3, 0);
	if (why->n == 0 && err != NULL)
		*why = er7_text(a, m,
		    er7_field(err, 8).n > 0 ? er7_field(err, 8)
					    : er7_field(err, 1));
	return true;
}
