/*
 * Which level of the information model an attribute belongs to.
 */
#include "service/query/levels.h"

#include "dicom/dict.h"

enum index_level
attribute_level(uint32_t tag)
{
	switch ((int)tag) {
#define ATTRIBUTE_LEVEL(level, keyword)                                        \
	case TAG_##keyword:                                                    \
		return LEVEL_##level;
#include "service/query/levels.def"
#undef ATTRIBUTE_LEVEL
	default:
		return LEVEL_INSTANCE;
	}
}
