/*
 * Comparing messages. The segments of both are paired in order, by name: what
 * only one side has stands alone.
 */
#include "hl7/compare.h"

#include "base/attr.h"
#include "base/limit.h"

/* A terminal's line. */
#define SHOWN 400

struct pair {
	const struct er7_segment *left, *right; /* either may be NULL */
};

/* The next segment of m with this name, from *at on. */
static bool
ahead(const struct er7_message *m, size_t at, const char *name, size_t *where)
{
	for (; at < m->n; at++)
		if (strcmp(m->segments[at].name, name) == 0) {
			*where = at;
			return true;
		}
	return false;
}

/* The next pair: of two names that differ, the side goes first whose name the
 * other side does not have any more, or has further away. */
static struct pair
next_pair(const struct er7_message *l, size_t *i, const struct er7_message *r,
    size_t *j)
{
	const struct er7_segment *a = *i < l->n ? &l->segments[*i] : NULL;
	const struct er7_segment *b = *j < r->n ? &r->segments[*j] : NULL;
	size_t in_right, in_left;
	bool a_later, b_later;

	if (a != NULL && b != NULL && strcmp(a->name, b->name) != 0) {
		a_later = ahead(r, *j, a->name, &in_right);
		b_later = ahead(l, *i, b->name, &in_left);
		if (!a_later || (b_later && in_right - *j > in_left - *i))
			b = NULL;
		else
			a = NULL;
	}
	*i += a != NULL;
	*j += b != NULL;
	return (struct pair){a, b};
}

/* Index 0 is the name; of MSH index 1 is MSH-2, as the manual counts. */
static bool
is_msh(const struct er7_segment *s)
{
	return s != NULL && strcmp(s->name, "MSH") == 0;
}

static size_t
columns(const struct er7_segment *s)
{
	return s == NULL ? 0 : s->n - (is_msh(s) && s->n > 1);
}

static struct str
cell(const struct er7_segment *s, size_t column)
{
	if (s == NULL)
		return STR("");
	return er7_field(s, (unsigned)(column + (is_msh(s) && column > 0)));
}

static size_t
widest(const struct pair *p)
{
	size_t l = columns(p->left), r = columns(p->right);

	return l > r ? l : r;
}

static const char *
name_of(const struct pair *p)
{
	const struct er7_segment *s = p->left != NULL ? p->left : p->right;

	must(s != NULL);
	return s->name;
}

/* What may stand on a terminal: control characters as dots. */
static void
put_plain(struct buf *out, struct str s)
{
	size_t i;

	for (i = 0; i < s.n && i < SHOWN; i++)
		buf_u8(out, s.p[i] < ' ' || s.p[i] == 0x7f ? '.' : s.p[i]);
	if (i < s.n)
		buf_text(out, "...");
}

void
compare_text(struct arena *a, const struct er7_message *left,
    const struct er7_message *right, struct buf *out, size_t *differences)
{
	size_t i = 0, j = 0, c;
	struct str x, y;
	struct pair p;

	(void)a;
	*differences = 0;
	while (i < left->n || j < right->n) {
		p = next_pair(left, &i, right, &j);
		for (c = 0; c < widest(&p); c++) {
			x = cell(p.left, c);
			y = cell(p.right, c);
			if (str_eq(x, y))
				continue;
			++*differences;
			buf_printf(out, "%s %zu\n  - ", name_of(&p), c);
			put_plain(out, x);
			buf_text(out, "\n  + ");
			put_plain(out, y);
			buf_u8(out, '\n');
		}
	}
}

static void
put_html(struct buf *out, struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '<':
			buf_text(out, "&lt;");
			break;
		case '>':
			buf_text(out, "&gt;");
			break;
		case '&':
			buf_text(out, "&amp;");
			break;
		case '"':
			buf_text(out, "&quot;");
			break;
		default:
			buf_u8(out, s.p[i] < ' ' ? ' ' : s.p[i]);
		}
	}
}

static void
html_row(struct buf *out, const char *label, const struct er7_segment *s,
    const struct er7_segment *other, size_t count)
{
	size_t c;

	buf_text(out, "<tr><th scope=\"row\">");
	put_html(out, str_from(label));
	buf_text(out, "</th>");
	for (c = 0; c < count; c++) {
		buf_text(out, str_eq(cell(s, c), cell(other, c))
				  ? "<td>"
				  : "<td class=\"d\">");
		put_html(out, cell(s, c));
		buf_text(out, "</td>");
	}
	buf_text(out, "</tr>\n");
}

static void
html_segment(struct buf *out, const char *left_name, const char *right_name,
    const struct pair *p)
{
	size_t c, count = widest(p);

	buf_printf(out, "<h2>%s</h2>\n<div><table>\n<tr><th></th>", name_of(p));
	for (c = 0; c < count; c++)
		buf_printf(out, "<th scope=\"col\">%s %zu</th>", name_of(p), c);
	buf_text(out, "</tr>\n");
	html_row(out, left_name, p->left, p->right, count);
	html_row(out, right_name, p->right, p->left, count);
	buf_text(out, "</table></div>\n");
}

void
compare_html(struct arena *a, const char *left_name,
    const struct er7_message *left, const char *right_name,
    const struct er7_message *right, struct buf *out)
{
	size_t i = 0, j = 0;
	struct pair p;

	(void)a;
	buf_text(out,
	    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	    "<title>HL7 messages compared</title><style>"
	    "body{font:14px sans-serif;margin:1.5em}div{overflow-x:auto}"
	    "table{border-collapse:collapse}"
	    "th,td{border:1px solid #bbb;padding:.2em .5em;text-align:left;"
	    "white-space:pre-wrap}th{background:#eee}"
	    ".d{background:#ffd6d6;font-weight:bold}"
	    "</style></head><body>\n<h1>HL7 messages compared</h1>\n");
	while (i < left->n || j < right->n) {
		p = next_pair(left, &i, right, &j);
		html_segment(out, left_name, right_name, &p);
	}
	buf_text(out, "</body></html>\n");
}
