/*
 * The life of a connection to the HL7 port:
 *
 *   accepted → parked → readable → a worker looks at the first byte: TLS, if
 *   that is spoken here, comes first, a step at a time, parked in between
 *   → a worker: one turn after the other (talk.c), as long as the next bytes
 *   come within WAIT_LINGER_MS and nobody waits for the worker → parked → …
 *
 * Nothing a worker does waits for bytes of a peer; it waits for the flush of a
 * commit, and with conn's limits for a peer to take its answers. A frame that
 * has begun may stay parked for WAIT_HL7_FRAME_MS, a connection between two
 * for WAIT_HL7_IDLE_MS; one that has said nothing in WAIT_ARTIM_MS stays only
 * if its peer may send here.
 *
 * Ownership is as in service/scp.c: a link is owned by exactly one of the lot,
 * the gate, a pool's queue, a worker, and whoever owns it may end it. The
 * port's lock guards the list of links, the gate, the settings and the closing
 * flag; parking happens under it.
 */
#include "service/hl7/port.h"

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/thread.h"
#include "net/lot.h"
#include "net/pool.h"
#include "net/tls.h"
#include "service/door.h"
#include "service/gate.h"
#include "service/hl7/talk.h"
#include "store/table/live.h"
#include "store/worklist/hl7_node.h"

#include <stddef.h>

#define LOG_FULL_MS 10000
/* So that our no reaches somebody who is still sending. */
#define WAIT_FINISH_MS 1000

struct link {
	struct lot_item item;
	struct pool_job job;
	struct gate_pass pass;
	struct hl7_port *port;
	struct conn *conn;
	struct talk talk;
	bool trusted;       /* need not pass the gate */
	bool late, greeted; /* greeted: the first byte was looked at */
	bool securing;      /* in the TLS handshake */
	int64_t secure_ms;  /* when that must be over */
	struct link *before, *after;
	struct activity activity; /* what is shown while it lasts */
	struct live live;
};

struct hl7_port {
	struct mutex lock;
	struct cond ended; /* a link ended */
	struct store *store;
	struct lot *lot; /* NULL when closing */
	struct pool *workers, *securers;
	struct door door;
	struct hl7_config config; /* uid_for points to the next member */
	char uid_for[256];
	struct gate gate; /* by address */
	struct link *links;
	size_t link_count, running;
	atomic_size_t held; /* bytes of unfinished frames */
	int64_t warned_ms;
	bool closing;
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
	pool_submit(l->port->workers, &l->job);
}

/* What ran gives its place at the gate to the next. */
static void
leave(struct link *l)
{
	struct gate_pass *next;

	mutex_lock(&l->port->lock);
	next = gate_leave(&l->port->gate, &l->pass);
	mutex_unlock(&l->port->lock);
	submit_next(next);
}

/* Before the descriptor is closed. */
static void
forget(struct link *l)
{
	mutex_lock(&l->port->lock);
	if (l->port->lot != NULL)
		lot_forget(l->port->lot, &l->item);
	l->item.registered = false;
	mutex_unlock(&l->port->lock);
}

static void
end(struct link *l, const struct err *why)
{
	struct hl7_port *p = l->port;

	live_end(p->store, &l->live);
	talk_record(&l->talk, l->conn, p->store, why);
	talk_fini(&l->talk, &p->held);
	forget(l);
	conn_free(&l->conn);
	leave(l);
	mutex_lock(&p->lock);
	if (l->before != NULL)
		l->before->after = l->after;
	else
		p->links = l->after;
	if (l->after != NULL)
		l->after->before = l->before;
	p->link_count--;
	cond_signal(&p->ended);
	mutex_unlock(&p->lock);
	free(l);
}

static void
end_stopping(struct link *l)
{
	struct err why;

	(void)fail(&why, ERR_CANCELLED, "the server is stopping");
	end(l, &why);
}

static bool
is_closing(struct hl7_port *p)
{
	bool closing;

	mutex_lock(&p->lock);
	closing = p->closing;
	mutex_unlock(&p->lock);
	return closing;
}

static void
park(struct link *l, int64_t deadline_ms)
{
	struct hl7_port *p = l->port;
	bool closing;

	mutex_lock(&p->lock);
	closing = p->closing;
	if (!closing)
		lot_park(p->lot, &l->item, deadline_ms);
	mutex_unlock(&p->lock);
	if (closing)
		end_stopping(l);
}

