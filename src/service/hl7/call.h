/*
 * Speaking to an HL7 host over MLLP: messages one after the other, each waits
 * for its acknowledgement. Errors say in words what is wrong with the host.
 *
 * Codes of errors: ERR_IO cannot be reached, ERR_TIMEOUT no answer in time,
 * ERR_CLOSED broke off, ERR_DENIED its certificate is refused, ERR_PROTOCOL
 * what came is no acknowledgement.
 */
#ifndef SERVICE_HL7_CALL_H
#define SERVICE_HL7_CALL_H

#include "hl7/er7.h"
#include "net/conn.h"

struct tls;
struct hl7_call;

struct hl7_host {
	char host[256];
	uint16_t port;
	bool secure;
	/* For secure; NULL: it cannot be set up here, trouble says why. */
	struct tls *tls;
	const char *trouble;
	int timeout_ms;
	const struct conn_watch *watch; /* may end every wait; or NULL */
};

/* "HOST:PORT", an IPv6 address in brackets; host and port are set. */
bool hl7_host_parse(
    const char *word, struct hl7_host *out, struct err *e) MUST_USE;

bool hl7_call_open(
    struct hl7_call **, const struct hl7_host *host, struct err *e) MUST_USE;
void hl7_call_close(struct hl7_call **);

struct hl7_answer {
	char code[3]; /* MSA-1: AA, CA, AE … */
	bool taken;   /* AA, CA */
	/* Of what is not taken: the host may say something else another time
	 * (HL7 table 0357: 206 locked, 207 internal error). */
	bool passing;
	struct str text; /* its reason, UTF-8; may be empty */
};
/* The message as it goes over the wire (hl7_wire_form). False: whether the
 * host has taken the message is not known, and the call is of no more use. */
bool hl7_call_send(struct hl7_call *, struct str message, struct arena *a,
    struct hl7_answer *out, struct err *e) MUST_USE;
/* "AE: PID-3 is missing", or what the code means when it gives no reason. */
void hl7_answer_text(const struct hl7_answer *answer, char *out, size_t room);

/* Segments end with CR on the wire, the last one too; files of text end their
 * lines otherwise. */
struct str hl7_wire_form(struct arena *a, struct str message);

#endif
