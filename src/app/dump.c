/*
 * 'dump': a DICOM file as text, meta header and data set. The file is mapped,
 * so its size does not matter: big values are not read.
 */
#include "app/verb.h"
#include "base/limit.h"
#include "base/os.h"
#include "dicom/dump.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEXT_MAX (1 * GIB)

static bool
dump(const char *path, struct err *e)
{
	struct stat st;
	struct buf out;
	void *p = NULL;
	size_t n;
	bool done;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st) != 0)
		return fail_errno(e, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode)) {
		os_close(&fd);
		return fail(e, ERR_MALFORMED, "'%s' is not a file", path);
	}
	n = (size_t)st.st_size;
	if (n > 0)
		p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		fail_errno(e, "cannot read '%s'", path);
	else if (p == NULL)
		fail(e, ERR_MALFORMED, "'%s' is empty", path);
	os_close(&fd);
	if (p == MAP_FAILED || p == NULL)
		return false;
	buf_init(&out, TEXT_MAX);
	done = dump_file(&out, str_of(p, n), e);
	if (!done)
		fail_in(e, "'%s'", path);
	fwrite(buf_str(&out).p, 1, buf_str(&out).n, stdout);
	buf_fini(&out);
	(void)munmap(p, n);
	return done;
}

static int
run(int argc, char **argv)
{
	const char *data = NULL;
	const struct option options[] = {{"--data", OPTION_TEXT, &data}};
	struct words words = {0};
	struct err e;
	bool done;

	done = options_parse(
		   argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	       options_words(&words, 1, 1, &e) && dump(words.at[0], &e);
	words_free(&words);
	return done ? VERB_DONE : verb_error(&e);
}

const struct verb verb_dump = {
    .name = "dump",
    .summary = "Show a DICOM file as text",
    .usage = "dump FILE",
    .help = "One element a line: tag, VR, value, length, number of values and\n"
	    "keyword.\n",
    .run = run,
};