/* Give it to a worker when its address may have one more. */
static void
dispatch(struct link *l)
{
	struct hl7_port *p = l->port;
	bool inside;

	if (l->securing) {
		pool_submit(p->securers, &l->job);
		return;
	}
	mutex_lock(&p->lock);
	inside = p->closing || l->trusted ||
		 gate_enter(&p->gate, &l->pass, l->conn->peer.address);
	mutex_unlock(&p->lock);
	if (inside)
		pool_submit(p->workers, &l->job);
}

/* The lot's callbacks. */
static void
ready(struct lot_item *item)
{
	dispatch(LINK_OF(item, item));
}

static void
late(struct lot_item *item)
{
	struct link *l = LINK_OF(item, item);
	struct err why;

	if (l->securing) {
		(void)fail(&why, ERR_TIMEOUT, "no TLS handshake in %d ms",
		    WAIT_ARTIM_MS);
		end(l, &why);
		return;
	}
	/* There may be something to look up or to answer: not in this thread.
	 */
	l->late = true;
	pool_submit(l->port->workers, &l->job);
}

static void
gone(struct lot_item *item)
{
	end_stopping(LINK_OF(item, item));
}

static void
warn_full(struct hl7_port *p)
{
	int64_t now = clock_mono_ms();

	if (p->warned_ms != 0 && now - p->warned_ms < LOG_FULL_MS)
		return;
	p->warned_ms = now;
	log_warning("hl7", "%d connections are open: more are closed at once",
	    LIMIT_CONNECTIONS);
}

/* As what goes on now. */
static void
show(struct link *l)
{
	struct activity *row = &l->activity;

	(void)str_copy(row->protocol, sizeof(row->protocol), STR("hl7"));
	(void)str_copy(row->address, sizeof(row->address),
	    str_from(l->conn->peer.address));
	row->start_ms = clock_utc_ms();
	live_begin(l->port->store, &l->live, row);
}

static void
accepted(void *ctx, struct conn *c)
{
	struct hl7_port *p = ctx;
	struct link *l;

	mutex_lock(&p->lock);
	if (p->closing || p->link_count >= LIMIT_CONNECTIONS) {
		if (!p->closing)
			warn_full(p);
		mutex_unlock(&p->lock);
		conn_free(&c);
		return;
	}
	l = must_zalloc(sizeof(*l));
	l->port = p;
	l->conn = c;
	l->item = (struct lot_item){
	    .fd = c->fd, .ready = ready, .late = late, .gone = gone};
	l->job.run = work;
	talk_init(&l->talk);
	l->trusted = c->peer.loopback;
	l->after = p->links;
	if (l->after != NULL)
		l->after->before = l;
	p->links = l;
	p->link_count++;
	show(l);
	mutex_unlock(&p->lock);
	park(l, clock_mono_ms() + WAIT_ARTIM_MS);
}

/* One step of the TLS handshake. */
static void
run_secure(struct link *l)
{
	struct err e = {0};
	bool done;

	if (!conn_handshake(l->conn, &done, &e)) {
		end(l, &e);
		return;
	}
	if (!done) {
		park(l, l->secure_ms);
		return;
	}
	l->securing = false;
	l->conn->hard_deadline_ms = 0;
	if (conn_wait(l->conn, 0))
		dispatch(l);
	else
		park(l, clock_mono_ms() + WAIT_ARTIM_MS);
}

/* A TLS hello has come. */
static void
begin_tls(struct link *l)
{
	struct hl7_port *p = l->port;
	struct tls *tls;
	struct err e;

	mutex_lock(&p->lock);
	tls = tls_ref(p->config.tls);
	mutex_unlock(&p->lock);
	if (tls == NULL) {
		(void)fail(&e, ERR_PROTOCOL,
		    "TLS was spoken to the HL7 port, where hl7.tls is false");
		end(l, &e);
		return;
	}
	conn_secure(l->conn, tls, "", "");
	tls_unref(&tls);
	l->securing = true;
	l->secure_ms = clock_mono_ms() + WAIT_ARTIM_MS;
	l->conn->hard_deadline_ms = l->secure_ms;
	leave(l);
	pool_submit(p->securers, &l->job);
}

/* The first byte says whether TLS comes first. False: the link is not ours any
 * more. */
static bool
greet(struct link *l)
{
	struct err e;
	uint8_t first;
	bool there;

	if (!conn_first(l->conn, &first, &there, &e)) {
		end(l, &e);
		return false;
	}
	if (!there) {
		leave(l);
		park(l, clock_mono_ms() + WAIT_ARTIM_MS);
		return false;
	}
	l->greeted = true;
	if (first != 0x16)
		return true;
	begin_tls(l);
	return false;
}

