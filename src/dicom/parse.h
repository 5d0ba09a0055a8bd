/*
 * The push parser for data sets: bytes in, events out, for every transfer
 * syntax (PS3.5 section 7 and Annex A), whatever the size and however it is
 * cut. No recursion: open sequences and items stand on an explicit stack of
 * at most LIMIT_SQ_DEPTH.
 *
 * What peers get wrong and is understood all the same: odd lengths, group
 * lengths that lie, elements out of order or twice, unknown or blank VRs, a
 * data set that is implicit VR though its syntax says explicit (and the
 * reverse, decided at the first element), UN of undefined length (CP-246:
 * implicit VR little endian inside), item and sequence delimiters with
 * lengths, delimiters missing at the end of a defined length, zero padding
 * after the last element, encapsulated Pixel Data marked OW, Pixel Data of
 * undefined length in any syntax.
 * What ends in ERR_MALFORMED: a value or sequence that goes on past the end, a
 * nested length that leaves its parent, an item tag outside a sequence, a
 * delimiter nothing opened. In ERR_LIMIT: depth, LIMIT_ELEMENTS,
 * LIMIT_OBJECT, a deflate bomb.
 *
 * The deflated syntax is inflated inside (see inflate.h); offsets count
 * inflated bytes. Nothing is allocated for a promised length: a parser is some
 * 6 KiB, inflating some 80 KiB, whatever comes.
 */
#ifndef DICOM_PARSE_H
#define DICOM_PARSE_H

#include "base/err.h"
#include "base/limit.h"
#include "dicom/dict.h"

#define LENGTH_UNDEFINED 0xffffffffU

struct parse_element {
	uint32_t tag;
	enum vr vr;      /* as written; from the dictionary when implicit */
	uint32_t length; /* as written; LENGTH_UNDEFINED possible */
	unsigned depth;  /* 0: main data set, 1: in an item of it, ... */
	uint64_t offset; /* of the element's first byte in the data set */
	bool big_endian; /* of the value's bytes */
	bool explicit_vr;
};

/*
 * Events, in the order of the bytes. Any may be NULL. One that returns false
 * (having set *e) ends the parse with that error.
 *
 *   element   a tag, VR and length were read. For a sequence (SQ, UN of
 *             undefined length) sequence events follow, for encapsulated Pixel
 *             Data fragment events, else value events.
 *   value     a part of the current value, never empty; values of length 0
 *             give none.
 *   value_end all of the current value was given (also for length 0).
 *   item      a sequence item or, in encapsulated Pixel Data, a fragment
 *             (whose bytes follow as value events, then value_end).
 *   item_end, sequence_end
 */
struct parse_events {
	bool (*element)(void *ctx, const struct parse_element *, struct err *);
	bool (*value)(void *ctx, struct str part, struct err *);
	bool (*value_end)(void *ctx, struct err *);
	bool (*item)(void *ctx, bool fragment, uint32_t length, struct err *);
	bool (*item_end)(void *ctx, struct err *);
	bool (*sequence_end)(void *ctx, struct err *);
};

struct parse;

/* syntax: see syntax_of(). The events table must outlive the parser. */
struct parse *parse_new(
    struct syntax syntax, const struct parse_events *events, void *ctx);
void parse_free(struct parse **);
/* Feed the next bytes; any cut is fine, also one byte at a time. After a
 * failure only parse_free() may be called. */
bool parse_feed(struct parse *, struct str part, struct err *) MUST_USE;
/* The data set has ended here: fails when something is still open. */
bool parse_end(struct parse *, struct err *) MUST_USE;
/* Count of elements so far, and of bytes (inflated). */
uint64_t parse_elements(const struct parse *);
uint64_t parse_bytes(const struct parse *);
/* How the bytes really are laid out, known after the first element: differs
 * from the syntax given where a peer mislabelled its data set. */
struct syntax parse_syntax(const struct parse *);

#endif
