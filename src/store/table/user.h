/*
 * Users of the portal (F94-F99), what they may and see, and their API keys.
 * Each change is flushed before it returns, and counted, so that other
 * processes notice. Passwords and keys are here as hashes only.
 */
#ifndef STORE_TABLE_USER_H
#define STORE_TABLE_USER_H

#include "store/store.h"

/* Stored as bits: numbers stay. */
enum right {
	RIGHT_SEARCH = 1 << 0,
	RIGHT_DOWNLOAD = 1 << 1,
	RIGHT_SHARE = 1 << 2,
	RIGHT_UPLOAD = 1 << 3,
	RIGHT_SEND = 1 << 4,
	RIGHT_RETRIEVE = 1 << 5,
	RIGHT_EDIT = 1 << 6,
	RIGHT_DELETE = 1 << 7,
	RIGHT_WORKLIST = 1 << 8,
	RIGHT_ACTIVITY = 1 << 9,
	RIGHT_SETTINGS = 1 << 10,
	RIGHT_USERS = 1 << 11
};
#define RIGHT_COUNT  12
#define RIGHTS_ALL   ((1U << RIGHT_COUNT) - 1)
#define RIGHTS_USUAL (RIGHT_SEARCH | RIGHT_DOWNLOAD | RIGHT_SHARE)
/* "search": the name of bit number i. */
const char *right_name(unsigned i);
/* "search,download"; ERR_USAGE names what is no right. */
bool rights_parse(struct str list, unsigned *out, struct err *e) MUST_USE;

#define USER_TEXT_ROOM 129
#define USER_HASH_ROOM 128
#define USERS_MAX      10000
#define API_KEYS_MAX   50 /* of one user */

/* The fields that are text, in the order in which the table has them. */
enum user_text {
	USER_SALUTE,
	USER_FIRST_NAME,
	USER_LAST_NAME,
	USER_EMAIL,
	USER_PHONE,
	USER_INSTITUTION,
	USER_DEPARTMENT,
	/* Only studies of these are seen; "" sets no limit. Of the first two a
	 * pattern with * and ?, of the last a list with commas. */
	USER_ONLY_INSTITUTION,
	USER_ONLY_REFERRING,
	USER_ONLY_MODALITY,
	USER_TEXTS
};
/* "first_name", as in the table, the API and the verb's options. */
const char *user_text_name(enum user_text t);

struct user {
	int64_t id;
	char name[USER_TEXT_ROOM];
	char hash[USER_HASH_ROOM]; /* of the password; "": none logs in */
	bool active, admin;
	unsigned rights;
	char text[USER_TEXTS][USER_TEXT_ROOM];
	bool only_own;      /* sees what it has uploaded itself */
	uint8_t secret[20]; /* of the second factor */
	bool second;        /* it is asked for */
	/* Changes with the password and with deactivation: sessions end. */
	int64_t generation;
	int64_t created_ms, login_ms;
};

/* A name is 1 to 64 characters without control characters and colon (which
 * HTTP Basic cannot carry); names that differ in case or accents alone are the
 * same. ERR_USAGE, ERR_CONFLICT when it is taken. Sets id. first: only if there
 * is no user yet, else ERR_CONFLICT. */
bool user_add(
    struct store *, struct user *, bool first, struct err *e) MUST_USE;
/* All fields but hash, second factor and generation, which counts up when the
 * user is not active any more or has another name. ERR_CONFLICT when no active
 * administrator would be left, or the name is another's. */
bool user_put(struct store *, const struct user *, struct err *e) MUST_USE;
/* Ends the sessions of the user, and an open reset. */
bool user_set_password(
    struct store *, int64_t id, const char *hash, struct err *e) MUST_USE;
/* NULL: none is asked for any more. */
bool user_set_second(struct store *, int64_t id, const uint8_t secret[20],
    struct err *e) MUST_USE;
/* With its keys. ERR_MISSING; ERR_CONFLICT as above. */
bool user_delete(struct store *, int64_t id, struct err *e) MUST_USE;
/* ERR_MISSING. */
bool user_find(
    struct store *, struct str name, struct user *out, struct err *e) MUST_USE;
bool user_get(
    struct store *, int64_t id, struct user *out, struct err *e) MUST_USE;
/* By name. */
bool user_list(struct store *, struct arena *a, struct user **out, size_t *n,
    struct err *e) MUST_USE;
bool user_count(struct store *, int64_t *n, struct err *e) MUST_USE;
/* Changes with each change of a user or a key by any process. */
bool user_version(struct store *, int64_t *out, struct err *e) MUST_USE;
/* It has logged in: not flushed. */
void user_came(struct store *, int64_t id, int64_t at_ms);

/* A code by which the password can be set once, until then; only its SHA-256 is
 * kept. The last one counts. */
bool user_reset_put(struct store *, int64_t id, const uint8_t hash[32],
    int64_t until_ms, struct err *e) MUST_USE;
/* ERR_MISSING: unknown, used, or too late. */
bool user_reset_find(struct store *, const uint8_t hash[32], struct user *out,
    struct err *e) MUST_USE;

struct api_key {
	int64_t id, user;
	char name[USER_TEXT_ROOM];
	int64_t created_ms, used_ms; /* 0: never */
};
/* ERR_LIMIT. */
bool api_key_add(struct store *, int64_t user, const char *name,
    const uint8_t hash[32], int64_t *id, struct err *e) MUST_USE;
bool api_key_list(struct store *, int64_t user, struct arena *a,
    struct api_key **out, size_t *n, struct err *e) MUST_USE;
/* ERR_MISSING, also when it is another user's. */
bool api_key_delete(
    struct store *, int64_t user, int64_t id, struct err *e) MUST_USE;
/* Whose key it is; ERR_MISSING. */
bool api_key_find(struct store *, const uint8_t hash[32], struct api_key *out,
    struct err *e) MUST_USE;

/* Who brought a study, for users that see their own only. Flushed. Not if
 * something of it was there before since_ms: then it is another's. */
bool upload_put(struct store *, struct str study, int64_t user,
    int64_t since_ms, struct err *e) MUST_USE;

#endif