/* What holds now; uid_for: room for a copy that lives as long as the rules. */
static void
rules_of(struct link *l, struct talk_rules *r, char uid_for[256])
{
	struct hl7_port *p = l->port;
	struct hl7_config c;
	bool known;

	mutex_lock(&p->lock);
	c = p->config;
	memcpy(uid_for, p->uid_for, sizeof(p->uid_for));
	mutex_unlock(&p->lock);
	known = l->conn->peer.loopback ||
		hl7_node_known(p->store, l->conn->peer.address);
	*r = (struct talk_rules){
	    .store = p->store,
	    .intake.rules = c.rules,
	    .messages = known || c.access_open,
	    .queries = known || c.token_access_open,
	    .send_ack = c.send_ack,
	    .form_2023 = c.token_answer_2023,
	    .held = &p->held,
	};
	r->intake.rules.uid_for = uid_for;
	memcpy(r->intake.application, c.application, sizeof(c.application));
	memcpy(r->intake.facility, c.facility, sizeof(c.facility));
	memcpy(r->intake.charset, c.charset, sizeof(c.charset));
	memcpy(r->intake.notify, c.notify, sizeof(c.notify));
	if (known && !l->trusted) {
		l->trusted = true;
		leave(l);
	}
}

/* False: the link has ended. */
static bool
turn(struct link *l)
{
	struct talk_rules rules;
	struct err e = {0};
	char uid_for[256];

	rules_of(l, &rules, uid_for);
	if (talk_turn(&l->talk, l->conn, &rules, &e)) {
		live_name(l->port->store, &l->live, l->talk.application,
		    l->talk.facility);
		return true;
	}
	if (e.code != ERR_CLOSED)
		conn_finish(l->conn, WAIT_FINISH_MS);
	end(l, &e);
	return false;
}

/* Shall this worker wait a moment for more, and is it there? */
static bool
stay(struct link *l)
{
	struct hl7_port *p = l->port;
	bool go;

	mutex_lock(&p->lock);
	go = p->closing || gate_wanted(&l->pass);
	mutex_unlock(&p->lock);
	if (go || pool_waiting(p->workers) > 0)
		return false;
	return conn_wait(l->conn, WAIT_LINGER_MS);
}

/* Let go of it until more comes. */
static void
settle(struct link *l)
{
	int64_t deadline_ms = talk_deadline(&l->talk, l->conn);

	leave(l);
	if (conn_buffered(l->conn)) {
		dispatch(l);
		return;
	}
	talk_idle(&l->talk);
	conn_idle(l->conn);
	if (deadline_ms == 0)
		deadline_ms = clock_mono_ms() + WAIT_HL7_IDLE_MS;
	park(l, deadline_ms);
}

static void
run_turns(struct link *l)
{
	if (!l->greeted && !greet(l))
		return;
	/* TLS had something for itself, and nothing for us. */
	if (l->conn->tls == NULL || conn_wait(l->conn, 0)) {
		do {
			if (!turn(l))
				return;
		} while (stay(l));
	}
	settle(l);
}

/* Its deadline has passed: of a frame, of its silence, or only of the first
 * moments, after which it stays if it may be here at all. */
static void
run_late(struct link *l)
{
	struct talk_rules rules;
	char uid_for[256];
	struct err why;

	l->late = false;
	rules_of(l, &rules, uid_for);
	if (l->talk.frame_ms != 0) {
		talk_late(&l->talk, l->conn, &rules);
		/* Who is late may still be sending. */
		conn_finish(l->conn, WAIT_FINISH_MS);
		(void)fail(
		    &why, ERR_TIMEOUT, "a message was not finished in time");
	} else if (!l->talk.began && !rules.messages && !rules.queries) {
		(void)fail(
		    &why, ERR_TIMEOUT, "nothing came in %d ms", WAIT_ARTIM_MS);
	} else if (!l->talk.began &&
		   clock_utc_ms() - l->talk.start_ms < WAIT_HL7_IDLE_MS) {
		park(l, clock_mono_ms() + WAIT_HL7_IDLE_MS);
		return;
	} else {
		(void)fail(&why, ERR_TIMEOUT, "idle for %d s",
		    WAIT_HL7_IDLE_MS / 1000);
	}
	end(l, &why);
}

static void
count_running(struct hl7_port *p, bool more)
{
	mutex_lock(&p->lock);
	p->running = more ? p->running + 1 : p->running - 1;
	if (!more)
		cond_signal(&p->ended);
	mutex_unlock(&p->lock);
}

