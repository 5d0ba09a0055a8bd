/*
 * The load of the benchmark: one DICOM client with which every server is
 * measured, so that a difference lies in the servers.
 *
 *     load store|get|move|find|echo NAME=VALUE...
 *
 * store  count CT images of rows × columns × 2 bytes over assocs associations,
 *        spread over studies studies and those over patients patients
 * get    C-GET (PS3.4 C.4.3) of study number study, count images, on assocs
 *        associations, over and over: queries times each
 * move   likewise with C-MOVE (C.4.2) to a listener of ours (sink.h) on port
 *        sink_port, which the server knows as SINK
 * find   queries C-FINDs (PS3.4 C.4.1) on each association; ask=patient: by
 *        patient ID; prefix, infix: by a name with wild cards; dates: by a
 *        range of study dates; modality: that and a modality; words: by a
 *        piece of the study description; accession: by that number; uids: by
 *        a list of study UIDs; all: by name, dates and modality. The answers
 *        must be exactly the studies that fit
 * echo   queries times on each association number: connect, associate, C-ECHO,
 *        release; timed up to the answer
 *
 * Objects are made in memory. Their UIDs and patients follow from seed: the
 * same seed gives the same bytes to every server, another one new instances.
 * There is one request at a time on an association. Every answer is checked;
 * what is wrong counts as a failure, the first one is told on stderr.
 *
 * The clock runs from the moment all associations stand until the last answer.
 * Output is one JSON object; "digest" is the sum of the CRC-32 of all data sets
 * sent or received (digest=1), independent of their order. The exit status is 1
 * when anything failed.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/limit.h"
#include "base/thread.h"
#include "dicom/build.h"
#include "dicom/value.h"
#include "net/dimse.h"

#include "ask.h"
#include "sink.h"

#include <signal.h>
#include <sys/resource.h>

#define HEADER_CAP  (64 * KIB)
#define OUTPUT_CAP  (64 * KIB)
#define TIMEOUT_MS  (600 * 1000)
#define ANSWERS_MAX 4096

enum mode { MODE_STORE, MODE_GET, MODE_MOVE, MODE_FIND, MODE_ECHO, MODE_COUNT };

static const char *const mode_names[MODE_COUNT] = {
    "store", "get", "move", "find", "echo"};

struct load {
	enum mode mode;
	enum ask ask;
	const char *host, *called, *calling;
	uint64_t port, seed, count, rows, columns, assocs, studies, patients;
	uint64_t queries, study, digest, sink_port;
	struct sink sink;
	uint8_t *pixels;
	size_t pixel_bytes;
	struct syntax syntax; /* of what is stored */
	pthread_barrier_t ready;
};

/* One association: its thread, and what came of it. */
struct worker {
	struct load *load;
	uint64_t number;
	struct thread thread;
	struct buf header;
	int64_t *took_us; /* one for each operation done */
	size_t took_n, took_room;
	uint64_t failures, instances, bytes, digest;
	int64_t begun_us, ended_us;
	struct err first; /* the first failure */
};

struct object {
	uint64_t number, study, patient;
	char instance_uid[UID_ROOM], series_uid[UID_ROOM], study_uid[UID_ROOM];
	char frame_uid[UID_ROOM];
	char patient_id[32], text[32];
};

static void
fail_op(struct worker *w, const struct err *e)
{
	if (w->failures++ == 0)
		w->first = *e;
}

static void
took(struct worker *w, int64_t us)
{
	if (w->took_n == w->took_room) {
		w->took_room = w->took_room == 0 ? 1024 : 2 * w->took_room;
		w->took_us = must_realloc(
		    w->took_us, w->took_room * sizeof(*w->took_us));
	}
	w->took_us[w->took_n++] = us;
}

static void
make_uid(
    const struct load *l, const char *what, uint64_t number, char out[UID_ROOM])
{
	shape_uid(l->seed, what, number, out);
}

static void
make_object(const struct load *l, uint64_t number, struct object *o)
{
	o->number = number;
	o->study = number % l->studies;
	o->patient = o->study % l->patients;
	make_uid(l, "image", number, o->instance_uid);
	make_uid(l, "study", o->study, o->study_uid);
	make_uid(l, "series", o->study, o->series_uid);
	make_uid(l, "frame", o->study, o->frame_uid);
	shape_patient_id(l->seed, o->patient, o->patient_id);
}

