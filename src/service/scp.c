/*
 * The life of a connection:
 *
 *   accepted → parked (ARTIM) → readable → a worker: handshake
 *   → a worker: one message after the other, as long as the next comes within
 *   WAIT_LINGER_MS and nobody waits for the worker → parked (idle) → …
 *
 * TLS comes before that, in a pool of its own: as far as it goes without
 * waiting, then parked again. Thousands of half-done handshakes hold no thread,
 * and what they cost in computing is limited to the cores.
 *
 * A link is owned by exactly one of: the lot, the gate (waiting for its
 * address), a pool's queue, the worker that runs it. Whoever owns it may end
 * it; nobody else touches it. What waits to move stands in line at the gate of
 * its destination, and lies in the lot meanwhile (enum line): a C-CANCEL, and
 * the end of its requester, are seen at once. The server's lock guards the list
 * of links, the gate, the settings and the closing flag; parking happens under
 * it, so that once closing is set nothing is parked any more.
 */
#include "service/scp.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/thread.h"
#include "net/pool.h"
#include "net/tls.h"
#include "service/commitment/report.h"
#include "service/door.h"
#include "service/exchange.h"
#include "service/gate.h"
#include "service/negotiate.h"
#include "service/record.h"

#include <stddef.h>

/* C-GET holds a thread for as long as its peer takes. */
#define RETRIEVE_WORKERS 8
#define LOG_FULL_MS      10000

/* Who sees to a link that waits for its turn to move. */
enum line {
	LINE_NONE,
	LINE_PARKED, /* the lot: its requester may cancel, or go */
	LINE_LOOK,   /* a worker, which has it or will have it soon */
	LINE_DEAF    /* nobody: more has come than can be looked at */
};

struct link {
	struct lot_item item;
	struct pool_job job;
	struct gate_pass pass, move_pass;
	struct scp *scp;
	struct conn *conn;      /* until there is an association */
	struct session session; /* association NULL until then */
	bool trusted;           /* need not pass the gate */
	bool late;
	int64_t idle_ms;  /* since when, in the lot; 0: not */
	bool securing;    /* in the TLS handshake */
	int64_t artim_ms; /* when that must be over */
	/* Read, and to be served by another pool; NULL between. On the heap,
	 * because thousands of idle links have none. */
	struct dimse *rq;
	const struct service *service;
	enum line line; /* under the server's lock */
	struct link *before, *after;
	char address[CONN_ADDRESS_ROOM];
};

struct scp {
	struct mutex lock;
	struct cond ended; /* a link ended */
	struct store *store;
	struct lot *lot; /* NULL when closing */
	struct pool *workers, *retrieve, *move, *securers;
	struct door plain, secure; /* secure: TLS */
	struct scp_config config;
	struct gate gate, moves; /* by address; by Move Destination */
	struct identities *identities;
	struct link *links;
	size_t link_count, association_count, running;
	size_t held; /* bytes of identifiers, in line */
	int64_t warned_ms;
	bool stopping, closing;
};

#define LINK_OF(p, member)                                                     \
	((struct link *)(void *)((char *)(p)-offsetof(struct link, member)))

static void work(struct pool_job *job);

static void
submit_next(struct gate_pass *pass)
{
	struct link *l;

	if (pass == NULL)
		return;
	l = LINK_OF(pass, pass);
	pool_submit(l->scp->workers, &l->job);
}

/* Under the lock. */
static void
out_of_line(struct link *l)
{
	if (l->line != LINE_NONE)
		l->scp->held -= l->session.identifier.n;
	l->line = LINE_NONE;
}

/* Under the lock: the link whose turn to move has come, if nobody sees to it
 * already. Who does learns of it. */
static struct link *
called(struct gate_pass *pass)
{
	struct link *l;

	if (pass == NULL)
		return NULL;
	l = LINK_OF(pass, move_pass);
	if (l->line == LINE_PARKED && l->scp->lot != NULL)
		lot_hasten(l->scp->lot, &l->item);
	if (l->line == LINE_PARKED || l->line == LINE_LOOK)
		return NULL;
	out_of_line(l);
	return l;
}