static void
work(struct pool_job *job)
{
	struct link *l = LINK_OF(job, job);
	struct hl7_port *p = l->port;

	count_running(p, true);
	if (is_closing(p))
		end_stopping(l);
	else if (l->securing)
		run_secure(l);
	else if (l->late)
		run_late(l);
	else
		run_turns(l);
	count_running(p, false);
}

static struct door_place
place_of(const struct hl7_config *c)
{
	return (struct door_place){
	    .bind = c->bind, .port = c->port, .automatic = c->port_auto};
}

static void
take_config(struct hl7_port *p, const struct hl7_config *c)
{
	struct tls *old;

	mutex_lock(&p->lock);
	old = p->config.tls;
	p->config = *c;
	p->config.tls = tls_ref(c->tls);
	(void)str_copy(
	    p->uid_for, sizeof(p->uid_for), str_from(c->rules.uid_for));
	p->config.rules.uid_for = p->uid_for;
	mutex_unlock(&p->lock);
	tls_unref(&old);
}

bool
hl7_port_configure(
    struct hl7_port *p, const struct hl7_config *c, struct err *e)
{
	if (!door_move(&p->door, place_of(&p->config), place_of(c), e))
		return fail_in(e, "hl7.port");
	take_config(p, c);
	return true;
}

static void
release(struct hl7_port **pp)
{
	struct hl7_port *p = *pp;
	struct lot *lot = p->lot;

	*pp = NULL;
	lot_close(&lot);
	pool_close(&p->workers);
	pool_close(&p->securers);
	tls_unref(&p->config.tls);
	gate_fini(&p->gate);
	cond_fini(&p->ended);
	mutex_fini(&p->lock);
	free(p);
}

bool
hl7_port_open(struct hl7_port **out, struct store *store,
    const struct hl7_config *c, struct err *e)
{
	struct hl7_port *p = must_zalloc(sizeof(*p));

	*out = NULL;
	p->store = store;
	mutex_init(&p->lock);
	cond_init(&p->ended);
	gate_init(&p->gate, LIMIT_RUNNING_PER_ADDRESS);
	take_config(p, c);
	if (!lot_open(&p->lot, e) ||
	    !pool_open(&p->workers, "hl7", LIMIT_WORKERS_HL7, e) ||
	    !pool_open(&p->securers, "hl7-tls", thread_cores(), e)) {
		release(&p);
		return false;
	}
	p->door = (struct door){
	    .name = "hl7", .lot = p->lot, .accepted = accepted, .ctx = p};
	if (!door_open(&p->door, place_of(c), e)) {
		release(&p);
		return false;
	}
	*out = p;
	return true;
}

/* Those that wait at the gate are nobody's: a worker ends them. */
static void
empty_gate(struct hl7_port *p)
{
	struct gate_pass *pass;

	do {
		mutex_lock(&p->lock);
		pass = gate_take_waiting(&p->gate);
		mutex_unlock(&p->lock);
		submit_next(pass);
	} while (pass != NULL);
}

/* Until every link has ended and no worker is in our code any more. */
static bool
wait_ended(struct hl7_port *p, int64_t deadline_ms)
{
	bool done;

	mutex_lock(&p->lock);
	while (p->link_count > 0 || p->running > 0) {
		if (deadline_ms == 0)
			cond_wait(&p->ended, &p->lock);
		else if (!cond_wait_until(&p->ended, &p->lock, deadline_ms))
			break;
	}
	done = p->link_count == 0 && p->running == 0;
	mutex_unlock(&p->lock);
	return done;
}

void
hl7_port_stop(struct hl7_port *p)
{
	struct lot *lot;

	door_close(&p->door);
	mutex_lock(&p->lock);
	p->closing = true;
	lot = p->lot;
	p->lot = NULL;
	mutex_unlock(&p->lock);
	lot_close(&lot);
	empty_gate(p);
}

void
hl7_port_close(struct hl7_port **pp, int64_t deadline_ms)
{
	struct hl7_port *p = *pp;

	if (p == NULL)
		return;
	hl7_port_stop(p);
	if (!wait_ended(p, deadline_ms)) {
		log_warning("hl7", "peers do not take their answers: they are "
				   "broken off");
		conn_stop_all();
		(void)wait_ended(p, 0);
	}
	release(pp);
}

const char *
hl7_port_address(struct hl7_port *p)
{
	return p->door.address;
}
