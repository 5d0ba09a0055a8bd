/*
 * Listening TCP sockets of this machine, as /proc/net shows them, and the
 * processes that have them, as far as we may see.
 */
#ifndef APP_DOCTOR_SOCKETS_H
#define APP_DOCTOR_SOCKETS_H

#include "base/buf.h"
#include "base/err.h"

struct listening {
	uint8_t address[16]; /* IPv6; IPv4 in the first four bytes */
	bool six;
	uint16_t port;
	uint32_t user;
	uint64_t inode;
};

/* One line of /proc/net/tcp (six: tcp6). False when it is none, or not of a
 * socket that listens. */
bool listening_parse(struct str line, bool six, struct listening *out);
/* Those of this machine; free *out. */
bool listening_all(struct listening **out, size_t *n, struct err *e) MUST_USE;
/* "127.0.0.1:104", "[::]:104" */
const char *listening_text(const struct listening *l, char out[64]);

/* Does the process have the socket? *seen false: we may not look. */
bool process_has(int64_t process, uint64_t inode, bool *seen);
/* The process that has it; 0 when none is seen. */
int64_t process_of(uint64_t inode);
/* Its short name as the kernel has it; "" when there is none. */
const char *process_name(int64_t process, char out[32]);

#endif
