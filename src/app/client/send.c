/*
 * Batches: filling, sending, counting.
 */
#include "app/client/send.h"

#include "base/limit.h"
#include "base/os.h"
#include "dicom/dict.h"

#include <fcntl.h>
#include <unistd.h>

struct send *
send_new(void)
{
	struct send *s = must_zalloc(sizeof(*s));

	arena_init(&s->arena, 64 * MIB);
	return s;
}

static void
empty(struct send *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->fds[i] >= 0)
			os_close(&s->fds[i]);
	s->n = 0;
	s->temp_bytes = 0;
	arena_reset(&s->arena);
}

void
send_free(struct send **s)
{
	empty(*s);
	if ((*s)->sender != NULL)
		sender_free(&(*s)->sender);
	arena_fini(&(*s)->arena);
	free(*s);
	*s = NULL;
}

static bool
on_open(void *ctx, const struct sender_item *item, struct object_file *out,
    struct err *e)
{
	struct send *s = ctx;
	int fd = s->fds[item - s->items];
	bool prefix;

	if (s->from_store)
		return object_open(
		    s->t.store, (const char *)item->path.p, out, e);
	if (fd >= 0)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	else
		fd = open((const char *)item->path.p,
		    O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return fail_errno(e, "cannot open");
	if (send_describe(fd, out, &prefix, e)) {
		out->fd = fd;
		return true;
	}
	os_close(&fd);
	return false;
}

static void
say(struct send *s, const char *what, const struct sender_item *item,
    uint16_t status, const char *comment)
{
	char shown[400];

	progress_hide(&s->progress);
	fprintf(stderr, "%s: ", what);
	verb_put(stderr,
	    s->from_store ? item->sop_instance : (const char *)item->path.p);
	fprintf(stderr, ": %s (%04X)", status_name(status), (unsigned)status);
	if (comment != NULL && comment[0] != '\0')
		fprintf(stderr, ": %s",
		    str_printable(shown, sizeof(shown), str_from(comment)));
	fputc('\n', stderr);
}

static void
on_result(void *ctx, const struct sender_item *item, uint16_t status,
    const char *comment)
{
	struct send *s = ctx;

	s->answered++;
	if (status == STATUS_Success) {
		s->sent++;
	} else if (status_is_warning(status)) {
		s->warned++;
		say(s, "warned", item, status, comment);
	} else {
		s->failed++;
		say(s, "failed", item, status, comment);
	}
	progress_update(&s->progress, s->answered,
	    s->total > s->answered ? s->total : s->answered);
}

static bool
on_stop(void *ctx)
{
	(void)ctx;
	return interrupted();
}

void
send_begin(struct send *s, uint16_t window)
{
	static const struct sender_events events = {
	    .open = on_open, .result = on_result, .stop = on_stop};
	struct sender_config config = {
	    .client = s->t.client, .to = s->t.node, .window = window};

	s->sender = sender_new(&config, &events, s);
	progress_begin(&s->progress, "sending", "images");
}

bool
send_flush(struct send *s, struct err *e)
{
	bool done = true;

	if (s->n > 0)
		done = sender_send(s->sender, s->items, s->n, e);
	empty(s);
	if (!done && e->code == ERR_CANCELLED)
		return fail(e, ERR_CANCELLED, "stopped");
	return done;
}

bool
send_add(struct send *s, const struct sender_item *item, const char *path,
    int fd, struct err *e)
{
	struct stat st;
	char *copy = arena_cstr(&s->arena, str_from(path));

	if (copy == NULL) {
		if (fd >= 0)
			os_close(&fd);
		return fail(e, ERR_LIMIT, "the paths are too long");
	}
	s->items[s->n] = *item;
	s->items[s->n].path = str_from(copy);
	s->fds[s->n] = fd;
	s->n++;
	if (fd >= 0 && fstat(fd, &st) == 0)
		s->temp_bytes += (uint64_t)st.st_size;
	if (s->n < SEND_BATCH && s->temp_bytes < SEND_BATCH_TEMP)
		return true;
	return send_flush(s, e);
}

void
send_refuse(
    struct send *s, const char *path, const char *entry, const char *why)
{
	s->refused++;
	progress_hide(&s->progress);
	fputs("refused: ", stderr);
	verb_put(stderr, path);
	if (entry != NULL) {
		fputs(": ", stderr);
		verb_put(stderr, entry);
	}
	fputs(": ", stderr);
	verb_put(stderr, why);
	fputc('\n', stderr);
}
