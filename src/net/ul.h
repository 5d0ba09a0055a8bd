/*
 * The upper layer state machine (PS3.8 9.2, Tables 9-1 to 9-10), as a table in
 * ul.def: states, events, actions, one line a cell. A cell that the table
 * leaves empty gives UL_NONE and the same state; the driver takes it for
 * AA-8. Pure.
 */
#ifndef NET_UL_H
#define NET_UL_H

#include "base/attr.h"

enum ul_state {
	UL_STA1 = 1, /* idle */
	UL_STA2,     /* connection open, waiting for A-ASSOCIATE-RQ */
	UL_STA3,     /* waiting for the local accept or reject */
	UL_STA4,     /* waiting for the connection to open */
	UL_STA5,     /* waiting for A-ASSOCIATE-AC or -RJ */
	UL_STA6,     /* association established */
	UL_STA7,     /* waiting for A-RELEASE-RP */
	UL_STA8,     /* waiting for the local A-RELEASE response */
	UL_STA9,     /* release collision, requestor, local response */
	UL_STA10,    /* release collision, acceptor, A-RELEASE-RP */
	UL_STA11,    /* release collision, requestor, A-RELEASE-RP */
	UL_STA12,    /* release collision, acceptor, local response */
	UL_STA13     /* waiting for the connection to close */
};

/* PDU: that PDU was received; the other events are the local user's or the
 * transport's. */
enum ul_event {
	UL_EVT1 = 1, /* A-ASSOCIATE request */
	UL_EVT2,     /* transport connection confirm */
	UL_EVT3,     /* A-ASSOCIATE-AC PDU */
	UL_EVT4,     /* A-ASSOCIATE-RJ PDU */
	UL_EVT5,     /* transport connection indication */
	UL_EVT6,     /* A-ASSOCIATE-RQ PDU */
	UL_EVT7,     /* A-ASSOCIATE response (accept) */
	UL_EVT8,     /* A-ASSOCIATE response (reject) */
	UL_EVT9,     /* P-DATA request */
	UL_EVT10,    /* P-DATA-TF PDU */
	UL_EVT11,    /* A-RELEASE request */
	UL_EVT12,    /* A-RELEASE-RQ PDU */
	UL_EVT13,    /* A-RELEASE-RP PDU */
	UL_EVT14,    /* A-RELEASE response */
	UL_EVT15,    /* A-ABORT request */
	UL_EVT16,    /* A-ABORT PDU */
	UL_EVT17,    /* transport connection closed */
	UL_EVT18,    /* ARTIM timer expired */
	UL_EVT19     /* unrecognized or invalid PDU */
};

enum ul_action {
	UL_NONE, /* the table leaves this cell empty */
	UL_AE_1,
	UL_AE_2,
	UL_AE_3,
	UL_AE_4,
	UL_AE_5,
	UL_AE_6,
	UL_AE_7,
	UL_AE_8,
	UL_DT_1,
	UL_DT_2,
	UL_AR_1,
	UL_AR_2,
	UL_AR_3,
	UL_AR_4,
	UL_AR_5,
	UL_AR_6,
	UL_AR_7,
	UL_AR_8,
	UL_AR_9,
	UL_AR_10,
	UL_AA_1,
	UL_AA_2,
	UL_AA_3,
	UL_AA_4,
	UL_AA_5,
	UL_AA_6,
	UL_AA_7,
	UL_AA_8
};

struct ul_step {
	enum ul_action action;
	enum ul_state next;
};

/* PS3.8 Table 9-10. For AE-6 (accept or reject of the request) next is the
 * state of acceptance, Sta3; for AR-8 it depends on 'requestor'. */
struct ul_step ul_step(
    enum ul_state state, enum ul_event event, bool requestor);
const char *ul_action_name(enum ul_action action); /* "AE-6" */

#endif
