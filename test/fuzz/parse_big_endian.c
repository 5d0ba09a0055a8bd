/*
 * The parser, explicit VR big endian: the same events however the bytes are
 * cut.
 */
#include "events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)events_check(
	    syntax_of(STR(UID_ExplicitVRBigEndian)), str_of(data, size));
	return 0;
}
