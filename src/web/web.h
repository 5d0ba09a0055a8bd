/*
 * The portal: HTTP and HTTPS on one port, a JSON API, pages for doctors and
 * patients.
 */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include "service/hl7/intake.h"
#include "service/worklist/arrival.h"

struct web;

#define WEB_TEXT_ROOM 256

/* From when the days of a patient's link count. */
enum web_link_from { WEB_FROM_STUDY, WEB_FROM_RECEIVED, WEB_FROM_ISSUED };

struct web_config {
	char bind[WEB_TEXT_ROOM];
	uint16_t port;  /* 0: closed */
	bool port_auto; /* take a free port */
	bool tls;
	char cert[WEB_TEXT_ROOM], key[WEB_TEXT_ROOM]; /* PEM files, or "" */
	bool allow_plain;
	char proxies[WEB_TEXT_ROOM]; /* addresses, separated by commas */
	char server_name[WEB_TEXT_ROOM];
	char outside_address[WEB_TEXT_ROOM]; /* or "auto" */
	char institution[WEB_TEXT_ROOM], department[WEB_TEXT_ROOM];
	int token_days; /* of patients' links; 0: never, -1: always open */
	enum web_link_from token_from;
	bool token_question; /* the date of birth is asked */
	/* The desktop viewer offered to patients. */
	char viewer_name[WEB_TEXT_ROOM], viewer_url[WEB_TEXT_ROOM];
	bool sante_links;
	/* What becomes of HL7 text and of images that are uploaded; uid_for
	 * stands in the next member. */
	struct hl7_intake_config orders;
	char uid_for[256];
	struct arrival_config arrival;
};

/* Without listening yet when the port is 0. */
bool web_open(struct web **, struct store *, const struct web_config *,
    struct err *e) MUST_USE;
/* Stop listening; waits for nobody. */
void web_stop(struct web *);
/* And let calls finish until deadline_ms, end the rest. */
void web_close(struct web **, int64_t deadline_ms);
/* New settings take effect on new connections and requests; on an error all
 * stays as it was. Called by the thread that opened it. */
bool web_configure(
    struct web *, const struct web_config *, struct err *e) MUST_USE;
/* Asked every now and then: true once when the certificate's files have
 * changed and come to rest; then web_configure() reads them anew. */
bool web_certificate_changed(struct web *);
/* The one-time link by which the first administrator is made; "" when there is
 * a user. The one before it ends. */
bool web_setup(struct web *, char *out, size_t room, struct err *e) MUST_USE;
/* "127.0.0.1:3000", or "" when closed. */
const char *web_address(struct web *);

#endif
