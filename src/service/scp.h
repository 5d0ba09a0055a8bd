/*
 * The DICOM server: listens, accepts associations by the access policy, parks
 * them between messages, hands each message to its service, records activity.
 */
#ifndef SERVICE_SCP_H
#define SERVICE_SCP_H

#include "service/service.h"

struct scp;
struct tls;

struct scp_config {
	struct service_config service;
	struct client client;  /* how nodes are called; scp keeps a copy */
	unsigned max_outgoing; /* moves to one destination at once */
	char bind[256];
	uint16_t port;  /* 0: closed */
	bool port_auto; /* take a free port */
	uint16_t tls_port;
	bool tls_port_auto;
	/* Of new connections to the TLS port; may be NULL when it is closed.
	 * The server takes a reference of its own. */
	struct tls *tls;
};

bool scp_open(
    struct scp **, struct store *, const struct scp_config *, struct err *e);
/* Stop listening, end what is idle, ask the exchanges that take long to come to
 * an end; waits for nobody. */
void scp_stop(struct scp *);
/* And let running exchanges finish until deadline_ms, abort the rest, record
 * their activity. When that was not enough every connection of the process ends
 * (conn_stop_all). */
void scp_close(struct scp **, int64_t deadline_ms);
/* New settings; a change of bind or port re-opens the listener, and fails
 * (the old one stays) when the new one cannot be opened. Called by the thread
 * that opened it, as is scp_address(). */
bool scp_configure(struct scp *, const struct scp_config *, struct err *e);
/* "127.0.0.1:11121", or "" when closed. */
const char *scp_address(struct scp *);
const char *scp_tls_address(struct scp *);

struct scp_counts {
	uint64_t connections, associations, running;
};
void scp_count(struct scp *, struct scp_counts *out);

#endif
