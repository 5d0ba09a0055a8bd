/*
 * A modality that asks for its worklist:
 *
 *     poll port=N called=AET queries=N stations=N days=N answers=N fresh=0|1
 *
 * Query i is for one station, S00000 and on, and one day from 2026-01-01 on,
 * and must have so many answers, which must be that station's. fresh=1: each
 * query has an association of its own, as modalities do. Prints what it took,
 * as load.c does.
 */
#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "dicom/build.h"
#include "dicom/value.h"
#include "net/assoc.h"
#include "net/dimse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_MS 120000

struct poll {
	uint64_t port, queries, stations, days, answers, fresh;
	char called[17];
	int64_t *took_us;
	size_t done;
};

static bool
associate(const struct poll *p, struct assoc **a, struct err *e)
{
	struct str syntax = STR(UID_ExplicitVRLittleEndian);
	struct pdu_context context = {
	    .abstract = STR(UID_ModalityWorklistInformationModelFind),
	    .syntaxes = &syntax,
	    .syntax_count = 1};
	struct assoc_request rq = {.host = "127.0.0.1",
	    .port = (uint16_t)p->port,
	    .calling = "POLL",
	    .called = p->called,
	    .contexts = &context,
	    .context_count = 1,
	    .timeout_ms = TIMEOUT_MS};

	return assoc_request(a, &rq, e);
}

static bool
put_question(struct buf *out, struct arena *arena, const char *station,
    const char *day, struct err *e)
{
	static const uint32_t wanted[] = {TAG_AccessionNumber, TAG_PatientName,
	    TAG_PatientID, TAG_PatientBirthDate, TAG_PatientSex,
	    TAG_StudyInstanceUID, TAG_RequestedProcedureDescription,
	    TAG_RequestedProcedureID};
	static const uint32_t of_step[] = {TAG_Modality,
	    TAG_ScheduledProcedureStepStartTime,
	    TAG_ScheduledPerformingPhysicianName,
	    TAG_ScheduledProcedureStepDescription,
	    TAG_ScheduledProcedureStepID};
	struct dataset *ds = dataset_new(arena), *step;
	size_t i;

	step = dataset_put_item(ds, TAG_ScheduledProcedureStepSequence);
	for (i = 0; i < ARRAY_LEN(wanted); i++)
		must(dataset_put_text(ds, wanted[i], dict_vr(wanted[i]), ""));
	for (i = 0; i < ARRAY_LEN(of_step); i++)
		must(dataset_put_text(
		    step, of_step[i], dict_vr(of_step[i]), ""));
	must(dataset_put_text(
	    step, TAG_ScheduledStationAETitle, VR_AE, station));
	must(dataset_put_text(
	    step, TAG_ScheduledProcedureStepStartDate, VR_DA, day));
	return build_dataset(
	    out, ds, syntax_of(str_from(UID_ExplicitVRLittleEndian)), e);
}

static bool
is_of(struct arena *arena, struct str bytes, struct syntax syntax,
    const char *station, struct err *e)
{
	const struct element *step;
	struct dataset *ds;

	if (!dataset_read(arena, bytes, syntax, LIMIT_HEADER_VALUE, 0, &ds, e))
		return false;
	step = dataset_find(ds, TAG_ScheduledProcedureStepSequence);
	if (step == NULL || step->items == NULL ||
	    !str_eq_text(
		dataset_str(step->items, TAG_ScheduledStationAETitle), station))
		return fail(e, ERR_PROTOCOL, "an answer of another station");
	return true;
}

static bool
take_answers(const struct poll *p, struct assoc *a, struct syntax syntax,
    const char *station, struct err *e)
{
	struct dimse rsp;
	struct arena arena;
	struct buf data;
	uint64_t n = 0;
	bool ok;

	arena_init(&arena, LIMIT_EXCHANGE);
	buf_init(&data, LIMIT_IDENTIFIER);
	while ((ok = dimse_read(a, &rsp, e)) && status_is_pending(rsp.status)) {
		buf_clear(&data);
		arena_reset(&arena);
		ok = dimse_read_all(a, &data, e) &&
		     is_of(&arena, buf_str(&data), syntax, station, e);
		if (!ok)
			break;
		n++;
	}
	buf_fini(&data);
	arena_fini(&arena);
	if (ok && (rsp.status != STATUS_Success || n != p->answers))
		return fail(e, ERR_PROTOCOL,
		    "status %04x with %" PRIu64 " answers", rsp.status, n);
	return ok;
}

