/*
 * The program: finds the verb on the command line and runs it.
 *
 * Exit status: 0 done, 1 failed (why stands on stderr), 2 wrong usage or
 * setting.
 */
#include "app/verb.h"

#include <fcntl.h>
#include <unistd.h>

/* A file opened on descriptor 0, 1 or 2 would be written to by whoever prints:
 * the three are open from the start, whatever started us. */
static void
hold_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

int
main(int argc, char **argv)
{
	hold_standard_descriptors();
	return verb_main(argc, argv, FILEROOM_VERSION);
}