static void
submit_move(struct link *l)
{
	if (l != NULL)
		pool_submit(l->scp->move, &l->job);
}

/* What ran gives its place at the gates to the next. */
static void
leave(struct link *l)
{
	struct gate_pass *next;
	struct link *next_move;

	mutex_lock(&l->scp->lock);
	out_of_line(l);
	next = gate_leave(&l->scp->gate, &l->pass);
	next_move = called(gate_leave(&l->scp->moves, &l->move_pass));
	mutex_unlock(&l->scp->lock);
	submit_next(next);
	submit_move(next_move);
}

/* Before the descriptor is closed. */
static void
forget(struct link *l)
{
	mutex_lock(&l->scp->lock);
	if (l->scp->lot != NULL)
		lot_forget(l->scp->lot, &l->item);
	l->item.registered = false;
	mutex_unlock(&l->scp->lock);
}

static void
drop(struct link *l)
{
	struct scp *s = l->scp;

	leave(l);
	mutex_lock(&s->lock);
	if (l->before != NULL)
		l->before->after = l->after;
	else
		s->links = l->after;
	if (l->after != NULL)
		l->after->before = l->before;
	s->link_count--;
	cond_signal(&s->ended);
	mutex_unlock(&s->lock);
	free(l);
}

static void
end(struct link *l, const struct err *why)
{
	struct session *session = &l->session;

	if (session->assoc == NULL) {
		record_stranger(l->scp->store, l->address, why);
		if (l->conn != NULL) {
			forget(l);
			conn_free(&l->conn);
		}
		drop(l);
		return;
	}
	if (session->assoc->end == ASSOC_OPEN)
		assoc_abort(session->assoc, ABORT_BY_USER, ABORT_NOT_SPECIFIED);
	record_end(session, why);
	report_end(session);
	intake_free(&session->intake);
	arena_fini(&session->arena);
	forget(l);
	assoc_free(&session->assoc);
	mutex_lock(&l->scp->lock);
	l->scp->association_count--;
	mutex_unlock(&l->scp->lock);
	leave(l);
	buf_fini(&session->identifier);
	free(l->rq);
	drop(l);
}

static void
end_stopping(struct link *l)
{
	struct err why;

	(void)fail(&why, ERR_CANCELLED, "the server is stopping");
	end(l, &why);
}

static bool
is_closing(struct scp *s)
{
	bool closing;

	mutex_lock(&s->lock);
	closing = s->closing;
	mutex_unlock(&s->lock);
	return closing;
}

static void
park(struct link *l, int64_t deadline_ms)
{
	struct scp *s = l->scp;
	bool closing;

	mutex_lock(&s->lock);
	closing = s->closing;
	if (!closing)
		lot_park(s->lot, &l->item, deadline_ms);
	mutex_unlock(&s->lock);
	if (closing)
		end_stopping(l);
}

/* Give it to a worker when its address may have one more. */
static void
dispatch(struct link *l)
{
	struct scp *s = l->scp;
	bool inside;

	if (l->securing) {
		pool_submit(s->securers, &l->job);
		return;
	}
	mutex_lock(&s->lock);
	inside = s->closing || l->trusted ||
		 gate_enter(&s->gate, &l->pass, l->address);
	mutex_unlock(&s->lock);
	if (inside)
		pool_submit(s->workers, &l->job);
}

/* The lot let go of one that waits in line: something came, or its turn did,
 * or it cannot be watched. */
static void
stir(struct link *l, bool came)
{
	struct scp *s = l->scp;
	bool look;

	mutex_lock(&s->lock);
	look = came || !l->move_pass.waiting;
	l->line = look ? LINE_LOOK : LINE_DEAF;
	mutex_unlock(&s->lock);
	if (look)
		pool_submit(s->workers, &l->job);
}

