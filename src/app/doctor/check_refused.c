/*
 * Callers that were refused in the last day, and what lets them in. Their
 * titles and names are a stranger's bytes: as words of a command line they are
 * quoted.
 */
#include "app/doctor/doctor.h"

#include "app/doctor/crowd.h"
#include "base/clock.h"
#include "store/table/node.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netdb.h>

#define DAY_MS       (24LL * 3600 * 1000)
#define MOST         20
#define WAIT_NAME_MS 5000

struct caller {
	struct refusal refusal;
	char name[256]; /* of its address; or empty */
};

static void
find_name(void *item)
{
	struct caller *c = item;
	struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *at;

	if (getaddrinfo(c->refusal.address, NULL, &hints, &at) != 0)
		return;
	if (getnameinfo(at->ai_addr, at->ai_addrlen, c->name, sizeof(c->name),
		NULL, 0, NI_NAMEREQD) != 0)
		c->name[0] = '\0';
	freeaddrinfo(at);
}

static enum sign
sign_of(const struct refusal *r)
{
	if (strstr(r->reason, "AE title unknown") != NULL)
		return SIGN_REFUSED_UNKNOWN;
	if (strstr(r->reason, "address is not") != NULL ||
	    strstr(r->reason, "host name does not resolve") != NULL)
		return SIGN_REFUSED_ADDRESS;
	if (strstr(r->reason, "no HL7 node") != NULL)
		return SIGN_REFUSED_HL7;
	if (!strncmp(r->reason, "called AE title", 15))
		return SIGN_REFUSED_CALLED;
	return SIGN_REFUSED_OTHER;
}

static void
say_command(struct doctor *d, enum sign sign, const struct refusal *r)
{
	const char *ae = doctor_quote(d, r->calling);
	const char *address = doctor_quote(d, r->address);

	if (sign == SIGN_REFUSED_HL7)
		doctor_command(d, "fileroom hl7 node add %s %s 0",
		    r->calling[0] != '\0' ? ae : address, address);
	if (r->calling[0] == '\0')
		return;
	if (sign == SIGN_REFUSED_UNKNOWN)
		doctor_command(d, "fileroom node allow %s %s", ae, address);
	if (sign == SIGN_REFUSED_ADDRESS)
		doctor_command(
		    d, "fileroom node edit %s --host %s", ae, address);
}

static void
say_caller(struct doctor *d, const struct caller *c)
{
	const struct refusal *r = &c->refusal;
	enum sign sign = sign_of(r);
	char host[300] = "";
	struct node node;
	struct err e;

	if (sign == SIGN_REFUSED_ADDRESS &&
	    node_find(d->store, r->calling, &node, &e))
		snprintf(host, sizeof(host), " (its node has '%s')", node.host);
	doctor_say(d, sign, "'%s' from %s%s%s%s%s: %s%s, %" PRIu64 " times",
	    r->calling, r->address, c->name[0] != '\0' ? " (" : "", c->name,
	    c->name[0] != '\0' ? ")" : "",
	    r->called[0] != '\0' ? "" : " (no title called)", r->reason, host,
	    r->count);
	say_command(d, sign, r);
}

static void
say_callers(struct doctor *d, const struct refusal *refusals, size_t n)
{
	struct caller *callers = must_zalloc(MOST * sizeof(*callers));
	int64_t since = clock_utc_ms() - DAY_MS;
	size_t count = 0, more = 0, i;
	bool done[MOST];

	for (i = 0; i < n; i++) {
		if (refusals[i].last_ms < since)
			continue;
		if (count < MOST)
			callers[count++].refusal = refusals[i];
		else
			more++;
	}
	/* A name that does not come is no loss. */
	crowd_run(
	    callers, sizeof(*callers), count, find_name, WAIT_NAME_MS, done);
	for (i = 0; i < count; i++)
		say_caller(d, &callers[i]);
	if (more > 0)
		doctor_say(d, SIGN_REFUSED_MORE, "%zu more callers", more);
	if (count == 0)
		doctor_say(d, SIGN_REFUSED_NONE,
		    "no caller was refused in the last day");
	free(callers);
}

void
check_refused(struct doctor *d)
{
	struct refusal *refusals;
	struct err e;
	size_t n;

	if (d->store == NULL)
		return;
	if (refusal_list(d->store, &d->arena, &refusals, &n, &e))
		say_callers(d, refusals, n);
	else
		doctor_say(d, SIGN_NOT_CHECKED, "refused callers: %s", e.text);
}
