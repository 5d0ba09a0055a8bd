/*
 * For the fuzz targets of the parser: a hash of all events, and the check that
 * it, the verdict and the counts are the same however the bytes are cut.
 */
#ifndef TEST_FUZZ_EVENTS_H
#define TEST_FUZZ_EVENTS_H

#include "dicom/parse.h"

struct events {
	uint64_t hash;
	uint64_t left; /* of the current value, to check its length */
	unsigned depth;
	bool in_value;
};

static void
events_add(struct events *h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	size_t i;

	for (i = 0; i < n; i++)
		h->hash = (h->hash ^ p[i]) * 0x100000001b3;
}

static void
events_mark(struct events *h, uint64_t kind, uint64_t number)
{
	events_add(h, &kind, sizeof(kind));
	events_add(h, &number, sizeof(number));
}

static bool
events_element(void *ctx, const struct parse_element *at, struct err *e)
{
	struct events *h = ctx;

	(void)e;
	must(!h->in_value);
	must(at->vr < VR_COUNT && at->vr != VR_NONE);
	must(at->depth <= LIMIT_SQ_DEPTH);
	must(TAG_GROUP(at->tag) != 0xfffe);
	h->left = at->length;
	h->in_value = at->vr != VR_SQ && at->length != LENGTH_UNDEFINED;
	events_mark(h, 1, at->tag);
	events_mark(h, (uint64_t)at->vr, at->length);
	events_mark(h, at->depth, at->offset);
	events_mark(h, at->big_endian, at->explicit_vr);
	return true;
}

static bool
events_value(void *ctx, struct str part, struct err *e)
{
	struct events *h = ctx;

	(void)e;
	must(h->in_value && part.n > 0 && part.n <= h->left);
	h->left -= part.n;
	events_add(h, part.p, part.n);
	return true;
}

static bool
events_value_end(void *ctx, struct err *e)
{
	struct events *h = ctx;

	(void)e;
	must(h->in_value && h->left == 0);
	h->in_value = false;
	events_mark(h, 2, 0);
	return true;
}

static bool
events_item(void *ctx, bool fragment, uint32_t length, struct err *e)
{
	struct events *h = ctx;

	(void)e;
	must(!h->in_value);
	if (fragment) {
		h->left = length;
		h->in_value = true;
	} else {
		h->depth++;
	}
	events_mark(h, 3 + fragment, length);
	return true;
}

static bool
events_item_end(void *ctx, struct err *e)
{
	struct events *h = ctx;

	(void)e;
	must(!h->in_value && h->depth > 0);
	h->depth--;
	events_mark(h, 5, 0);
	return true;
}

static bool
events_sequence_end(void *ctx, struct err *e)
{
	struct events *h = ctx;

	(void)e;
	must(!h->in_value);
	events_mark(h, 6, 0);
	return true;
}

static const struct parse_events events_table = {
    .element = events_element,
    .value = events_value,
    .value_end = events_value_end,
    .item = events_item,
    .item_end = events_item_end,
    .sequence_end = events_sequence_end,
};

struct events_run {
	struct events events;
	enum err_code code;
	uint64_t elements, bytes;
};

enum events_cut { CUT_NOWHERE, CUT_AT_RANDOM, CUT_EVERYWHERE };

static struct events_run
events_run(struct syntax syntax, struct str bytes, enum events_cut cut)
{
	struct events_run run = {.events.hash = 0xcbf29ce484222325};
	struct parse *p = parse_new(syntax, &events_table, &run.events);
	uint64_t state = bytes.n;
	struct err e = {0};
	bool ok = true;
	size_t at, n, i;

	for (i = 0; i < bytes.n; i++)
		state = state * 31 + bytes.p[i];
	for (at = 0; ok && at < bytes.n; at += n) {
		n = bytes.n - at;
		state = state * 6364136223846793005 + 1442695040888963407;
		if (cut == CUT_EVERYWHERE)
			n = 1;
		else if (cut == CUT_AT_RANDOM && n > (state >> 60) + 1)
			n = (state >> 60) + 1;
		ok = parse_feed(p, str_of(bytes.p + at, n), &e);
	}
	ok = ok && parse_end(p, &e);
	must(ok || (e.code != ERR_NONE && e.text[0] != '\0'));
	run.code = ok ? ERR_NONE : e.code;
	run.elements = parse_elements(p);
	run.bytes = parse_bytes(p);
	parse_free(&p);
	return run;
}

/* Returns whether the bytes are a data set. */
static bool
events_check(struct syntax syntax, struct str bytes)
{
	struct events_run whole = events_run(syntax, bytes, CUT_NOWHERE), cut;
	enum events_cut how;

	must(whole.code == ERR_NONE || whole.code == ERR_MALFORMED ||
	     whole.code == ERR_LIMIT);
	for (how = CUT_AT_RANDOM; how <= CUT_EVERYWHERE; how++) {
		cut = events_run(syntax, bytes, how);
		must(cut.code == whole.code);
		must(cut.events.hash == whole.events.hash);
		must(cut.elements == whole.elements);
		must(cut.code != ERR_NONE || cut.bytes == whole.bytes);
	}
	return whole.code == ERR_NONE;
}

#endif