/* The lot's callbacks. */
static void
ready(struct lot_item *item)
{
	struct link *l = LINK_OF(item, item);

	if (l->line != LINE_NONE)
		stir(l, true);
	else
		dispatch(l);
}

static void
late(struct lot_item *item)
{
	struct link *l = LINK_OF(item, item);
	struct err why;

	if (l->line != LINE_NONE) {
		stir(l, clock_mono_ms() >= l->session.line.tell_ms);
		return;
	}
	if (l->session.assoc == NULL) {
		(void)fail(&why, ERR_TIMEOUT, "%s in %d ms",
		    l->securing ? "no TLS handshake" : "nothing came",
		    WAIT_ARTIM_MS);
		end(l, &why);
		return;
	}
	/* An A-ABORT may have to wait for the socket: not in this thread. */
	l->late = true;
	pool_submit(l->scp->workers, &l->job);
}

static void
gone(struct lot_item *item)
{
	end_stopping(LINK_OF(item, item));
}

static void
warn_full(struct scp *s)
{
	int64_t now = clock_mono_ms();

	if (s->warned_ms != 0 && now - s->warned_ms < LOG_FULL_MS)
		return;
	s->warned_ms = now;
	log_warning("dicom", "%d connections are open: more are closed at once",
	    LIMIT_CONNECTIONS);
}

static void
client_of(struct session *session, struct client *out)
{
	struct link *l = LINK_OF(session, session);

	mutex_lock(&l->scp->lock);
	client_copy(out, &l->scp->config.client);
	mutex_unlock(&l->scp->lock);
}

static bool
stopping_of(struct session *session)
{
	struct scp *s = LINK_OF(session, session)->scp;
	bool stopping;

	mutex_lock(&s->lock);
	stopping = s->stopping;
	mutex_unlock(&s->lock);
	return stopping;
}

static void
accepted(struct scp *s, struct conn *c, bool tls)
{
	struct link *l;

	mutex_lock(&s->lock);
	if (s->closing || s->link_count >= LIMIT_CONNECTIONS) {
		if (!s->closing)
			warn_full(s);
		mutex_unlock(&s->lock);
		conn_free(&c);
		return;
	}
	l = must_zalloc(sizeof(*l));
	l->scp = s;
	l->conn = c;
	l->item = (struct lot_item){
	    .fd = c->fd, .ready = ready, .late = late, .gone = gone};
	l->job.run = work;
	l->session.store = s->store;
	l->session.client = client_of;
	l->session.stopping = stopping_of;
	(void)str_copy(
	    l->address, sizeof(l->address), str_from(c->peer.address));
	l->trusted = c->peer.loopback;
	l->securing = tls;
	l->artim_ms = clock_mono_ms() + WAIT_ARTIM_MS;
	l->after = s->links;
	if (l->after != NULL)
		l->after->before = l;
	s->links = l;
	s->link_count++;
	mutex_unlock(&s->lock);
	park(l, clock_mono_ms() + WAIT_ARTIM_MS);
}

static void
accepted_plain(void *ctx, struct conn *c)
{
	accepted(ctx, c, false);
}

static void
accepted_secure(void *ctx, struct conn *c)
{
	accepted(ctx, c, true);
}

/* Refused, or gone before the answer was out. */
static void
end_handshake(struct link *l, const struct err *why)
{
	struct assoc **a = &l->session.assoc;

	if (*a == NULL || (*a)->end == ASSOC_REJECTED) {
		if (*a == NULL)
			record_stranger(l->scp->store, l->address, why);
		else
			record_refusal(l->scp->store, (*a)->calling,
			    (*a)->called, l->address, why->text);
		assoc_free(a);
		drop(l);
		return;
	}
	mutex_lock(&l->scp->lock);
	l->scp->association_count++;
	mutex_unlock(&l->scp->lock);
	record_begin(&l->session);
	end(l, why);
}

