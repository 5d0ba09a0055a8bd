/*
 * Which level of the information model an attribute belongs to (PS3.4 C.6:
 * "all other attributes at … level"; PS3.3 A.1.2 and its module tables): a key
 * of a level below the one that is asked for says nothing about an entity.
 */
#ifndef SERVICE_QUERY_LEVELS_H
#define SERVICE_QUERY_LEVELS_H

#include "store/index/index.h"

/* That of levels.def; LEVEL_INSTANCE for all others. */
enum index_level attribute_level(uint32_t tag);

#endif