static void
put(struct worker *w, int tag, const char *text)
{
	build_element(&w->header, (uint32_t)tag, dict_vr((uint32_t)tag),
	    str_from(text), w->load->syntax);
}

static void
put_number(struct worker *w, int tag, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	put(w, tag, text);
}

static void
put_us(struct worker *w, int tag, uint64_t v)
{
	uint8_t bytes[2] = {(uint8_t)v, (uint8_t)(v >> 8)};

	build_element(&w->header, (uint32_t)tag, VR_US,
	    str_of(bytes, sizeof(bytes)), w->load->syntax);
}

static void
put_study(struct worker *w, const struct object *o)
{
	char name[64], about[64], date[24], accession[24];

	shape_name(o->patient, name);
	shape_description(o->patient, about);
	shape_date(o->patient / DAY, date);
	shape_accession(o->study, accession);
	put(w, TAG_SpecificCharacterSet, "ISO_IR 100");
	put(w, TAG_ImageType, "ORIGINAL\\PRIMARY\\AXIAL");
	put(w, TAG_InstanceCreationDate, "20260310");
	put(w, TAG_InstanceCreationTime, "101500.123456");
	put(w, TAG_SOPClassUID, UID_CTImageStorage);
	put(w, TAG_SOPInstanceUID, o->instance_uid);
	put(w, TAG_StudyDate, date);
	put(w, TAG_SeriesDate, date);
	put(w, TAG_AcquisitionDate, "20260310");
	put(w, TAG_ContentDate, "20260310");
	put(w, TAG_StudyTime, "101002.000000");
	put(w, TAG_SeriesTime, "101217.000000");
	put(w, TAG_AcquisitionTime, "101233.500000");
	put(w, TAG_ContentTime, "101233.700000");
	put(w, TAG_AccessionNumber, accession);
	put(w, TAG_Modality, "CT");
	put(w, TAG_Manufacturer, "Example Imaging");
	put(w, TAG_InstitutionName, "General Hospital");
	put(w, TAG_ReferringPhysicianName, "Referrer^Rita^^Dr");
	put(w, TAG_StationName, "CT-ROOM-2");
	put(w, TAG_StudyDescription, about);
	put(w, TAG_SeriesDescription, "Abdomen venous 1.0 B30f");
	put(w, TAG_OperatorsName, "Operator^Olga");
	put(w, TAG_ManufacturerModelName, "Somewhat 64");
	put(w, TAG_PatientName, name);
	put(w, TAG_PatientID, o->patient_id);
	put(w, TAG_PatientBirthDate, "19610417");
	put(w, TAG_PatientSex, o->patient % 2 == 0 ? "F" : "M");
	put(w, TAG_PatientAge, "064Y");
	put(w, TAG_PatientWeight, "71.5");
}

static void
put_series(struct worker *w, const struct object *o)
{
	char position[48];
	uint64_t slice = o->number / w->load->studies;

	put(w, TAG_BodyPartExamined, "ABDOMEN");
	put(w, TAG_SliceThickness, "1.0");
	put(w, TAG_KVP, "120");
	put(w, TAG_DataCollectionDiameter, "500");
	put(w, TAG_DeviceSerialNumber, "104711");
	put(w, TAG_SoftwareVersions, "VB20A");
	put(w, TAG_ProtocolName, "ThorAbd venous");
	put(w, TAG_ReconstructionDiameter, "370");
	put(w, TAG_GantryDetectorTilt, "0");
	put(w, TAG_TableHeight, "151");
	put(w, TAG_ExposureTime, "500");
	put(w, TAG_XRayTubeCurrent, "211");
	put(w, TAG_ConvolutionKernel, "B30f");
	put(w, TAG_PatientPosition, "FFS");
	put(w, TAG_StudyInstanceUID, o->study_uid);
	put(w, TAG_SeriesInstanceUID, o->series_uid);
	put_number(w, TAG_StudyID, o->study);
	put(w, TAG_SeriesNumber, "4");
	put(w, TAG_AcquisitionNumber, "2");
	put_number(w, TAG_InstanceNumber, slice + 1);
	snprintf(position, sizeof(position), "-185\\-185\\%llu.5",
	    (unsigned long long)slice);
	put(w, TAG_ImagePositionPatient, position);
	put(w, TAG_ImageOrientationPatient, "1\\0\\0\\0\\1\\0");
	put(w, TAG_FrameOfReferenceUID, o->frame_uid);
	put(w, TAG_SliceLocation, strrchr(position, '\\') + 1);
}

