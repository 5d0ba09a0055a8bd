/*
 * What the verbs 'worklist' and 'hl7' share: files of messages, hosts and
 * their answers, the rules that the settings give.
 */
#ifndef APP_WORKLIST_COMMON_H
#define APP_WORKLIST_COMMON_H

#include "app/settings.h"
#include "app/verb.h"
#include "base/limit.h"
#include "hl7/er7.h"
#include "service/client/client.h"
#include "service/hl7/call.h"
#include "service/worklist/notify.h"
#include "store/worklist/item.h"

/* The value of --max, from 1 to most; *max stays when there is none. */
bool worklist_max(
    const char *text, uint64_t most, uint64_t *max, struct err *e) MUST_USE;

/* A file of messages: as many as LIMIT_HL7_FRAME is for one. */
#define MESSAGES_FILE_MAX (64 * MIB)

/* "-" is standard input. ERR_LIMIT above MESSAGES_FILE_MAX. */
bool messages_read_file(
    const char *path, struct buf *out, struct err *e) MUST_USE;
/* Calls fn for each message of a file, numbered from 1; stops at the first
 * false. ERR_MALFORMED when there is none in it. */
typedef bool message_fn(
    void *ctx, struct str message, size_t number, struct err *e);
bool messages_each(
    const char *path, message_fn *fn, void *ctx, struct err *e) MUST_USE;

/* worklist.uid_root, worklist.uid_for and worklist.notify; valid while the
 * settings are, and where it is. */
struct worklist_rules {
	struct item_rules rules;
	struct notify_config notify;
	struct item_watch watch;
};
void worklist_rules(const struct settings *s, struct worklist_rules *out);
/* What messages that come go through; valid while the settings are. */
struct hl7_intake_config;
void worklist_intake(const struct settings *s, struct hl7_intake_config *out);

/* A host that a word names: HOST:PORT, or an HL7 node of the archive. */
struct hl7_peer {
	struct hl7_host host;
	char node[65];                      /* "" for HOST:PORT */
	char application[65], facility[65]; /* of the node */
	struct client client;               /* for TLS; hl7_peer_fini() */
};
bool hl7_peer_find(struct hl7_peer *out, struct store *store,
    const struct settings *settings, const char *word, bool tls,
    const char *timeout, struct err *e) MUST_USE;
void hl7_peer_fini(struct hl7_peer *p);

/* Sends one message and says on stdout what became of it. ERR_DENIED when the
 * host does not take it. call is opened by the first and closed by the caller.
 */
bool hl7_peer_send(struct hl7_peer *p, struct hl7_call **call,
    struct store *store, struct str message, const char *what,
    struct err *e) MUST_USE;
/* The same by a job, which is said. */
bool hl7_peer_queue(struct hl7_peer *p, struct store *store, struct str message,
    const char *what, struct err *e) MUST_USE;

/* "YYYYMMDD", "YYYY-MM-DD", "DD/MM/YYYY", "today", "yesterday", "tomorrow",
 * by the machine's own clock and zone. */
bool date_word(
    const char *option, const char *word, char out[9], struct err *e) MUST_USE;
/* The local date, 'days' from now. */
void date_of(int days, char out[9]);
/* As MSH-7 has it: YYYYMMDDHHMMSS, local. */
void now_text(char out[15]);
/* A local time for people: "2026-11-21 16:05:09". */
const char *local_time(int64_t utc_ms, char out[32]);

/* A field by its keyword or name, '_' standing for a space. */
bool field_word(const char *word, enum field *out, struct err *e) MUST_USE;

/* The whole into a file. */
bool text_write_file(const char *path, struct str s, struct err *e) MUST_USE;

/* The number of an item, an entry …; ERR_USAGE names what. */
bool take_id(
    const char *what, const char *word, int64_t *id, struct err *e) MUST_USE;

#endif
