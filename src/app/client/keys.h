/*
 * Identifiers of queries and retrievals from words of a command line:
 *
 *   PatientID=123  (0010,0020)=123  00100020=123  ModalitiesInStudy
 *   RequestAttributesSequence.ScheduledProcedureStepID=7
 *
 * A word without '=' asks for the attribute. Values are UTF-8 and are encoded
 * in the character set of the identifier.
 */
#ifndef APP_CLIENT_KEYS_H
#define APP_CLIENT_KEYS_H

#include "dicom/dataset.h"

#define KEY_PATH_MOST 4

/* Where a key stands: the sequences, and last the attribute. */
struct key_path {
	uint32_t tags[KEY_PATH_MOST];
	size_t n;
};
/* ERR_USAGE names what is not in the dictionary. */
bool key_path_parse(struct str text, struct key_path *out, struct err *e);
/* "PatientID", "RequestAttributesSequence.ScheduledProcedureStepID",
 * "(0009,0010)". */
void key_path_text(const struct key_path *p, struct buf *out);
/* The first element at the end of the path, in first items; NULL: none.
 * *holder: the data set that it stands in. */
const struct element *key_path_find(const struct key_path *p,
    const struct dataset *ds, const struct dataset **holder);

struct keys {
	struct arena *arena;
	struct dataset *identifier;
	struct key_path *paths; /* in the order they were given */
	size_t n, room;
	const char *charset; /* of the identifier; "" for the default one */
};

/* The words decide about the character set: charset if it is not NULL, else
 * none where all are ASCII, else ISO_IR 192. */
bool keys_init(struct keys *k, struct arena *a, const char *charset,
    const char *const *words, size_t n, struct err *e) MUST_USE;
/* One word. *asks: it had no value. */
bool keys_add(
    struct keys *k, const char *word, bool *asks, struct err *e) MUST_USE;
/* Tag and value, replacing what is there. */
bool keys_set(
    struct keys *k, uint32_t tag, const char *value, struct err *e) MUST_USE;
/* Ask for an attribute, unless there is one. */
bool keys_want(struct keys *k, uint32_t tag, struct err *e) MUST_USE;
/* Does the identifier have a value for it? */
bool keys_has(const struct keys *k, uint32_t tag);

#endif