/* The data set up to the bytes of its pixels. */
static void
put_image(struct worker *w)
{
	const struct load *l = w->load;

	put_us(w, TAG_SamplesPerPixel, 1);
	put(w, TAG_PhotometricInterpretation, "MONOCHROME2");
	put_us(w, TAG_Rows, l->rows);
	put_us(w, TAG_Columns, l->columns);
	put(w, TAG_PixelSpacing, "0.72\\0.72");
	put_us(w, TAG_BitsAllocated, 16);
	put_us(w, TAG_BitsStored, 12);
	put_us(w, TAG_HighBit, 11);
	put_us(w, TAG_PixelRepresentation, 0);
	put(w, TAG_WindowCenter, "40\\-600");
	put(w, TAG_WindowWidth, "400\\1200");
	put(w, TAG_RescaleIntercept, "-1024");
	put(w, TAG_RescaleSlope, "1");
	build_header(&w->header, (uint32_t)TAG_PixelData, VR_OW,
	    (uint32_t)l->pixel_bytes, l->syntax);
}

static void
add_digest(struct worker *w)
{
	uLong crc;

	if (w->load->digest == 0)
		return;
	crc = crc32_z(0, w->header.p, w->header.n);
	w->digest += crc32_z(crc, w->load->pixels, w->load->pixel_bytes);
}

static bool
is_answer(const struct dimse *rsp, const struct dimse *rq, struct err *e)
{
	if (rsp->command != (rq->command | 0x8000) ||
	    rsp->message_id != rq->message_id)
		return fail(e, ERR_PROTOCOL, "%s for message %u answers %u",
		    dimse_command_name(rsp->command), rsp->message_id,
		    rq->message_id);
	return true;
}

static bool
send_object(
    struct worker *w, struct assoc *a, const struct dimse *rq, struct err *e)
{
	const struct load *l = w->load;

	return dimse_send_begin(a, rq, e) &&
	       dimse_send_part(a, buf_str(&w->header), e) &&
	       dimse_send_part(a, str_of(l->pixels, l->pixel_bytes), e) &&
	       dimse_send_end(a, e);
}

/* False when the association is of no more use. */
static bool
store_one(struct worker *w, struct assoc *a, const struct assoc_context *c,
    uint64_t number)
{
	struct object o;
	struct dimse rq = {.command = C_STORE_RQ, .context = c->id}, rsp;
	int64_t since_us;
	struct err e;

	make_object(w->load, number, &o);
	buf_clear(&w->header);
	put_study(w, &o);
	put_series(w, &o);
	put_image(w);
	must(!w->header.over);
	add_digest(w);
	rq.message_id = (uint16_t)(w->took_n % 0xffff + 1);
	memcpy(rq.sop_class, UID_CTImageStorage, sizeof(UID_CTImageStorage));
	memcpy(rq.sop_instance, o.instance_uid, sizeof(o.instance_uid));
	since_us = clock_mono_us();
	if (!send_object(w, a, &rq, &e) || !dimse_read(a, &rsp, &e)) {
		fail_op(w, &e);
		return false;
	}
	took(w, clock_mono_us() - since_us);
	w->instances++;
	w->bytes += w->header.n + w->load->pixel_bytes;
	if (!is_answer(&rsp, &rq, &e)) {
		fail_op(w, &e);
	} else if (rsp.status != STATUS_Success) {
		(void)fail(&e, ERR_PROTOCOL, "C-STORE: status %04x %s",
		    rsp.status, rsp.comment);
		fail_op(w, &e);
	} else if (rsp.sop_instance[0] != '\0' &&
		   strcmp(rsp.sop_instance, rq.sop_instance) != 0) {
		(void)fail(&e, ERR_PROTOCOL, "C-STORE: another UID answered");
		fail_op(w, &e);
	}
	return true;
}

