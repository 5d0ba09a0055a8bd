/*
 * What find, move and get have in common: the information model and the level
 * (PS3.4 C.6), and which keys belong to them.
 */
#ifndef APP_CLIENT_MODEL_H
#define APP_CLIENT_MODEL_H

#include "app/client/keys.h"
#include "service/client/client.h"

enum model_root { ROOT_STUDY, ROOT_PATIENT, ROOT_PATIENT_STUDY };
enum model_depth { DEPTH_PATIENT, DEPTH_STUDY, DEPTH_SERIES, DEPTH_IMAGE };
enum model_kind { KIND_FIND, KIND_MOVE, KIND_GET };

/* "study", "patient", "patient-study"; NULL: fits the level. */
bool model_root_parse(const char *text, enum model_depth depth,
    enum model_root *out, struct err *e) MUST_USE;
/* "patient", "study", "series", "image"; NULL: study. */
bool model_depth_parse(
    const char *text, enum model_depth *out, struct err *e) MUST_USE;
const char *model_class(enum model_root root, enum model_kind kind);
/* (0008,0052). */
const char *model_depth_name(enum model_depth depth);
uint32_t model_unique_key(enum model_depth depth);
/* Level and root into the identifier; ERR_USAGE where a unique key of a level
 * above lacks its value. relational: it may. */
bool model_finish(struct keys *k, enum model_root root, enum model_depth depth,
    bool relational, struct err *e) MUST_USE;

/* What a final status means, as an error; true when it is success. */
bool model_succeeded(
    const struct client_end *end, const char *what, struct err *e) MUST_USE;

#endif
