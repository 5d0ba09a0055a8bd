/*
 * Splitting messages. Slices all the way: a field is found by its separators
 * when it is asked for, only segments and their fields are listed.
 */
#include "hl7/er7.h"

#include "base/limit.h"
#include "hl7/encoding.h"

#include <ctype.h>

const struct er7_delimiters er7_usual = {'|', '^', '~', '\\', '&'};

/* Decoding makes at most three bytes of one. */
#define TEXT_CAP (3 * (size_t)LIMIT_HL7_FRAME)

struct lines {
	struct arena *arena;
	struct str *at;
	size_t n, room;
};

static bool
is_break(uint8_t c)
{
	return c == '\r' || c == '\n';
}

/* Printable ASCII that is no letter, digit or space. */
static bool
may_delimit(uint8_t c)
{
	return c > ' ' && c < 0x7f && !isalnum(c);
}

static bool
decode(struct arena *a, struct str bytes, const char *fallback,
    struct er7_message *m, struct err *e)
{
	const char *name = encoding_of(bytes, fallback);
	struct buf out;

	(void)str_copy(m->charset, sizeof(m->charset), str_from(name));
	buf_init(&out, TEXT_CAP);
	encoding_decode(name, bytes, &out, &m->lossy);
	m->text = arena_dup(a, buf_str(&out));
	if (out.over || (m->text.p == NULL && out.n > 0)) {
		buf_fini(&out);
		return fail(e, ERR_LIMIT, "a message of %zu bytes is too large",
		    bytes.n);
	}
	buf_fini(&out);
	/* A byte order mark, and what fills the space between messages. */
	if (str_starts(m->text, STR("\xef\xbb\xbf")))
		m->text = str_of(m->text.p + 3, m->text.n - 3);
	while (m->text.n > 0 && m->text.p[0] <= ' ')
		m->text = str_of(m->text.p + 1, m->text.n - 1);
	return true;
}

static bool
same(const uint8_t *d, size_t n)
{
	size_t i, j;

	for (i = 0; i < n; i++)
		for (j = i + 1; j < n; j++)
			if (d[i] != 0 && d[i] == d[j])
				return true;
	return false;
}

/* MSH-1 and MSH-2. What MSH-2 leaves out is as usual, but an escape character
 * that is not named is none. */
static bool
read_delimiters(struct er7_message *m, struct err *e)
{
	uint8_t d[5] = {0, '^', '~', 0, '&'};
	size_t i;

	if (m->text.n < 4 || !str_eq_nocase(str_of(m->text.p, 3), STR("MSH")))
		return fail(e, ERR_MALFORMED, "the message has no MSH segment");
	d[0] = m->text.p[3];
	if (!may_delimit(d[0]))
		return fail(e, ERR_MALFORMED,
		    "the field separator of MSH-1 (byte %02X) cannot be one",
		    (unsigned)d[0]);
	for (i = 4; i < 8 && i < m->text.n; i++) {
		uint8_t c = m->text.p[i];

		if (c == d[0] || is_break(c))
			break;
		if (!may_delimit(c))
			return fail(e, ERR_MALFORMED,
			    "the encoding characters of MSH-2 (byte %02X) "
			    "cannot be any",
			    (unsigned)c);
		d[i - 3] = c;
	}
	/* A default that somebody else took is none. */
	for (i = i - 3; i < 5; i++)
		if (d[i] != 0 && memchr(d, d[i], i) != NULL)
			d[i] = 0;
	if (same(d, 5))
		return fail(e, ERR_MALFORMED,
		    "two delimiters of MSH-1 and MSH-2 are the same");
	m->d = (struct er7_delimiters){
	    (char)d[0], (char)d[1], (char)d[2], (char)d[3], (char)d[4]};
	return true;
}

/* "PID|" or "PID" alone. */
static bool
is_segment(const struct er7_message *m, struct str line)
{
	if (line.n < 3 || !isalpha(line.p[0]) || !isalnum(line.p[1]) ||
	    !isalnum(line.p[2]))
		return false;
	return line.n == 3 || line.p[3] == (uint8_t)m->d.field;
}

/* A line of three letters behind a text goes on with it ("Nil", "CTA"), unless
 * it is a segment that may stand there, and is empty. */