/* Patients, studies and slices of a study come in order, as a modality sends
 * them, when there are as many studies as associations. */
static void
run_store(struct worker *w, struct assoc *a)
{
	const struct load *l = w->load;
	const struct assoc_context *c =
	    assoc_find_context(a, STR(UID_CTImageStorage), STR(""));
	uint64_t i;
	struct err e;

	if (c == NULL) {
		(void)fail(&e, ERR_DENIED, "CT images are not accepted");
		fail_op(w, &e);
		return;
	}
	for (i = w->number; i < l->count; i += l->assocs)
		if (!store_one(w, a, c, i))
			return;
}

static void
put_query(struct buf *out, uint32_t tag, const char *text, struct syntax syntax)
{
	build_element(out, tag, dict_vr(tag), str_from(text), syntax);
}

/* Read one data set: its size, and its CRC-32. */
static bool
swallow(struct worker *w, struct assoc *a, struct err *e)
{
	struct str part;
	uLong crc = 0;

	for (;;) {
		if (!dimse_read_part(a, &part, e))
			return false;
		if (part.n == 0)
			break;
		w->bytes += part.n;
		if (w->load->digest != 0)
			crc = crc32_z(crc, part.p, part.n);
	}
	w->digest += crc;
	w->instances++;
	return true;
}

/* The sub-operations of a C-GET until its last answer. */
static bool
take_images(struct worker *w, struct assoc *a, const struct dimse *rq,
    uint64_t *images, struct dimse *rsp, struct err *e)
{
	struct dimse ok;

	for (;;) {
		if (!dimse_read(a, rsp, e))
			return false;
		if (rsp->command == C_STORE_RQ) {
			ok = dimse_response(rsp, STATUS_Success);
			if (!swallow(w, a, e) ||
			    !dimse_send(a, &ok, STR(""), e))
				return false;
			++*images;
			continue;
		}
		if (!is_answer(rsp, rq, e))
			return false;
		if (!status_is_pending(rsp->status))
			return dimse_drain(a, e);
	}
}

static bool
retrieve_one(struct worker *w, struct assoc *a, const struct assoc_context *c,
    uint16_t message_id, struct err *e)
{
	const struct load *l = w->load;
	bool move = l->mode == MODE_MOVE;
	struct dimse rq = {.command = C_GET_RQ, .context = c->id}, rsp;
	uint64_t images = 0, sunk = atomic_load(&l->sink.instances);
	int64_t since_us = clock_mono_us();
	char uid[UID_ROOM];

	if (move) {
		rq.command = C_MOVE_RQ;
		memcpy(rq.destination, "SINK", 5);
	}
	rq.message_id = message_id;
	str_copy(rq.sop_class, sizeof(rq.sop_class), c->abstract);
	make_uid(l, "study", l->study, uid);
	buf_clear(&w->header);
	put_query(&w->header, TAG_QueryRetrieveLevel, "STUDY", c->layout);
	put_query(&w->header, TAG_StudyInstanceUID, uid, c->layout);
	if (!dimse_send(a, &rq, buf_str(&w->header), e) ||
	    !take_images(w, a, &rq, &images, &rsp, e))
		return false;
	took(w, clock_mono_us() - since_us);
	if (rsp.status != STATUS_Success)
		return fail(e, ERR_PROTOCOL, "retrieval: status %04x %s",
		    rsp.status, rsp.comment);
	if (move)
		images = atomic_load(&l->sink.instances) - sunk;
	if (images != l->count)
		return fail(e, ERR_PROTOCOL, "%llu images, not %llu",
		    (unsigned long long)images, (unsigned long long)l->count);
	return true;
}

/* The studies that must be answered; each answer strikes one out. */
struct expected {
	char uids[ANSWERS_MAX][UID_ROOM];
	bool seen[ANSWERS_MAX];
	size_t n;
};

static void
expect_study(const struct load *l, uint64_t study, struct expected *x)
{
	if (x->n == ANSWERS_MAX)
		return;
	x->seen[x->n] = false;
	make_uid(l, "study", study, x->uids[x->n++]);
}

