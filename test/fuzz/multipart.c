/*
 * Bodies of several files: the first line is the Content-Type, the rest the
 * body. What comes out must be the same however the body is cut, and must not
 * be more than what went in.
 */
#include "base/buf.h"
#include "web/http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct body {
	struct str left;
	size_t step;
};

static ssize_t
body_read(void *ctx, void *p, size_t n, struct err *e)
{
	struct body *b = ctx;

	(void)e;
	n = n < b->step ? n : b->step;
	n = n < b->left.n ? n : b->left.n;
	if (n > 0)
		memcpy(p, b->left.p, n);
	b->left = str_of(b->left.p + n, b->left.n - n);
	return (ssize_t)n;
}

/* Names and bytes of all parts, one after the other. */
static bool
read_all(struct str type, struct body *from, struct buf *out)
{
	struct multipart *m = must_alloc(sizeof(*m));
	struct multipart_part part;
	uint8_t block[97];
	bool end = false, ok;
	struct err e = {0};
	ssize_t got;

	ok = multipart_init(m, type, body_read, from, &e);
	while (ok && !end) {
		ok = multipart_next(m, &part, &end, &e);
		if (!ok || end)
			break;
		must(strlen(part.file) < sizeof(part.file));
		buf_printf(out, "<%s|%s>", part.name, part.file);
		while ((got = multipart_read(m, block, sizeof(block), &e)) > 0)
			buf_add(out, str_of(block, (size_t)got));
		ok = got == 0;
	}
	must(ok || e.text[0] != '\0');
	must(!ok || from->left.n == 0);
	free(m);
	return ok;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = {1, 7, 64 * KIB};
	struct str all = str_of(data, size), type;
	size_t line = str_find(all, '\n'), i;
	struct buf out[ARRAY_LEN(steps)];
	bool ok[ARRAY_LEN(steps)];
	struct body body;

	type = str_of(data, line);
	for (i = 0; i < ARRAY_LEN(steps); i++) {
		body.left = line < size
				? str_of(data + line + 1, size - line - 1)
				: STR("");
		body.step = steps[i];
		buf_init(&out[i], 4 * size + MIB);
		ok[i] = read_all(type, &body, &out[i]);
		must(ok[i] == ok[0]);
		must(!ok[i] || str_eq(buf_str(&out[i]), buf_str(&out[0])));
	}
	for (i = 0; i < ARRAY_LEN(steps); i++)
		buf_fini(&out[i]);
	return 0;
}
