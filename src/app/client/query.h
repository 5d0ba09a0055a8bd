/*
 * What find, move and get have in common: the information model and the level
 * (PS3.4 C.6), and which keys belong to them.
 */
#ifndef APP_CLIENT_QUERY_H
#define APP_CLIENT_QUERY_H

#include "app/client/keys.h"
#include "service/client/client.h"

enum query_root { ROOT_STUDY, ROOT_PATIENT, ROOT_PATIENT_STUDY };
enum query_depth { DEPTH_PATIENT, DEPTH_STUDY, DEPTH_SERIES, DEPTH_IMAGE };
enum query_kind { KIND_FIND, KIND_MOVE, KIND_GET };

/* "study", "patient", "patient-study"; NULL: fits the level. */
bool query_root_parse(const char *text, enum query_depth depth,
    enum query_root *out, struct err *e) MUST_USE;
/* "patient", "study", "series", "image"; NULL: study. */
bool query_depth_parse(
    const char *text, enum query_depth *out, struct err *e) MUST_USE;
const char *query_class(enum query_root root, enum query_kind kind);
/* (0008,0052). */
const char *query_depth_name(enum query_depth depth);
uint32_t query_unique_key(enum query_depth depth);
/* Level and root into the identifier; ERR_USAGE where a unique key of a level
 * above lacks its value. relational: it may. */
bool query_finish(struct keys *k, enum query_root root, enum query_depth depth,
    bool relational, struct err *e) MUST_USE;

/* What a final status means, as an error; true when it is success. */
bool query_succeeded(
    const struct client_end *end, const char *what, struct err *e) MUST_USE;

#endif