/* Those of so many patients from one on. */
static void
expect_studies(
    const struct load *l, uint64_t patient, uint64_t count, struct expected *x)
{
	uint64_t study, end = patient + count;

	x->n = 0;
	for (; patient < end && patient < l->patients; patient++)
		for (study = patient; study < l->studies; study += l->patients)
			expect_study(l, study, x);
}

static bool
take_answer(struct assoc *a, const struct assoc_context *c, struct buf *data,
    struct arena *arena, struct expected *x, struct err *e)
{
	struct dataset *ds;
	struct str uid;
	size_t i;

	buf_clear(data);
	arena_reset(arena);
	if (!dimse_read_all(a, data, e) ||
	    !dataset_read(
		arena, buf_str(data), c->layout, LIMIT_HEADER_VALUE, 0, &ds, e))
		return false;
	uid = dataset_str(ds, TAG_StudyInstanceUID);
	for (i = 0; i < x->n; i++) {
		if (x->seen[i] || !str_eq_text(uid, x->uids[i]))
			continue;
		x->seen[i] = true;
		return true;
	}
	return fail(e, ERR_PROTOCOL, "C-FIND: a study that was not asked for");
}

static bool
take_answers(struct worker *w, struct assoc *a, const struct assoc_context *c,
    const struct dimse *rq, struct expected *x, struct err *e)
{
	struct arena arena;
	struct dimse rsp;
	struct buf data;
	size_t answers = 0;
	bool ok;

	arena_init(&arena, LIMIT_EXCHANGE);
	buf_init(&data, LIMIT_IDENTIFIER);
	for (;;) {
		ok = dimse_read(a, &rsp, e) && is_answer(&rsp, rq, e);
		if (!ok || !status_is_pending(rsp.status))
			break;
		ok = take_answer(a, c, &data, &arena, x, e);
		if (!ok)
			break;
		answers++;
		w->instances++;
		w->bytes += data.n;
	}
	if (ok && rsp.status != STATUS_Success)
		ok = fail(e, ERR_PROTOCOL, "C-FIND: status %04x %s", rsp.status,
		    rsp.comment);
	if (ok && answers != x->n)
		ok = fail(e, ERR_PROTOCOL, "C-FIND: %zu studies, not %zu",
		    answers, x->n);
	buf_fini(&data);
	arena_fini(&arena);
	return ok;
}

static void
ask(const struct load *l, uint64_t patient, struct question *q,
    struct expected *x)
{
	size_t i;

	switch (l->ask) {
	case ASK_PATIENT:
		expect_studies(l, patient, 1, x);
		shape_patient_id(l->seed, patient, q->id);
		break;
	case ASK_ACCESSION:
		x->n = 0;
		expect_study(l, patient, x);
		shape_accession(patient, q->accession);
		break;
	default:
		expect_studies(l, patient / GROUP * GROUP, GROUP, x);
		ask_group(l->ask, patient, q);
		break;
	}
	for (i = 0; l->ask == ASK_UIDS && i < x->n; i++) {
		if (i > 0)
			buf_u8(&q->uids, '\\');
		buf_text(&q->uids, x->uids[i]);
	}
}

static void
put_question(struct worker *w, struct question *q, struct syntax layout)
{
	buf_clear(&w->header);
	put_query(&w->header, TAG_StudyDate, q->date, layout);
	put_query(&w->header, TAG_AccessionNumber, q->accession, layout);
	put_query(&w->header, TAG_QueryRetrieveLevel, "STUDY", layout);
	put_query(&w->header, TAG_ModalitiesInStudy, q->modality, layout);
	put_query(&w->header, TAG_StudyDescription, q->about, layout);
	put_query(&w->header, TAG_PatientName, q->name, layout);
	put_query(&w->header, TAG_PatientID, q->id, layout);
	put_query(&w->header, TAG_StudyInstanceUID, buf_cstr(&q->uids), layout);
}

