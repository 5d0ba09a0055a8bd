/*
 * HL7 version 2 messages in ER7 form (HL7 2.5.1 chapter 2): bytes in, slices
 * out, and back. The text is decoded to UTF-8 first (MSH-18, or a default) and
 * split then, by the message's own delimiters: no byte of a multi-byte set is
 * mistaken for one. Values stay as they stand in the message until
 * er7_text() takes the escapes out.
 *
 * Tolerated: segments that end in CR, LF or CRLF; blank lines; a byte order
 * mark; UTF-16; batch wrappers (FHS BHS BTS FTS are segments like others, see
 * er7_split()); a short MSH-2; a line that cannot be a segment belongs to the
 * one before (with a line break), and so does one of three letters behind a
 * text; segment names in lower case.
 */
#ifndef HL7_ER7_H
#define HL7_ER7_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct er7_delimiters {
	char field, component, repetition, escape, subcomponent; /* 0: none */
};

struct er7_segment {
	char name[4];
	/* fields[n] is field n as HL7 counts: fields[0] is the name, MSH-1 the
	 * field separator itself. Slices of the decoded text. */
	const struct str *fields;
	size_t n;
};

struct er7_message {
	struct er7_delimiters d;
	const struct er7_segment *segments; /* the first is MSH */
	size_t n;
	char charset[32]; /* what it was decoded from, as charset.h names it */
	bool lossy;       /* some bytes did not decode: U+FFFD stands there */
	struct str text;  /* all of it in UTF-8 */
};

/* One message. ERR_MALFORMED: no MSH, or delimiters that are none; ERR_LIMIT:
 * LIMIT_HL7_*. Everything lies in the arena. default_charset: hl7.charset. */
bool er7_parse(struct arena *a, struct str bytes, const char *default_charset,
    struct er7_message *out, struct err *e) MUST_USE;

/* The messages of a file or a batch, without their wrappers: each call gives
 * the next one's bytes (from its MSH on), false at the end. */
bool er7_split(struct str *rest, struct str *message);

/* The first segment of this name after 'after' (NULL: from the start). */
const struct er7_segment *er7_find(const struct er7_message *m,
    const char *name, const struct er7_segment *after);
/* A field as it stands; empty when there is none. */
struct str er7_field(const struct er7_segment *s, unsigned position);
/* Parts of it, counted from 1. er7_part() of 0 is the whole. */
struct str er7_repetition(
    const struct er7_message *m, struct str field, unsigned n);
struct str er7_component(
    const struct er7_message *m, struct str repetition, unsigned n);
struct str er7_subcomponent(
    const struct er7_message *m, struct str component, unsigned n);
unsigned er7_repetitions(const struct er7_message *m, struct str field);
/* Escapes out (2.7 of the chapter): \F\ \S\ \T\ \R\ \E\ \X..\ \.br\ and the
 * others; unknown ones stay. UTF-8. */
struct str er7_text(struct arena *a, const struct er7_message *m, struct str s);
/* segment-position.component, first segment and repetition, text. */
struct str er7_get(struct arena *a, const struct er7_message *m,
    const char *segment, unsigned position, unsigned component);
/* Exactly "": the value is to be deleted. */
bool er7_is_delete(struct str raw);

/* Building: append text with what is special escaped; "" too, if that is all.
 * Any line break becomes one of HL7. */
void er7_escape(
    struct buf *out, const struct er7_delimiters *d, struct str utf8);
extern const struct er7_delimiters er7_usual; /* |^~\& */

#endif