static bool
is_word(const struct lines *l, struct str line)
{
	static const char names[] =
	    "OBX NTE OBR ORC PID PD1 NK1 PV1 PV2 AL1 GT1 IN1 IN2 DG1 PRT ROL "
	    "TQ1 TQ2 SPM SAC FT1 CTI CTD BLG OBS IPC ARV EVN MRG SCH RGS AIS "
	    "AIG AIL AIP MSH MSA ERR DSC BHS BTS FHS FTS";
	struct str rest = str_from(names), before, name;

	if (line.n != 3 || l->n == 0 || line.p[0] == 'Z')
		return false;
	before = str_of(l->at[l->n - 1].p, 3);
	if (!str_eq_nocase(before, STR("OBX")) &&
	    !str_eq_nocase(before, STR("NTE")))
		return false;
	while (str_split(&rest, ' ', &name))
		if (str_eq_nocase(line, name))
			return false;
	return true;
}

static bool
add_line(struct lines *l, struct str line)
{
	struct str *grown;

	if (l->n == l->room) {
		l->room = l->room == 0 ? 32 : 2 * l->room;
		grown = arena_array(l->arena, l->room, sizeof(*grown));
		if (grown == NULL)
			return false;
		if (l->n > 0)
			memcpy(grown, l->at, l->n * sizeof(*grown));
		l->at = grown;
	}
	l->at[l->n++] = line;
	return true;
}

static struct str
without_end(struct str line)
{
	while (line.n > 0 &&
	       (line.p[line.n - 1] == '\0' || is_break(line.p[line.n - 1])))
		line.n--;
	return line;
}

/* A line that is no segment goes on the one before: the text between them is
 * its line break. */
static bool
split_lines(const struct er7_message *m, struct lines *l, struct err *e)
{
	struct str rest = m->text, line, *last;
	size_t end;

	while (rest.n > 0) {
		for (end = 0; end < rest.n && !is_break(rest.p[end]); end++)
			;
		line = without_end(str_of(rest.p, end));
		if (is_segment(m, line) && !is_word(l, line)) {
			if (l->n == LIMIT_HL7_SEGMENTS)
				return fail(e, ERR_LIMIT,
				    "a message of more than %d segments",
				    LIMIT_HL7_SEGMENTS);
			if (!add_line(l, line))
				return fail(e, ERR_LIMIT,
				    "a message that is too large");
		} else if (line.n > 0) {
			last = &l->at[l->n - 1];
			last->n = (size_t)(line.p + line.n - last->p);
		}
		end += end < rest.n;
		rest = str_of(rest.p + end, rest.n - end);
	}
	return true;
}

static bool
read_segment(struct arena *a, const struct er7_message *m, struct str line,
    struct er7_segment *out, struct err *e)
{
	bool header = str_eq_nocase(str_of(line.p, 3), STR("MSH"));
	struct str rest = line, *fields;
	size_t i, n = 1 + header;

	for (i = 0; i < line.n; i++)
		n += line.p[i] == (uint8_t)m->d.field;
	if (n > LIMIT_HL7_FIELDS)
		return fail(e, ERR_LIMIT, "a segment of more than %d fields",
		    LIMIT_HL7_FIELDS);
	fields = arena_array(a, n, sizeof(*fields));
	if (fields == NULL)
		return fail(e, ERR_LIMIT, "a message that is too large");
	for (i = 0; i < 3; i++)
		out->name[i] = (char)toupper(line.p[i]);
	out->fields = fields;
	while (out->n < n && str_split(&rest, (uint8_t)m->d.field, fields)) {
		fields++;
		out->n++;
		/* MSH-1 is the separator that stands behind the name. */
		if (header && out->n == 1 && line.n > 3) {
			*fields++ = str_of(line.p + 3, 1);
			out->n++;
		}
	}
	return true;
}

bool
er7_parse(struct arena *a, struct str bytes, const char *default_charset,
    struct er7_message *out, struct err *e)
{
	struct lines lines = {.arena = a};
	struct er7_segment *segments;
	size_t i;

	*out = (struct er7_message){0};
	if (!decode(a, bytes, default_charset, out, e) ||
	    !read_delimiters(out, e) || !split_lines(out, &lines, e))
		return false;
	segments = arena_array(a, lines.n, sizeof(*segments));
	if (segments == NULL)
		return fail(e, ERR_LIMIT, "a message that is too large");
	for (i = 0; i < lines.n; i++)
		if (!read_segment(a, out, lines.at[i], &segments[i], e))
			return false;
	out->segments = segments;
	out->n = lines.n;
	return true;
}