/* False: the link has ended. */
static bool
handshake(struct link *l)
{
	struct session *session = &l->session;
	struct negotiation n = {.config = &session->config,
	    .store = l->scp->store,
	    .identities = l->scp->identities};
	struct conn *c = l->conn;
	struct err e = {0};

	mutex_lock(&l->scp->lock);
	session->config = l->scp->config.service;
	mutex_unlock(&l->scp->lock);
	/* From here on the connection may be closed at any time. */
	forget(l);
	l->conn = NULL;
	if (!assoc_accept(&session->assoc, c, &negotiation_policy, &n, &e)) {
		end_handshake(l, &e);
		return false;
	}
	c->progress_ms = session->config.timeout_ms;
	record_begin(session);
	arena_init(&session->arena, LIMIT_EXCHANGE);
	report_begin(session);
	mutex_lock(&l->scp->lock);
	l->scp->association_count++;
	mutex_unlock(&l->scp->lock);
	if (n.reason[0] != '\0')
		record_refusal(l->scp->store, session->assoc->calling,
		    session->assoc->called, l->address, n.reason);
	if (n.trusted && !l->trusted) {
		l->trusted = true;
		leave(l);
	}
	return true;
}

/* One step of the TLS handshake. False: the link has ended or is parked. */
static bool
secure(struct link *l)
{
	struct scp *s = l->scp;
	struct conn *c = l->conn;
	struct err e = {0};
	struct tls *tls;
	bool done;

	if (c->tls == NULL) {
		mutex_lock(&s->lock);
		tls = tls_ref(s->config.tls);
		mutex_unlock(&s->lock);
		if (tls == NULL) {
			(void)fail(&e, ERR_CANCELLED, "the TLS port is closed");
			end(l, &e);
			return false;
		}
		conn_secure(c, tls, "", "");
		tls_unref(&tls);
		c->hard_deadline_ms = l->artim_ms;
	}
	if (!conn_handshake(c, &done, &e)) {
		end(l, &e);
		return false;
	}
	if (!done) {
		park(l, l->artim_ms);
		return false;
	}
	l->securing = false;
	return true;
}

static void
run_secure(struct link *l)
{
	if (!secure(l))
		return;
	l->artim_ms = clock_mono_ms() + WAIT_ARTIM_MS;
	if (conn_wait(l->conn, 0))
		dispatch(l);
	else
		park(l, l->artim_ms);
}

/* Let go of it until the next message, or until there may be something to
 * tell. */
static void
settle(struct link *l)
{
	int64_t wake_ms = l->session.report.wake_ms, deadline_ms;

	leave(l);
	if (conn_buffered(l->session.assoc->conn)) {
		dispatch(l);
		return;
	}
	assoc_idle(l->session.assoc);
	arena_fini(&l->session.arena);
	if (l->idle_ms == 0)
		l->idle_ms = clock_mono_ms();
	deadline_ms = l->idle_ms + WAIT_IDLE_MS;
	if (wake_ms != 0 && wake_ms < deadline_ms)
		deadline_ms = wake_ms;
	park(l, deadline_ms);
}

static void
run_handed_over(struct link *l)
{
	struct err e = {0};

	if (!exchange_serve(&l->session, l->rq, l->service, &e)) {
		end(l, &e);
		return;
	}
	free(l->rq);
	l->rq = NULL;
	l->service = NULL;
	settle(l);
}

/* Does the requester of a move in line still want it? If so back to the lot,
 * unless its turn has come. */
