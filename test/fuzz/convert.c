/*
 * Re-encoding: the same bytes come out however they go in. Explicit to another
 * explicit syntax and back changes nothing. Through implicit VR and back the
 * dictionary's VRs replace the writer's, and where that turns bytes of UN into
 * a sequence there may be more of them inside: but soon nothing changes more.
 */
#include "dicom/convert.h"

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
add_to_buf(void *ctx, struct str bytes, struct err *e)
{
	(void)e;
	must(bytes.n > 0);
	buf_add(ctx, bytes);
	return true;
}

static bool
convert_all(struct syntax from, struct syntax to, struct str bytes, size_t step,
    struct buf *out)
{
	struct convert *c = convert_new(from, to, add_to_buf, out);
	struct err e = {0};
	bool ok = true;
	size_t at, n;

	buf_clear(out);
	for (at = 0; ok && at < bytes.n; at += n) {
		n = step < bytes.n - at ? step : bytes.n - at;
		ok = convert_feed(c, str_of(bytes.p + at, n), &e);
	}
	ok = ok && convert_end(c, &e);
	must(ok || e.code == ERR_MALFORMED || e.code == ERR_LIMIT ||
	     e.code == ERR_UNSUPPORTED);
	must(!ok || out->n % 2 == 0);
	must(!out->over);
	convert_free(&c);
	return ok;
}

static bool
convert_checked(
    struct syntax from, struct syntax to, struct str bytes, struct buf *out)
{
	bool ok = convert_all(from, to, bytes, SIZE_MAX, out);
	struct buf other;

	buf_init(&other, 64 * MIB);
	must(convert_all(from, to, bytes, 1, &other) == ok);
	must(!ok || str_eq(buf_str(&other), buf_str(out)));
	must(convert_all(from, to, bytes, 13, &other) == ok);
	must(!ok || str_eq(buf_str(&other), buf_str(out)));
	buf_fini(&other);
	return ok;
}

/* There and back gives the same bytes. */
static void
check_stable(struct syntax to, struct str bytes, struct buf out[2])
{
	struct syntax little = syntax_of(STR(UID_ExplicitVRLittleEndian));

	must(convert_checked(little, to, bytes, &out[0]));
	must(convert_checked(to, little, buf_str(&out[0]), &out[1]));
	must(str_eq(buf_str(&out[1]), bytes));
}

static void
check_implicit(struct str bytes, struct buf out[2])
{
	struct syntax little = syntax_of(STR(UID_ExplicitVRLittleEndian));
	struct syntax implicit = syntax_of(STR(UID_ImplicitVRLittleEndian));
	struct buf last;
	unsigned round;
	bool same = false;

	buf_init(&last, 64 * MIB);
	buf_add(&last, bytes);
	for (round = 0; !same; round++) {
		must(round <= LIMIT_SQ_DEPTH + 1);
		must(
		    convert_checked(little, implicit, buf_str(&last), &out[0]));
		/* A text may be a sequence to the dictionary. */
		if (!convert_checked(
			implicit, little, buf_str(&out[0]), &out[1]))
			break;
		same = str_eq(buf_str(&last), buf_str(&out[1]));
		buf_clear(&last);
		buf_add(&last, buf_str(&out[1]));
	}
	buf_fini(&last);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct syntax little = syntax_of(STR(UID_ExplicitVRLittleEndian));
	struct syntax big = syntax_of(STR(UID_ExplicitVRBigEndian));
	struct syntax deflated =
	    syntax_of(STR(UID_DeflatedExplicitVRLittleEndian));
	struct str bytes = str_of(data, size);
	struct buf plain, out[2];

	buf_init(&plain, 64 * MIB);
	buf_init(&out[0], 64 * MIB);
	buf_init(&out[1], 64 * MIB);
	if (convert_checked(little, little, bytes, &plain)) {
		check_stable(big, buf_str(&plain), out);
		check_stable(little, buf_str(&plain), out);
		check_stable(deflated, buf_str(&plain), out);
		check_implicit(buf_str(&plain), out);
	}
	buf_fini(&plain);
	buf_fini(&out[0]);
	buf_fini(&out[1]);
	return 0;
}