static bool
find_one(struct worker *w, struct assoc *a, const struct assoc_context *c,
    uint16_t message_id, struct err *e)
{
	const struct load *l = w->load;
	struct dimse rq = {.command = C_FIND_RQ, .context = c->id};
	/* A prime step: no patient twice before all had their turn. */
	uint64_t patient =
	    (w->number + l->assocs * message_id) * 7919 % l->patients;
	struct expected *x = must_alloc(sizeof(*x));
	struct question q = {.id = ""};
	int64_t since_us;
	bool ok;

	buf_init(&q.uids, HEADER_CAP);
	ask(l, patient, &q, x);
	put_question(w, &q, c->layout);
	rq.message_id = message_id;
	str_copy(rq.sop_class, sizeof(rq.sop_class), c->abstract);
	since_us = clock_mono_us();
	ok = dimse_send(a, &rq, buf_str(&w->header), e) &&
	     take_answers(w, a, c, &rq, x, e);
	if (ok)
		took(w, clock_mono_us() - since_us);
	buf_fini(&q.uids);
	free(x);
	return ok;
}

/* A failed query ends its association: the answers may be out of step. */
static void
run_queries(struct worker *w, struct assoc *a)
{
	bool find = w->load->mode == MODE_FIND;
	/* The first that is proposed. */
	const struct assoc_context *c =
	    assoc_find_context(a, a->contexts[0].abstract, STR(""));
	uint64_t i;
	struct err e;
	bool ok = true;

	if (c == NULL)
		ok = fail(&e, ERR_DENIED, "queries are not accepted");
	for (i = 0; ok && i < w->load->queries; i++)
		ok = find ? find_one(w, a, c, (uint16_t)(i % 0xffff + 1), &e)
			  : retrieve_one(
				w, a, c, (uint16_t)(i % 0xffff + 1), &e);
	if (!ok)
		fail_op(w, &e);
}

static bool
associate(const struct load *l, struct assoc **a, struct err *e)
{
	struct str syntax = STR(UID_ExplicitVRLittleEndian);
	struct str ct = STR(UID_CTImageStorage);
	struct pdu_context contexts[2] = {0};
	struct pdu_role role = {.sop_class = ct, .scp = true};
	struct assoc_request rq = {.host = l->host,
	    .port = (uint16_t)l->port,
	    .calling = l->calling,
	    .called = l->called,
	    .contexts = contexts,
	    .context_count = 1,
	    .timeout_ms = TIMEOUT_MS};

	contexts[0].syntaxes = contexts[1].syntaxes = &syntax;
	contexts[0].syntax_count = contexts[1].syntax_count = 1;
	switch (l->mode) {
	case MODE_STORE:
		contexts[0].abstract = ct;
		break;
	case MODE_GET:
		contexts[0].abstract =
		    STR(UID_StudyRootQueryRetrieveInformationModelGet);
		contexts[1].abstract = ct;
		rq.context_count = 2;
		rq.roles = &role;
		rq.role_count = 1;
		break;
	case MODE_MOVE:
		contexts[0].abstract =
		    STR(UID_StudyRootQueryRetrieveInformationModelMove);
		break;
	case MODE_FIND:
		contexts[0].abstract =
		    STR(UID_StudyRootQueryRetrieveInformationModelFind);
		break;
	default:
		contexts[0].abstract = STR(UID_Verification);
		break;
	}
	return assoc_request(a, &rq, e);
}

static bool
echo_one(struct worker *w, struct err *e)
{
	struct dimse rq = {.command = C_ECHO_RQ, .message_id = 1}, rsp;
	int64_t since_us = clock_mono_us();
	const struct assoc_context *c;
	struct assoc *a;
	bool ok = false;

	if (!associate(w->load, &a, e))
		return false;
	c = assoc_find_context(a, STR(UID_Verification), STR(""));
	if (c == NULL) {
		(void)fail(e, ERR_DENIED, "C-ECHO is not accepted");
		assoc_free(&a);
		return false;
	}
	rq.context = c->id;
	memcpy(rq.sop_class, UID_Verification, sizeof(UID_Verification));
	if (dimse_send(a, &rq, STR(""), e) && dimse_read(a, &rsp, e) &&
	    is_answer(&rsp, &rq, e)) {
		took(w, clock_mono_us() - since_us);
		ok = rsp.status == STATUS_Success ||
		     fail(e, ERR_PROTOCOL, "C-ECHO: status %04x", rsp.status);
	}
	ok = ok && assoc_release(a, e);
	assoc_free(&a);
	return ok;
}

