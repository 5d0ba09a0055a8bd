/*
 * The main() of a fuzz target that is not built with libFuzzer: runs the
 * target once over every file named on the command line and every file in the
 * folders named there.
 *
 * Each input lies in a malloc of its exact size, so that address sanitizer
 * sees a read behind it. The last line is "N passed, 0 failed": an input that
 * fails ends the process, after its name was printed.
 */
#include "base/attr.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *running = "";
static int inputs;

/* What was running when a sanitizer or must() ended the process. */
static void
name_input(void)
{
	static const char text[] = "while running ";

	if (running[0] == '\0')
		return;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
	    write(STDERR_FILENO, running, strlen(running)) < 0 ||
	    write(STDERR_FILENO, "\n", 1) < 0)
		return;
}

static void
on_abort(int number)
{
	(void)number;
	name_input();
}

void __sanitizer_set_death_callback(void (*callback)(void))
    __attribute__((weak));

static int
run_file(const char *path, const struct stat *st, int type, struct FTW *where)
{
	uint8_t *data;
	size_t n = (size_t)st->st_size;
	int fd;

	(void)where;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return type == FTW_NS || type == FTW_DNR ? 1 : 0;
	data = must_alloc(n);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && read(fd, data, n) == (ssize_t)n);
	close(fd);
	running = path;
	must(LLVMFuzzerTestOneInput(data, n) == 0);
	running = "";
	free(data);
	inputs++;
	return 0;
}

int
main(int argc, char **argv)
{
	int i;

	if (__sanitizer_set_death_callback != NULL)
		__sanitizer_set_death_callback(name_input);
	must(signal(SIGABRT, on_abort) != SIG_ERR);
	for (i = 1; i < argc; i++) {
		if (nftw(argv[i], run_file, 16, FTW_PHYS) != 0) {
			fprintf(stderr, "cannot read '%s'\n", argv[i]);
			return 1;
		}
	}
	printf("%d passed, 0 failed\n", inputs);
	return 0;
}
