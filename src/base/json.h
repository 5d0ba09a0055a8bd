/*
 * JSON output into a buf: escaping, commas and nesting are kept here. Text that
 * is not valid UTF-8 is repaired on the way.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

struct json {
	struct buf *out;
	int depth;
	bool first[32];
	bool after_key;
};

void json_init(struct json *j, struct buf *out);
void json_object(struct json *j);
void json_array(struct json *j);
void json_end_object(struct json *j);
void json_end_array(struct json *j);
void json_key(struct json *j, const char *key);
void json_str(struct json *j, struct str s);
void json_text(struct json *j, const char *text);
void json_i64(struct json *j, int64_t v);
void json_bool(struct json *j, bool v);

#endif