static void
run_echoes(struct worker *w)
{
	uint64_t i;
	struct err e;

	for (i = 0; i < w->load->queries; i++)
		if (!echo_one(w, &e))
			fail_op(w, &e);
}

static void
work(void *arg)
{
	struct worker *w = arg;
	struct load *l = w->load;
	struct assoc *a = NULL;
	struct err e;

	if (l->mode != MODE_ECHO && !associate(l, &a, &e))
		fail_op(w, &e);
	pthread_barrier_wait(&l->ready);
	w->begun_us = clock_mono_us();
	if (l->mode == MODE_ECHO)
		run_echoes(w);
	else if (a != NULL && l->mode == MODE_STORE)
		run_store(w, a);
	else if (a != NULL)
		run_queries(w, a);
	w->ended_us = clock_mono_us();
	if (a != NULL && w->failures == 0 && !assoc_release(a, &e))
		fail_op(w, &e);
	assoc_free(&a);
}

static int
by_time(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int64_t
cpu_us(void)
{
	struct rusage u;

	must(getrusage(RUSAGE_SELF, &u) == 0);
	return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* All workers' figures into the first. */
static void
add_up(struct worker *workers, size_t n)
{
	struct worker *all = &workers[0], *w;
	size_t i, k;

	for (i = 1; i < n; i++) {
		w = &workers[i];
		for (k = 0; k < w->took_n; k++)
			took(all, w->took_us[k]);
		if (all->failures == 0)
			all->first = w->first;
		all->failures += w->failures;
		all->instances += w->instances;
		all->bytes += w->bytes;
		all->digest += w->digest;
		if (w->begun_us < all->begun_us)
			all->begun_us = w->begun_us;
		if (w->ended_us > all->ended_us)
			all->ended_us = w->ended_us;
	}
	if (all->took_n > 0)
		qsort(
		    all->took_us, all->took_n, sizeof(*all->took_us), by_time);
}

static int64_t
percentile(const struct worker *w, size_t hundredths)
{
	if (w->took_n == 0)
		return 0;
	return w->took_us[(w->took_n - 1) * hundredths / 100];
}

static void
field(struct json *j, const char *name, int64_t v)
{
	json_key(j, name);
	json_i64(j, v);
}

static void
report(const struct load *l, const struct worker *all)
{
	struct buf out;
	struct json j;

	buf_init(&out, OUTPUT_CAP);
	json_init(&j, &out);
	json_object(&j);
	json_key(&j, "mode");
	json_text(&j, mode_names[l->mode]);
	field(&j, "ops", (int64_t)all->took_n);
	field(&j, "instances", (int64_t)all->instances);
	field(&j, "wall_us", all->ended_us - all->begun_us);
	field(&j, "cpu_us", cpu_us());
	field(&j, "p50_us", percentile(all, 50));
	field(&j, "p99_us", percentile(all, 99));
	field(&j, "max_us", percentile(all, 100));
	field(&j, "bytes", (int64_t)all->bytes);
	field(&j, "failures", (int64_t)all->failures);
	field(&j, "digest", (int64_t)all->digest);
	json_end_object(&j);
	puts(buf_cstr(&out));
	buf_fini(&out);
	if (all->failures > 0)
		fprintf(stderr, "load: %s\n", all->first.text);
}

static void
fill_pixels(struct load *l)
{
	uint64_t v = 0x9e3779b97f4a7c15U;
	size_t i;

	l->pixel_bytes = (size_t)(l->rows * l->columns * 2);
	l->pixels = must_alloc(l->pixel_bytes + 1);
	/* Twelve bits of noise: nothing that packs well. */
	for (i = 0; i + 1 < l->pixel_bytes; i += 2) {
		v ^= v << 13;
		v ^= v >> 7;
		v ^= v << 17;
		l->pixels[i] = (uint8_t)v;
		l->pixels[i + 1] = (uint8_t)(v >> 32 & 0x0f);
	}
}

static int
run(struct load *l)
{
	size_t n = (size_t)l->assocs, i;
	struct worker *workers = must_zalloc(n * sizeof(*workers));
	struct err e;
	int status;

	l->sink.digest = l->digest != 0;
	if (l->mode == MODE_MOVE &&
	    !sink_open(&l->sink, (uint16_t)l->sink_port, &e)) {
		fprintf(stderr, "%s\n", e.text);
		free(workers);
		return 1;
	}
	must(pthread_barrier_init(&l->ready, NULL, (unsigned)n) == 0);
	for (i = 0; i < n; i++) {
		workers[i].load = l;
		workers[i].number = i;
		buf_init(&workers[i].header, HEADER_CAP);
		must(thread_start(
		    &workers[i].thread, "load", work, &workers[i]));
	}
	for (i = 0; i < n; i++)
		thread_join(&workers[i].thread);
	if (l->mode == MODE_MOVE) {
		sink_close(&l->sink);
		workers[0].instances += atomic_load(&l->sink.instances);
		workers[0].bytes += atomic_load(&l->sink.bytes);
		workers[0].digest += atomic_load(&l->sink.sum);
	}
	add_up(workers, n);
	report(l, &workers[0]);
	status = workers[0].failures == 0 ? 0 : 1;
	for (i = 0; i < n; i++) {
		buf_fini(&workers[i].header);
		free(workers[i].took_us);
	}
	free(workers);
	return status;
}

static bool
take_word(struct load *l, const char *word)
{
	const struct {
		const char *name;
		const char **text;
		uint64_t *number;
	} names[] = {{"host", &l->host, NULL}, {"called", &l->called, NULL},
	    {"calling", &l->calling, NULL}, {"port", NULL, &l->port},
	    {"seed", NULL, &l->seed}, {"count", NULL, &l->count},
	    {"rows", NULL, &l->rows}, {"columns", NULL, &l->columns},
	    {"assocs", NULL, &l->assocs}, {"studies", NULL, &l->studies},
	    {"patients", NULL, &l->patients}, {"queries", NULL, &l->queries},
	    {"study", NULL, &l->study}, {"digest", NULL, &l->digest},
	    {"sink_port", NULL, &l->sink_port}};
	const char *value = strchr(word, '=');
	size_t i;

	for (i = 0; i < ASK_COUNT; i++) {
		if (strncmp(word, "ask=", 4) != 0 ||
		    strcmp(word + 4, ask_names[i]) != 0)
			continue;
		l->ask = (enum ask)i;
		return true;
	}

	for (i = 0; value != NULL && i < ARRAY_LEN(names); i++) {
		if (!str_eq_text(
			str_of(word, (size_t)(value - word)), names[i].name))
			continue;
		if (names[i].text == NULL)
			return str_u64(str_from(value + 1), names[i].number);
		*names[i].text = value + 1;
		return true;
	}
	return false;
}

static bool
take_words(struct load *l, int argc, char **argv)
{
	int i;

	for (i = 0; argc > 1 && i < MODE_COUNT; i++)
		if (strcmp(argv[1], mode_names[i]) == 0)
			l->mode = (enum mode)i;
	if (l->mode == MODE_COUNT)
		return false;
	for (i = 2; i < argc; i++)
		if (!take_word(l, argv[i]))
			return false;
	if (l->studies == 0)
		l->studies = l->assocs;
	if (l->patients == 0)
		l->patients = l->studies;
	return l->port > 0 && l->port <= UINT16_MAX && l->assocs > 0 &&
	       l->assocs <= 4096 && l->rows <= UINT16_MAX &&
	       l->columns <= UINT16_MAX && l->rows * l->columns <= GIB;
}

int
main(int argc, char **argv)
{
	struct load l = {.mode = MODE_COUNT,
	    .host = "127.0.0.1",
	    .called = "ANY-SCP",
	    .calling = "BENCH",
	    .seed = 1,
	    .count = 1,
	    .rows = 8,
	    .columns = 8,
	    .assocs = 1,
	    .queries = 1};
	int status;

	if (!take_words(&l, argc, argv)) {
		fprintf(stderr, "usage: load store|get|move|find|echo port=N "
				"NAME=VALUE...; names: host called calling "
				"seed count rows columns assocs studies "
				"patients queries study digest "
				"sink_port ask\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	l.syntax = syntax_of(STR(UID_ExplicitVRLittleEndian));
	fill_pixels(&l);
	status = run(&l);
	free(l.pixels);
	return status;
}
