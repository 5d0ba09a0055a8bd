/*
 * Progress and reports of retrievals.
 */
#include "app/client/bring.h"

#include "base/limit.h"
#include "dicom/dict.h"

#include <inttypes.h>

void
bring_init(struct retrieval *r)
{
	*r = (struct retrieval){.failed = 0};
	arena_init(&r->arena, LIMIT_EXCHANGE);
	arena_init(&r->answers, LIMIT_EXCHANGE);
}

void
bring_fini(struct retrieval *r)
{
	arena_fini(&r->arena);
	arena_fini(&r->answers);
}

static uint64_t
came(const struct client_end *end)
{
	return end->kept + end->same + end->refused;
}

bool
bring_answer(
    void *ctx, const struct dataset *identifier, const struct client_end *end)
{
	struct retrieval *r = ctx;
	uint64_t done = (uint64_t)end->completed + end->failed + end->warning;
	uint64_t total = end->has_counts ? done + end->remaining : 0;

	(void)identifier;
	if (r->by_us && came(end) > done)
		done = came(end);
	progress_update(&r->progress, done, total);
	return true;
}

bool
bring_stop(void *ctx)
{
	(void)ctx;
	return interrupted();
}

static void
say_status(const struct client_end *end)
{
	if (end->status == STATUS_Success)
		return;
	fprintf(stderr, "  the node answered: %s (%04X)",
	    status_name(end->status), (unsigned)end->status);
	if (end->comment[0] != '\0') {
		fputs(": ", stderr);
		verb_put(stderr, end->comment);
	}
	fputc('\n', stderr);
	if (end->status == STATUS_MoveDestinationUnknown)
		fputs("  it does not know the AE title given by --to: add it "
		      "there, with its address and port\n",
		    stderr);
}

static void
say_failed_list(const struct client_end *end)
{
	struct str rest = end->failed_list, uid;
	char shown[100];
	int n = 0;

	if (rest.n == 0)
		return;
	while (n++ < 20 && str_split(&rest, '\\', &uid))
		fprintf(stderr, "  failed: %s\n",
		    str_printable(shown, sizeof(shown), str_trim(uid)));
	if (n > 20 && rest.p != NULL)
		fputs("  ... and more\n", stderr);
}

static void
put_here(const struct client_end *end)
{
	printf("%" PRIu64 " new, %" PRIu64 " already here, %" PRIu64
	       " refused here",
	    end->kept, end->same, end->refused);
	if (end->has_counts)
		printf(", %u failed there", (unsigned)end->failed);
}

static void
put_there(const struct client_end *end)
{
	if (end->has_counts)
		printf("%u sent, %u with warnings, %u failed",
		    (unsigned)end->completed, (unsigned)end->warning,
		    (unsigned)end->failed);
	else
		fputs("the node gives no counts", stdout);
}

/* The node says it sent more than came: its word is not taken for it. The
 * counts have 16 bits. */
static bool
says_too_much(const struct retrieval *r, const struct client_end *end)
{
	uint64_t said = (uint64_t)end->completed + end->warning;

	return r->by_us && end->has_counts && end->completed < UINT16_MAX &&
	       said > end->kept + end->same;
}

static bool
is_nothing(const struct retrieval *r, const struct client_end *end)
{
	if (end->status != STATUS_Success)
		return false;
	if (r->by_us)
		return came(end) == 0;
	return end->has_counts && end->completed == 0 && end->failed == 0 &&
	       end->warning == 0;
}

void
bring_report(
    struct retrieval *r, const struct selected *s, const struct client_end *end)
{
	bool lied = says_too_much(r, end), nothing = is_nothing(r, end);

	progress_hide(&r->progress);
	printf("%s: ", s->label);
	if (r->by_us)
		put_here(end);
	else
		put_there(end);
	putchar('\n');
	fflush(stdout);
	if (end->refused > 0) {
		fputs("  refused here: ", stderr);
		verb_put(stderr, end->refusal);
		fputc('\n', stderr);
	}
	if (end->foreign > 0)
		fprintf(stderr,
		    "  %" PRIu64 " are of a study that was not asked for\n",
		    end->foreign);
	if (lied)
		fprintf(stderr, "  the node says that it sent %" PRIu64 "\n",
		    (uint64_t)end->completed + end->warning);
	if (nothing && !lied)
		fputs("  the node has nothing of it\n", stderr);
	say_status(end);
	say_failed_list(end);
	if (nothing || end->status != STATUS_Success || end->refused > 0 ||
	    end->failed > 0 || lied)
		r->failed++;
}