/* Where a line begins that opens a message, or closes the one before. */
static bool
is_header(struct str rest, bool *message)
{
	static const char *const wrappers[] = {"FHS", "BHS", "BTS", "FTS"};
	struct str name = str_of(rest.p, rest.n < 3 ? rest.n : 3);
	size_t i;

	*message = rest.n > 3 && str_eq_nocase(name, STR("MSH")) &&
		   may_delimit(rest.p[3]);
	if (*message)
		return true;
	for (i = 0; i < ARRAY_LEN(wrappers); i++)
		if (str_eq_text(name, wrappers[i]) &&
		    (rest.n == 3 || !isalnum(rest.p[3])))
			return true;
	return false;
}

/* Behind the next line break (and the bytes of MLLP's frames). */
static struct str
next_line(struct str s)
{
	size_t i = 0;

	while (i < s.n && !is_break(s.p[i]) && s.p[i] != 0x0b && s.p[i] != 0x1c)
		i++;
	while (i < s.n && (is_break(s.p[i]) || s.p[i] == 0x0b ||
			      s.p[i] == 0x1c || s.p[i] == '\0'))
		i++;
	return str_of(s.p + i, s.n - i);
}

static bool
is_utf16(struct str s)
{
	return s.n >= 4 && ((s.p[0] == 0xff && s.p[1] == 0xfe) ||
			       (s.p[0] == 0xfe && s.p[1] == 0xff) ||
			       s.p[0] == 0 || (s.p[1] == 0 && s.p[3] == 0));
}

bool
er7_split(struct str *rest, struct str *message)
{
	struct str s = *rest;
	bool opens = false;

	/* Two-byte text cannot be searched: it is one message. */
	if (is_utf16(s)) {
		*message = s;
		*rest = STR("");
		return true;
	}
	if (str_starts(s, STR("\xef\xbb\xbf")))
		s = str_of(s.p + 3, s.n - 3);
	while (s.n > 0 && (s.p[0] <= ' ' || s.p[0] == 0x1c))
		s = str_of(s.p + 1, s.n - 1);
	while (s.n > 0 && !(is_header(s, &opens) && opens))
		s = next_line(s);
	*message = *rest = s;
	if (s.n == 0)
		return false;
	do {
		s = next_line(s);
	} while (s.n > 0 && !is_header(s, &opens));
	message->n = (size_t)(s.p - message->p);
	message->n = str_find(*message, 0x1c);
	*rest = s;
	return true;
}

const struct er7_segment *
er7_find(const struct er7_message *m, const char *name,
    const struct er7_segment *after)
{
	const struct er7_segment *s = after != NULL ? after + 1 : m->segments;

	for (; s < m->segments + m->n; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

struct str
er7_field(const struct er7_segment *s, unsigned position)
{
	return s != NULL && position < s->n ? s->fields[position] : STR("");
}

/* Part n, from 1, between separators; 0 is the whole. */
static struct str
part_of(struct str s, char separator, unsigned n)
{
	struct str rest = s, part = STR("");
	unsigned i;

	if (n == 0)
		return s;
	if (separator == 0)
		return n == 1 ? s : STR("");
	for (i = 0; i < n; i++)
		if (!str_split(&rest, (uint8_t)separator, &part))
			return STR("");
	return part;
}

struct str
er7_repetition(const struct er7_message *m, struct str field, unsigned n)
{
	return part_of(field, m->d.repetition, n);
}

struct str
er7_component(const struct er7_message *m, struct str repetition, unsigned n)
{
	return part_of(repetition, m->d.component, n);
}

struct str
er7_subcomponent(const struct er7_message *m, struct str component, unsigned n)
{
	return part_of(component, m->d.subcomponent, n);
}

unsigned
er7_repetitions(const struct er7_message *m, struct str field)
{
	unsigned count = 1;
	size_t i;

	if (field.n == 0)
		return 0;
	for (i = 0; i < field.n && m->d.repetition != 0; i++)
		count += field.p[i] == (uint8_t)m->d.repetition;
	return count < LIMIT_HL7_REPETITIONS ? count : LIMIT_HL7_REPETITIONS;
}

struct str
er7_get(struct arena *a, const struct er7_message *m, const char *segment,
    unsigned position, unsigned component)
{
	struct str field = er7_field(er7_find(m, segment, NULL), position);

	/* The delimiters themselves are not divided. */
	if (position <= 2 && strcmp(segment, "MSH") == 0)
		return field;
	return er7_text(
	    a, m, er7_component(m, er7_repetition(m, field, 1), component));
}

bool
er7_is_delete(struct str raw)
{
	return str_eq(str_trim(raw), STR("\"\""));
}