static void
look_in_line(struct link *l)
{
	struct session *session = &l->session;
	struct scp *s = l->scp;
	struct err why = {0};
	bool wanted;

	wanted = !dimse_cancelled(session->assoc, l->rq->message_id, &why) &&
		 exchange_wait(session, l->rq, l->service, &why);
	mutex_lock(&s->lock);
	if (wanted && l->move_pass.waiting && !s->closing) {
		l->line =
		    conn_full(session->assoc->conn) ? LINE_DEAF : LINE_PARKED;
		if (l->line == LINE_PARKED)
			lot_park(s->lot, &l->item, session->line.tell_ms);
		mutex_unlock(&s->lock);
		return;
	}
	if (l->move_pass.waiting)
		(void)gate_leave(&s->moves, &l->move_pass);
	out_of_line(l);
	mutex_unlock(&s->lock);
	session->cancelled = why.code == ERR_CANCELLED;
	if (wanted)
		submit_move(l);
	else
		run_handed_over(l);
}

/* A move: now, or when those to its destination that came before are through.
 * True: there is no room to wait, which it was told. */
static bool
line_up(struct link *l)
{
	struct session *session = &l->session;
	struct scp *s = l->scp;
	bool inside, room;

	exchange_line_up(session);
	mutex_lock(&s->lock);
	inside = s->closing ||
		 gate_enter(&s->moves, &l->move_pass, l->rq->destination);
	room = s->held + session->identifier.n <= LIMIT_IDENTIFIERS_HELD;
	if (!inside && room) {
		l->line = LINE_LOOK;
		s->held += session->identifier.n;
	} else if (!inside) {
		(void)gate_leave(&s->moves, &l->move_pass);
	}
	mutex_unlock(&s->lock);
	if (inside)
		submit_move(l);
	else if (room)
		look_in_line(l);
	return !inside && !room;
}

/* To the service's pool, where long requests keep nobody else waiting. As
 * turn(). */
static bool
hand_over(struct link *l, const struct dimse *rq, const struct service *service)
{
	struct session *session = &l->session;
	struct err e = {0};
	bool ok;

	l->service = service;
	l->rq = must_alloc(sizeof(*l->rq));
	*l->rq = *rq;
	if (service->pool == POOL_RETRIEVE) {
		pool_submit(l->scp->retrieve, &l->job);
		return false;
	}
	/* Behind it a C-CANCEL can be seen. */
	if (!service_read_identifier(session, &e)) {
		end(l, &e);
		return false;
	}
	if (!line_up(l))
		return false;
	ok = service_answer(session, rq, STATUS_OutOfResourcesCount,
	    "too many retrievals wait for their turn: try again later", &e);
	buf_fini(&session->identifier);
	session->identifier_read = false;
	free(l->rq);
	l->rq = NULL;
	l->service = NULL;
	if (!ok)
		end(l, &e);
	return ok;
}

/* One message. False: the link has ended, or another pool has it. */
static bool
turn(struct link *l)
{
	const struct service *service;
	struct err e = {0};
	struct dimse rq;

	if (!exchange_read(&l->session, &rq, &service, &e)) {
		end(l, &e);
		return false;
	}
	if (service == NULL)
		return true;
	if (service->pool != POOL_STORE)
		return hand_over(l, &rq, service);
	if (!exchange_serve(&l->session, &rq, service, &e)) {
		end(l, &e);
		return false;
	}
	return true;
}

/* Shall this worker wait a moment for the next message, and is it there? */
static bool
stay(struct link *l)
{
	struct scp *s = l->scp;
	bool go;

	mutex_lock(&s->lock);
	go = s->closing || gate_wanted(&l->pass);
	mutex_unlock(&s->lock);
	if (go || pool_waiting(s->workers) > 0)
		return false;
	return conn_wait(l->session.assoc->conn, WAIT_LINGER_MS);
}

/* TLS had something for itself, and nothing for us: park again. */
static bool
nothing_came(struct link *l)
{
	struct conn *c =
	    l->session.assoc != NULL ? l->session.assoc->conn : l->conn;

	return c->tls != NULL && !conn_wait(c, 0);
}

static void
run_messages(struct link *l)
{
	if (nothing_came(l)) {
		if (l->session.assoc != NULL) {
			settle(l);
		} else {
			leave(l);
			park(l, l->artim_ms);
		}
		return;
	}
	l->idle_ms = 0;
	if (l->session.assoc == NULL ? !handshake(l) : !turn(l))
		return;
	while (stay(l))
		if (!turn(l))
			return;
	settle(l);
}

