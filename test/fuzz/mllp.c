/*
 * Any bytes as the stream of the HL7 port: the same frames, queries and
 * complaints whole, byte by byte, and cut at a place that the bytes choose;
 * nothing grows beyond what has come.
 */
#include "net/mllp.h"

#include "base/limit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t hash;
	size_t bytes;
	bool failed;
};

static void
see(struct seen *s, enum mllp_kind kind, struct str out, const char *why)
{
	size_t i;

	if (kind == MLLP_NOTHING)
		return;
	must((kind == MLLP_DROPPED) == (why != NULL));
	must(kind != MLLP_MESSAGE || out.n > 0);
	s->hash = (s->hash ^ (uint64_t)kind) * 0x100000001b3;
	for (i = 0; i < out.n; i++)
		s->hash = (s->hash ^ out.p[i]) * 0x100000001b3;
	s->hash = (s->hash ^ 0x1ff) * 0x100000001b3;
	s->bytes += out.n;
}

static void
feed(struct mllp *m, struct str in, struct seen *s)
{
	enum mllp_kind kind;
	const char *why;
	struct str out;
	struct err e;

	while (in.n > 0 && !s->failed) {
		s->failed = !mllp_feed(m, &in, &kind, &out, &why, &e);
		if (!s->failed)
			see(s, kind, out, why);
		must(s->failed || in.n == 0 || kind != MLLP_NOTHING);
	}
}

/* step bytes at a time; between them the memory is given back. */
static struct seen
read_in_steps(struct str in, size_t first, size_t step)
{
	struct seen s = {.hash = 0xcbf29ce484222325};
	enum mllp_kind kind;
	struct mllp m;
	const char *why;
	struct str out;
	size_t n;

	mllp_init(&m);
	for (n = first; in.n > 0 && !s.failed; n = step) {
		n = n < in.n ? n : in.n;
		feed(&m, str_of(in.p, n), &s);
		in = str_of(in.p + n, in.n - n);
		mllp_idle(&m);
		must(mllp_open(&m) || m.frame.room == 0);
	}
	if (!s.failed) {
		mllp_end(&m, &kind, &out, &why);
		see(&s, kind, out, why);
	}
	mllp_fini(&m);
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct seen whole, bytes, cut;

	if (size == 0 || size > 16 * KIB)
		return 0;
	whole = read_in_steps(in, size, size);
	bytes = read_in_steps(in, 1, 1);
	cut = read_in_steps(in, 1 + data[size - 1], size);
	must(whole.bytes <= size);
	must(whole.hash == bytes.hash && whole.failed == bytes.failed);
	must(whole.hash == cut.hash && whole.failed == cut.failed);
	return 0;
}
