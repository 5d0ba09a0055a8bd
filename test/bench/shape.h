/*
 * What the benchmark's studies look like: all follows from a seed and from
 * numbers, so that who asks knows what must be answered.
 *
 * Study s is of patient s % patients. GROUP patients in a row share a family
 * name and a study description, DAY patients a study date: with twice as many
 * studies as patients a name, a description or DAYS days in a row have 100
 * studies, however many there are in all.
 */
#ifndef BENCH_SHAPE_H
#define BENCH_SHAPE_H

#include "base/attr.h"
#include "dicom/value.h"

#include <inttypes.h>
#include <stdio.h>

#define GROUP 50
#define DAY   10
#define DAYS  (GROUP / DAY)

UNUSED static void
shape_uid(uint64_t seed, const char *what, uint64_t number, char out[UID_ROOM])
{
	char text[64];
	int n = snprintf(text, sizeof(text), "bench %" PRIu64 " %s %" PRIu64,
	    seed, what, number);

	uid_from_hash(str_of(text, (size_t)n), out);
}

UNUSED static void
shape_patient_id(uint64_t seed, uint64_t patient, char out[32])
{
	snprintf(out, 32, "B%" PRIu64 "-%07" PRIu64, seed, patient);
}

UNUSED static void
shape_name(uint64_t patient, char out[64])
{
	snprintf(out, 64, "Load-%06" PRIu64 "-er^Patient^%" PRIu64,
	    patient / GROUP, patient);
}

UNUSED static void
shape_description(uint64_t patient, char out[64])
{
	snprintf(out, 64, "CT Thorax/Abdomen %06" PRIu64 " with contrast",
	    patient / GROUP);
}

/* Later for greater numbers. */
UNUSED static void
shape_date(uint64_t day, char out[24])
{
	snprintf(out, 24, "%04" PRIu64 "%02" PRIu64 "%02" PRIu64,
	    1990 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
}

UNUSED static void
shape_accession(uint64_t study, char out[24])
{
	snprintf(out, 24, "%" PRIu64, 7000000 + study);
}

#endif
