/*
 * Base64, see base64.h.
 */
#include "base/base64.h"

static int
value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool
is_white(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool
base64_decode(struct base64 *d, struct str in, struct buf *out)
{
	size_t i;
	int v;

	for (i = 0; i < in.n; i++) {
		if (is_white(in.p[i]))
			continue;
		if (in.p[i] == '=') {
			d->pads++;
			continue;
		}
		v = value_of(in.p[i]);
		if (v < 0 || d->pads > 0)
			return false;
		d->bits = d->bits << 6 | (uint32_t)v;
		if (++d->n < 4)
			continue;
		buf_u8(out, (uint8_t)(d->bits >> 16));
		buf_u8(out, (uint8_t)(d->bits >> 8));
		buf_u8(out, (uint8_t)d->bits);
		d->n = d->bits = 0;
	}
	return true;
}

bool
base64_end(struct base64 *d, struct buf *out)
{
	/* One character alone is no byte. */
	if (d->n == 1 || d->pads > 2)
		return false;
	if (d->n >= 2)
		buf_u8(out, (uint8_t)(d->bits >> (6 * d->n - 8)));
	if (d->n == 3)
		buf_u8(out, (uint8_t)(d->bits >> 2));
	return d->pads == 0 || d->n + d->pads == 4;
}
