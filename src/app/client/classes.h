/*
 * Which SOP classes a retrieval will bring: a C-GET needs a presentation
 * context for each class and each stored syntax, and there are not enough for
 * all. So the node is asked first: for SOPClassesInStudy (0008,0062), and
 * where it does not know that, for the images.
 */
#ifndef APP_CLIENT_CLASSES_H
#define APP_CLIENT_CLASSES_H

#include "app/client/bring.h"

struct class_list {
	struct str at[LIMIT_CONTEXTS];
	size_t n;
};
/* Empty when the node does not tell: then all classes are to be proposed.
 * False only when the node cannot be reached. */
bool classes_find(struct retrieval *r, const struct selected *s,
    struct class_list *out, struct err *e) MUST_USE;

#endif
