/*
 * One instance on its way to a peer: a C-STORE request of ours, in the
 * sub-operations of a C-GET (on the requester's association) and of a C-MOVE,
 * and wherever else instances are sent.
 */
#ifndef SERVICE_CLIENT_OUTGOING_H
#define SERVICE_CLIENT_OUTGOING_H

#include "net/dimse.h"
#include "store/object.h"

/* The accepted context in which the peer stores this class: with the syntax
 * itself before any that it can be converted to; NULL: none. */
const struct assoc_context *outgoing_context(
    const struct assoc *a, struct str sop_class, struct str syntax);
/* Can what is stored in this syntax be made little endian and uncompressed? */
bool outgoing_convertible(struct str syntax);

/* Can it be sent in this context? What has to be converted is converted to
 * nowhere: once a message has begun, a data set that cannot be would end the
 * association. Reads the whole file then. */
bool outgoing_check(const struct assoc_context *context,
    const struct object_file *file, struct err *e) MUST_USE;

/* Have the first bytes of a file on their way into memory. */
void outgoing_read_ahead(const struct object_file *file);

/* Send rq (command, context and data set type are filled in) with the file's
 * data set, as it is or converted. On failure the association has ended. */
bool outgoing_send(struct assoc *a, const struct assoc_context *context,
    const struct object_file *file, const struct dimse *rq,
    struct err *e) MUST_USE;
/* After such a failure: was it our file, not the peer? The association was
 * then aborted, because half an object must not look like one. */
bool outgoing_file_failed(const struct assoc *a, const struct err *e);

#endif
