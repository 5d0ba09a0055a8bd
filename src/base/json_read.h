/*
 * Reading JSON that we wrote ourselves (base/json.h): the details of jobs.
 * Values are slices of the text; nothing is built. What is no JSON gives false
 * and never reads outside the text.
 */
#ifndef BASE_JSON_READ_H
#define BASE_JSON_READ_H

#include "base/str.h"

/* The value of the first member of an object with this (plain) name. */
bool json_member(struct str object, const char *name, struct str *value);
/* Cut the first element off an array: *rest is the array to begin with, and
 * what is left of it after. False at its end. */
bool json_element(struct str *rest, struct str *value);
/* A string, without its escapes, NUL-terminated; false when it is none or does
 * not fit. */
bool json_string(struct str value, char *out, size_t room);
/* A number without fraction and exponent. */
bool json_integer(struct str value, int64_t *out);
bool json_is_true(struct str value);

#endif
