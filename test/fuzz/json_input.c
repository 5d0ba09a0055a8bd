/*
 * JSON as the portal's API takes it. What is taken is looked at as a handler
 * does.
 */
#include "base/limit.h"
#include "base/utf8.h"
#include "web/http/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct input in[INPUT_MEMBERS];
	size_t count, i, k, sum = 0;
	struct arena a;
	struct err e;

	arena_init(&a, LIMIT_EXCHANGE);
	if (input_read(&a, str_of(p, n), in, &count, &e)) {
		for (i = 0; i < count; i++) {
			must(utf8_valid(in[i].name));
			must(in[i].kind != INPUT_TEXT ||
			     (utf8_valid(in[i].text) &&
				 strlen((const char *)in[i].text.p) ==
				     in[i].text.n));
			for (k = 0; k < in[i].list_count; k++)
				sum += in[i].list[k].n;
		}
		must(sum <= n);
	} else {
		must(e.text[0] != '\0');
	}
	arena_fini(&a);
	return 0;
}
