/*
 * What the benchmark's queries ask for: see load.c, and shape.h for what there
 * is.
 */
#ifndef BENCH_ASK_H
#define BENCH_ASK_H

#include "base/buf.h"
#include "shape.h"

enum ask {
	ASK_PATIENT,
	ASK_PREFIX,
	ASK_INFIX,
	ASK_DATES,
	ASK_MODALITY,
	ASK_WORDS,
	ASK_ACCESSION,
	ASK_UIDS,
	ASK_ALL,
	ASK_COUNT
};

static const char *const ask_names[ASK_COUNT] = {"patient", "prefix", "infix",
    "dates", "modality", "words", "accession", "uids", "all"};

/* What one query asks for; empty values are only wanted. */
struct question {
	char date[64], accession[24], modality[16], about[64], name[64], id[32];
	struct buf uids;
};

UNUSED static void
ask_group(enum ask ask, uint64_t patient, struct question *q)
{
	uint64_t group = patient / GROUP, day = group * DAYS;
	char from[24], to[24];

	shape_date(day, from);
	shape_date(day + DAYS - 1, to);
	if (ask == ASK_PREFIX)
		snprintf(
		    q->name, sizeof(q->name), "LOAD-%06" PRIu64 "*", group);
	if (ask == ASK_INFIX || ask == ASK_ALL)
		snprintf(q->name, sizeof(q->name), "*%06" PRIu64 "-ER*", group);
	if (ask == ASK_WORDS)
		snprintf(
		    q->about, sizeof(q->about), "*%06" PRIu64 " with*", group);
	if (ask == ASK_MODALITY || ask == ASK_ALL)
		memcpy(q->modality, "CT", 3);
	if (ask == ASK_DATES || ask == ASK_MODALITY || ask == ASK_ALL)
		snprintf(q->date, sizeof(q->date), "%s-%s", from, to);
}

#endif
