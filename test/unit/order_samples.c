/*
 * Messages of other systems (FILEROOM_SHARED/data/hl7, where there is such a
 * folder): each is read, by every preset, or refused in words a person
 * understands. With VERBOSE set it says what came of each.
 */
#include "hl7/order.h"

#include "base/limit.h"
#include "base/utf8.h"
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const kinds[] = {
    "steps", "patient", "merge", "report", "ack", "nothing"};
static unsigned files, messages, taken, refused, unread;
static bool verbose;

static void
say(const char *path, const char *what, const char *why)
{
	if (verbose)
		printf("%s: %s %s\n", path, what, why);
}

/* Words: some, whole, and nothing that would upset a terminal or an ACK. */
static bool
is_plain(const char *text, size_t room)
{
	size_t i, n = strlen(text);

	for (i = 0; i < n; i++)
		if ((uint8_t)text[i] < ' ' || (uint8_t)text[i] > 0x7e)
			return false;
	return n > 15 && n + 1 < room && strchr(text, ' ') != NULL;
}

static void
check_values(const struct order_value *value)
{
	size_t f;

	for (f = 0; f < FIELD_COUNT; f++) {
		CHECK(utf8_valid(value[f].text));
		CHECK(value[f].given || value[f].text.n == 0);
	}
}

static void
check_order(const struct order_message *order)
{
	size_t i, f;

	check_values(order->patient);
	CHECK((order->kind == ORDER_KIND_STEPS) == (order->step_count > 0));
	CHECK((order->kind == ORDER_KIND_MERGE) == (order->merge_count > 0));
	for (i = 0; i < order->step_count; i++) {
		const struct order_step *step = &order->steps[i];

		check_values(step->value);
		if (step->action != ORDER_PUT)
			continue;
		for (f = 0; f < FIELD_COUNT; f++)
			CHECK(!field_info((enum field)f)->required ||
			      step->value[f].text.n > 0);
	}
}

static void
read_one(const char *path, struct str bytes, const char *preset)
{
	struct order_message order;
	struct order_problem why;
	struct order_trace *traces;
	struct er7_message m;
	struct arena arena;
	size_t count;
	struct err e;

	arena_init(&arena, 64 * MIB);
	messages++;
	if (!er7_parse(&arena, bytes, "UTF-8", &m, &e)) {
		unread++;
		CHECK(is_plain(e.text, sizeof(e.text)));
		say(path, "unread", e.text);
	} else if (order_read(&arena, &m, mapping_preset(preset), &order,
		       &traces, &count, &why)) {
		taken++;
		check_order(&order);
		say(path, preset, kinds[order.kind]);
	} else {
		refused++;
		CHECK(is_plain(why.text, sizeof(why.text)));
		CHECK(why.code >= 100 && why.code <= 207);
		say(path, preset, why.text);
	}
	arena_fini(&arena);
}

static int
read_file(const char *path, const struct stat *st, int type, struct FTW *where)
{
	size_t i, n = (size_t)st->st_size;
	struct str rest, one;
	uint8_t *data;
	bool any = false;
	int fd;

	(void)where;
	if (type != FTW_F)
		return 0;
	/* A malloc of its own: a read behind it is seen. */
	data = must_alloc(n);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && read(fd, data, n) == (ssize_t)n);
	close(fd);
	files++;
	rest = str_of(data, n);
	while (er7_split(&rest, &one)) {
		any = true;
		for (i = 0; mapping_presets[i] != NULL; i++)
			read_one(path, one, mapping_presets[i]);
	}
	if (!any)
		say(path, "no message", "");
	/* And as somebody would send it who takes the file for one. */
	read_one(path, str_of(data, n), "manual");
	free(data);
	return 0;
}

TEST(all)
{
	const char *shared = getenv("FILEROOM_SHARED");
	char path[4096];

	verbose = getenv("VERBOSE") != NULL;
	snprintf(
	    path, sizeof(path), "%s/data/hl7", shared != NULL ? shared : "");
	if (shared == NULL || access(path, R_OK) != 0) {
		printf("skip: no sample messages (FILEROOM_SHARED)\n");
		return;
	}
	CHECK_EQ(nftw(path, read_file, 16, FTW_PHYS), 0);
	CHECK(files > 100 && taken > refused && messages > files);
	printf("%u files, %u messages read: %u taken, %u refused, %u no "
	       "message\n",
	    files, messages, taken, refused, unread);
}

TEST_MAIN