static bool
ask(const struct poll *p, struct assoc *a, uint64_t i, struct err *e)
{
	const struct assoc_context *c = assoc_find_context(
	    a, STR(UID_ModalityWorklistInformationModelFind), STR(""));
	struct dimse rq = {
	    .command = C_FIND_RQ, .message_id = (uint16_t)(i % 0xffff + 1)};
	char station[24], day[9] = "20260101";
	struct arena arena;
	struct buf question;
	bool ok;

	if (c == NULL)
		return fail(e, ERR_DENIED, "worklist queries are not accepted");
	rq.context = c->id;
	(void)str_copy(rq.sop_class, sizeof(rq.sop_class), c->abstract);
	snprintf(
	    station, sizeof(station), "S%05" PRIu64, i * 7919 % p->stations);
	date_add(day, (int)(i % p->days));
	arena_init(&arena, LIMIT_EXCHANGE);
	buf_init(&question, LIMIT_IDENTIFIER);
	ok = put_question(&question, &arena, station, day, e) &&
	     dimse_send(a, &rq, buf_str(&question), e) &&
	     take_answers(p, a, c->layout, station, e);
	buf_fini(&question);
	arena_fini(&arena);
	return ok;
}

static bool
run(struct poll *p, struct err *e)
{
	struct assoc *a = NULL;
	int64_t since_us;
	bool ok = true;
	uint64_t i;

	for (i = 0; ok && i < p->queries; i++) {
		since_us = clock_mono_us();
		ok = (a != NULL || associate(p, &a, e)) && ask(p, a, i, e);
		if (ok && p->fresh) {
			ok = assoc_release(a, e);
			assoc_free(&a);
		}
		if (ok)
			p->took_us[p->done++] = clock_mono_us() - since_us;
	}
	if (ok && a != NULL)
		ok = assoc_release(a, e);
	assoc_free(&a);
	return ok;
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static bool
take_word(struct poll *p, const char *word)
{
	const struct {
		const char *name;
		uint64_t *number;
	} names[] = {
	    {"port=", &p->port},
	    {"queries=", &p->queries},
	    {"stations=", &p->stations},
	    {"days=", &p->days},
	    {"answers=", &p->answers},
	    {"fresh=", &p->fresh},
	};
	struct str s = str_from(word), name = STR("called=");
	size_t i;

	if (str_starts(s, name))
		return str_copy(p->called, sizeof(p->called),
		    str_of(s.p + name.n, s.n - name.n));
	for (i = 0; i < ARRAY_LEN(names); i++) {
		name = str_from(names[i].name);
		if (str_starts(s, name))
			return str_u64(str_of(s.p + name.n, s.n - name.n),
			    names[i].number);
	}
	return false;
}

int
main(int argc, char **argv)
{
	struct poll p = {.queries = 1, .stations = 1, .days = 1};
	int64_t since_us = clock_mono_us(), wall_us;
	struct err e;
	bool ok;
	int i;

	for (i = 1; i < argc; i++)
		if (!take_word(&p, argv[i]))
			p.port = 0;
	if (p.port == 0 || p.stations == 0 || p.days == 0 || p.queries == 0) {
		fprintf(stderr, "usage: poll port=N called=AET queries=N "
				"stations=N days=N answers=N fresh=0|1\n");
		return 2;
	}
	log_level_set(LOG_ERROR);
	p.took_us = must_zalloc(p.queries * sizeof(*p.took_us));
	ok = run(&p, &e);
	wall_us = clock_mono_us() - since_us;
	qsort(p.took_us, p.done, sizeof(*p.took_us), compare);
	if (!ok)
		fprintf(stderr, "poll: %s\n", e.text);
	printf("{\"ops\": %zu, \"failures\": %d, \"wall_us\": %" PRId64
	       ", \"p50_us\": %" PRId64 ", \"p99_us\": %" PRId64 "}\n",
	    p.done, !ok, wall_us, p.done > 0 ? p.took_us[p.done / 2] : 0,
	    p.done > 0 ? p.took_us[p.done * 99 / 100] : 0);
	free(p.took_us);
	return 0;
}
