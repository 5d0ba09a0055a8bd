/*
 * Users as JSON, and what the handlers about them share.
 */
#ifndef WEB_API_PEOPLE_H
#define WEB_API_PEOPLE_H

#include "base/utf8.h"
#include "web/api/api.h"

/* Without anything secret. */
void people_user(struct json *j, const struct user *u);
/* The texts of the body: all fields of a person; with limits also those that
 * limit what is seen. */
bool people_texts(
    struct call *c, struct user *u, bool limits, struct err *e) MUST_USE;

#endif
