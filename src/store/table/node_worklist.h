/*
 * What a node wants of the worklist that differs from the settings: options
 * as text, "station=yes,limit=50".
 */
#ifndef STORE_NODE_WORKLIST_H
#define STORE_NODE_WORKLIST_H

#include "base/err.h"
#include "base/str.h"

enum node_choice { NODE_DEFAULT, NODE_YES, NODE_NO };

struct node_worklist {
	enum node_choice station;    /* worklist.calling_ae_as_station */
	enum node_choice without_ae; /* worklist.without_ae: yes is show */
	bool ignore_ae;    /* the AE title it asks for is no condition */
	bool hide_started; /* items that have begun are not shown */
	bool apart;        /* ranges of date and time are two conditions */
	unsigned days;     /* dates are meant with so many days around */
	unsigned limit;    /* answers at most; 0: all */
};

#define NODE_WORKLIST_OPTIONS                                                  \
	"station=yes|no|default, without_ae=show|hide|default, "               \
	"ignore_ae=yes|no, started=show|hide, moment=yes|no, days=0..31, "     \
	"limit=0..100000"

/* Empty: nothing differs. ERR_USAGE names what is not allowed. */
bool node_worklist_read(
    struct str text, struct node_worklist *out, struct err *e) MUST_USE;

#endif
