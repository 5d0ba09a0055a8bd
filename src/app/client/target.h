/*
 * The node that a verb speaks with, and who we are there: what echo, find,
 * store, move and get share.
 *
 * A node is the AE title of a known one, or "AETITLE@HOST:PORT" with "+tls"
 * behind it where it speaks TLS; an IPv6 address stands in brackets.
 */
#ifndef APP_CLIENT_TARGET_H
#define APP_CLIENT_TARGET_H

#include "app/settings.h"
#include "app/verb.h"
#include "service/client/client.h"

struct target_options {
	const char *data, *aet, *timeout, *tls_cert, *tls_key, *tls_ca;
};
/* For the table of options of a verb. */
#define TARGET_OPTIONS(o)                                                      \
	{"--data", OPTION_TEXT, &(o).data}, {"--aet", OPTION_TEXT, &(o).aet},  \
	    {"--timeout", OPTION_TEXT, &(o).timeout},                          \
	    {"--tls-cert", OPTION_TEXT, &(o).tls_cert},                        \
	    {"--tls-key", OPTION_TEXT, &(o).tls_key},                          \
	{                                                                      \
		"--tls-ca", OPTION_TEXT, &(o).tls_ca                           \
	}
/* Their lines of help. */
#define TARGET_HELP                                                            \
	"  --aet TITLE     our AE title (default: dicom.ae_title)\n"           \
	"  --timeout S     seconds the node may be silent (default:\n"         \
	"                  dicom.timeout_s)\n"                                 \
	"  --tls-cert F, --tls-key F, --tls-ca F\n"                            \
	"                  PEM files instead of those of the settings\n"

struct target {
	const char *data;
	struct store *store; /* NULL: there is no archive at --data */
	struct settings settings;
	struct client client;
	struct node node;
	bool patient; /* --timeout was given: it holds for a C-MOVE too */
};

/* Who we are. The archive is opened if there is one, and never made. */
bool target_open(
    struct target *t, const struct target_options *o, struct err *e) MUST_USE;
/* The same with an archive (or NULL) that stays the caller's. t->client is to
 * be freed by client_fini() in every case. */
bool target_with(struct target *t, struct store *store,
    const struct target_options *o, struct err *e) MUST_USE;
/* The node that a word names. */
bool target_node(struct target *t, const char *word, struct node *out,
    struct err *e) MUST_USE;
void target_close(struct target *t);
/* ERR_MISSING unless there is an archive. */
bool target_needs_store(const struct target *t, struct err *e) MUST_USE;

/* "AETITLE@HOST:PORT[+tls]"; ERR_USAGE says what is wrong. */
bool target_parse(const char *word, struct node *out, struct err *e) MUST_USE;

/* The first SIGINT or SIGTERM only sets a flag, so that a request is cancelled
 * in order; the second ends the process. */
void interrupt_catch(void);
bool interrupted(void);

#endif