/* Its deadline has passed: that of the association, or its own wish. */
static void
run_late(struct link *l)
{
	struct session *session = &l->session;
	struct err why;

	l->late = false;
	if (session->report.wake_ms != 0 &&
	    clock_mono_ms() < l->idle_ms + WAIT_IDLE_MS) {
		if (report_wake(session, &why))
			settle(l);
		else
			end(l, &why);
		return;
	}
	(void)fail(
	    &why, ERR_TIMEOUT, "idle for %d s", (int)(WAIT_IDLE_MS / 1000));
	end(l, &why);
}

static void
count_running(struct scp *s, bool more)
{
	mutex_lock(&s->lock);
	s->running = more ? s->running + 1 : s->running - 1;
	if (!more)
		cond_signal(&s->ended);
	mutex_unlock(&s->lock);
}

static void
work(struct pool_job *job)
{
	struct link *l = LINK_OF(job, job);
	struct scp *s = l->scp;

	count_running(s, true);
	if (is_closing(s))
		end_stopping(l);
	else if (l->late)
		run_late(l);
	else if (l->line != LINE_NONE)
		look_in_line(l);
	else if (l->securing)
		run_secure(l);
	else if (l->service != NULL)
		run_handed_over(l);
	else
		run_messages(l);
	count_running(s, false);
}

static struct door_place
place_of(const struct scp_config *c, bool tls)
{
	return (struct door_place){
	    .bind = c->bind,
	    .port = tls ? c->tls_port : c->port,
	    .automatic = tls ? c->tls_port_auto : c->port_auto,
	};
}

/* Both or none. */
static bool
move_doors(struct scp *s, const struct scp_config *c, struct err *e)
{
	struct door_place old_plain = place_of(&s->config, false);
	struct door_place old_secure = place_of(&s->config, true);
	struct err again;

	if (!door_move(&s->plain, old_plain, place_of(c, false), e))
		return fail_in(e, "dicom.port");
	if (door_move(&s->secure, old_secure, place_of(c, true), e))
		return true;
	(void)fail_in(e, "dicom.tls_port");
	if (!door_move(&s->plain, place_of(c, false), old_plain, &again))
		log_error("dicom", "the old place is lost: %s", again.text);
	return false;
}

static void
take_config(struct scp *s, const struct scp_config *c)
{
	struct scp_config old;

	mutex_lock(&s->lock);
	old = s->config;
	s->config = *c;
	(void)tls_ref(s->config.tls);
	client_copy(&s->config.client, &c->client);
	s->moves.most = c->max_outgoing;
	mutex_unlock(&s->lock);
	tls_unref(&old.tls);
	client_fini(&old.client);
}

bool
scp_configure(struct scp *s, const struct scp_config *c, struct err *e)
{
	struct gate_pass *pass;
	struct link *l;

	if (!move_doors(s, c, e))
		return false;
	take_config(s, c);
	do {
		mutex_lock(&s->lock);
		pass = gate_admit(&s->moves);
		l = called(pass);
		mutex_unlock(&s->lock);
		submit_move(l);
	} while (pass != NULL);
	return true;
}

static void
release(struct scp **sp)
{
	struct scp *s = *sp;
	struct lot *lot = s->lot;

	*sp = NULL;
	lot_close(&lot);
	pool_close(&s->workers);
	pool_close(&s->retrieve);
	pool_close(&s->move);
	pool_close(&s->securers);
	tls_unref(&s->config.tls);
	gate_fini(&s->gate);
	gate_fini(&s->moves);
	identities_free(&s->identities);
	client_fini(&s->config.client);
	cond_fini(&s->ended);
	mutex_fini(&s->lock);
	free(s);
}

