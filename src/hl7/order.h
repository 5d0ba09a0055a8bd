/*
 * What a message asks for: ORM^O01, OMG^O19, OMI^O23 (orders), SIU^S12-S17,
 * S26 (appointments), ADT (patients), ORU^R01 (reports). Values in, values
 * out: nothing is looked up here. A message of several ORC, OBR, IPC groups
 * gives several steps.
 */
#ifndef HL7_ORDER_H
#define HL7_ORDER_H

#include "hl7/mapping.h"

/* In an update an absent value changes nothing, "" deletes. A stand-in finds
 * an item and makes one, but replaces no value an item has. */
struct order_value {
	bool given; /* or: leave as it is */
	bool stand_in;
	struct str text;
};

/* All fields of a patient (PID, PV1): for ADT, and as a part of a step. */
bool order_is_patient_field(enum field f);

enum order_action {
	ORDER_PUT,         /* create, or update what is there */
	ORDER_UPDATE,      /* update; creates too, for nothing is dropped */
	ORDER_CANCEL,      /* out of the worklist; unknown is no error */
	ORDER_DISCONTINUE, /* as cancel before the start, else DISCONTINUED */
	ORDER_HOLD,
	ORDER_RELEASE,
	ORDER_STATUS, /* status alone */
	ORDER_DELETE, /* SIU^S17 */
	ORDER_INFORM  /* of no effect */
};

enum order_status {
	STATUS_NONE, /* the message says nothing of it */
	STATUS_SCHEDULED,
	STATUS_ARRIVED,
	STATUS_STARTED,
	STATUS_COMPLETED,
	STATUS_DISCONTINUED,
	STATUS_CANCELED,
	STATUS_HELD,
	STATUS_COUNT
};
const char *order_status_name(enum order_status s); /* "SCHEDULED" */

struct order_step {
	enum order_action action;
	enum order_status status;
	char control[3]; /* ORC-1 */
	/* Of an order's several steps it is the one of its procedure code, if
	 * there is one: services of appointments have no ID. */
	bool by_code;
	struct order_value value[FIELD_COUNT];
};

struct order_merge { /* the survivor is the patient of the message */
	struct str prior_id, prior_issuer;
	struct str id, issuer;
	/* What the message says of the survivor, as an A08 would:
	 * FIELD_COUNT values; NULL for an undo. */
	const struct order_value *patient;
	bool undo; /* A37: unlink */
};

#define ORDER_ACCESSIONS 5
struct order_report {    /* ORU^R01 */
	struct str text; /* OBX of text, joined by line breaks */
	struct str pdf;  /* base64 of an ED, as it stands */
	bool hex;        /* it is hexadecimal instead */
	struct str study, accession, status, title;
	/* Without study: what may be its accession number, accession first. */
	struct str accessions[ORDER_ACCESSIONS];
	size_t accession_count;
	struct str filler; /* OBR-3, else ORC-3: what it replaces */
	struct str patient_id, issuer;
	bool more; /* another document of the one before */
	/* There is none: the one that it replaces was wrong. */
	bool taken_back;
};

enum order_kind {
	ORDER_KIND_STEPS,
	ORDER_KIND_PATIENT, /* update of the patient: patient[] */
	ORDER_KIND_MERGE,
	ORDER_KIND_REPORT,
	ORDER_KIND_ACK,    /* the answer to something we sent */
	ORDER_KIND_NOTHING /* a type that is journalled and accepted */
};

struct order_message {
	enum order_kind kind;
	struct str type, event, control_id; /* MSH-9.1, 9.2, 10 */
	struct str application, facility;   /* MSH-3.1, MSH-4.1 */
	struct order_step *steps;
	size_t step_count;
	struct order_value patient[FIELD_COUNT];
	enum order_status patient_status; /* ADT^A10: ARRIVED */
	struct order_merge *merges;
	size_t merge_count;
	/* One for each exam that the message is about, at least one. */
	struct order_report *reports;
	size_t report_count;
};

/* What is wrong with a message, for ERR and MSA-3 (HL7 table 0357). */
struct order_problem {
	bool reject;   /* AR rather than AE */
	unsigned code; /* 100 .. 207 */
	char segment[4];
	unsigned sequence, field; /* 0: unknown */
	char text[160];
};

/* Where a value came from, for people (hl7 map). */
struct order_trace {
	size_t step;
	enum field field;
	struct mapping_place place;
	struct str raw, text;
	const char *note; /* or NULL */
};

/* False: *why says what is wrong. traces may be NULL. */
bool order_read(struct arena *a, const struct er7_message *m,
    const struct mapping *mapping, struct order_message *out,
    struct order_trace **traces, size_t *trace_count,
    struct order_problem *why) MUST_USE;

/* A record as a message: what the manual's table cannot carry stands in a Z
 * segment (docs/hl7-mapping.md), so that order_read() gives an equal record by
 * any mapping. Values are UTF-8; of line breaks any kind comes back as LF. */
struct order_sender {
	const char *application, *facility;
	const char *receiving_application, *receiving_facility;
	const char *control_id;
	const char *now; /* YYYYMMDDHHMMSS */
};
void order_build(struct buf *out, const struct str value[FIELD_COUNT],
    enum order_status status, const char *control,
    const struct order_sender *sender);

#endif