static bool
open_doors(struct scp *s, const struct scp_config *c, struct err *e)
{
	s->plain = (struct door){.name = "dicom",
	    .lot = s->lot,
	    .accepted = accepted_plain,
	    .ctx = s};
	s->secure = s->plain;
	s->secure.accepted = accepted_secure;
	if (!door_open(&s->plain, place_of(c, false), e))
		return fail_in(e, "dicom.port");
	if (door_open(&s->secure, place_of(c, true), e))
		return true;
	(void)fail_in(e, "dicom.tls_port");
	door_close(&s->plain);
	return false;
}

bool
scp_open(struct scp **out, struct store *store, const struct scp_config *c,
    struct err *e)
{
	struct scp *s = must_zalloc(sizeof(*s));

	*out = NULL;
	s->store = store;
	mutex_init(&s->lock);
	cond_init(&s->ended);
	gate_init(&s->gate, LIMIT_RUNNING_PER_ADDRESS);
	gate_init(&s->moves, c->max_outgoing);
	s->identities = identities_new(store);
	take_config(s, c);
	node_prepare(store);
	if (!lot_open(&s->lot, e) ||
	    !pool_open(&s->workers, "dicom", LIMIT_WORKERS_DICOM, e) ||
	    !pool_open(&s->retrieve, "retrieve", RETRIEVE_WORKERS, e) ||
	    !pool_open(&s->move, "move", LIMIT_WORKERS_MOVE, e) ||
	    !pool_open(&s->securers, "tls", thread_cores(), e) ||
	    !open_doors(s, c, e)) {
		release(&s);
		return false;
	}
	*out = s;
	return true;
}

/* Those that wait at a gate are nobody's: a worker ends them. */
static void
empty_gate(struct scp *s)
{
	struct gate_pass *p;
	struct link *l;

	do {
		mutex_lock(&s->lock);
		p = gate_take_waiting(&s->gate);
		mutex_unlock(&s->lock);
		submit_next(p);
	} while (p != NULL);
	do {
		mutex_lock(&s->lock);
		p = gate_take_waiting(&s->moves);
		l = called(p);
		mutex_unlock(&s->lock);
		submit_move(l);
	} while (p != NULL);
}

/* Until every link has ended and no worker is in our code any more. */
static bool
wait_ended(struct scp *s, int64_t deadline_ms)
{
	bool done;

	mutex_lock(&s->lock);
	while (s->link_count > 0 || s->running > 0) {
		if (deadline_ms == 0)
			cond_wait(&s->ended, &s->lock);
		else if (!cond_wait_until(&s->ended, &s->lock, deadline_ms))
			break;
	}
	done = s->link_count == 0 && s->running == 0;
	mutex_unlock(&s->lock);
	return done;
}

void
scp_stop(struct scp *s)
{
	struct lot *lot;

	/* Whoever finds the port closed finds that retrievals end. */
	mutex_lock(&s->lock);
	s->stopping = true;
	mutex_unlock(&s->lock);
	door_close(&s->plain);
	door_close(&s->secure);
	mutex_lock(&s->lock);
	s->closing = true;
	lot = s->lot;
	s->lot = NULL;
	mutex_unlock(&s->lock);
	lot_close(&lot);
	empty_gate(s);
}

void
scp_close(struct scp **sp, int64_t deadline_ms)
{
	struct scp *s = *sp;

	if (s == NULL)
		return;
	scp_stop(s);
	if (!wait_ended(s, deadline_ms)) {
		log_warning(
		    "dicom", "exchanges still run: they are broken off");
		conn_stop_all();
		(void)wait_ended(s, 0);
	}
	release(sp);
}

const char *
scp_address(struct scp *s)
{
	return s->plain.address;
}

const char *
scp_tls_address(struct scp *s)
{
	return s->secure.address;
}

void
scp_count(struct scp *s, struct scp_counts *out)
{
	mutex_lock(&s->lock);
	out->connections = s->link_count;
	out->associations = s->association_count;
	out->running = s->running;
	mutex_unlock(&s->lock);
}
