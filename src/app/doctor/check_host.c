/*
 * This machine: its clock, limits of processes, memory, the kernel's queues.
 */
#include "app/doctor/doctor.h"

#include "base/clock.h"
#include "base/limit.h"
#include "store/health.h"

#include <inttypes.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

/* The year of this program, and one in which nobody runs it. */
#define FIRST_YEAR 2026
#define LAST_YEAR  2099
/* 10,000 associations, and a file and a read connection for each worker. */
#define MANY_FILES  12000
#define LITTLE_KIB  (256 * 1024)
#define OWN_BACKLOG 1024 /* net/listen.c */

/* The number after a word at the start of a line. */
static bool
number_after(struct str text, const char *head, uint64_t *out)
{
	struct str line, key = str_from(head);
	size_t n;

	while (str_split(&text, '\n', &line)) {
		if (!str_starts(line, key))
			continue;
		line = str_of(line.p + key.n, line.n - key.n);
		while (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
			line = str_of(line.p + 1, line.n - 1);
		for (n = 0; n < line.n && line.p[n] >= '0' && line.p[n] <= '9';)
			n++;
		return str_u64(str_of(line.p, n), out);
	}
	return false;
}

/* Of the running server, which has raised its own; else what one started here
 * would have. */
static void
check_files(struct doctor *d)
{
	const char *whose = "a server started here";
	struct rlimit limit;
	struct str text;
	uint64_t n = 0;
	char path[64];
	struct err e;

	snprintf(path, sizeof(path), "/proc/%" PRId64 "/limits", d->process);
	if (d->process != 0 && doctor_read(d, path, &text, &e) &&
	    number_after(text, "Max open files", &n))
		whose = "the server";
	else if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		n = limit.rlim_max;
	else
		return;
	doctor_say(d, n < MANY_FILES ? SIGN_HOST_FEW_FILES : SIGN_HOST_FILES,
	    "%s may have %" PRIu64 " files and connections open", whose, n);
}

static void
check_memory(struct doctor *d)
{
	uint64_t kib;
	struct str text;
	struct err e;

	if (!doctor_read(d, "/proc/meminfo", &text, &e) ||
	    !number_after(text, "MemAvailable:", &kib))
		return;
	doctor_say(d,
	    kib < LITTLE_KIB ? SIGN_HOST_LITTLE_MEMORY : SIGN_HOST_MEMORY,
	    "%" PRIu64 " MiB of memory are available", kib / 1024);
}

static void
check_user(struct doctor *d)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%" PRId64, d->process);
	if (d->process == 0 || stat(path, &st) != 0)
		return;
	doctor_say(d, st.st_uid == 0 ? SIGN_HOST_ROOT : SIGN_HOST_USER,
	    "the server (process %" PRId64 ") runs as user %u", d->process,
	    (unsigned)st.st_uid);
}

static void
check_backlog(struct doctor *d)
{
	static const char *const names[] = {"/proc/sys/net/core/somaxconn",
	    "/proc/sys/net/ipv4/tcp_max_syn_backlog"};
	uint64_t n, least = UINT64_MAX;
	struct str text;
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (doctor_read(d, names[i], &text, &e) &&
		    number_after(text, "", &n) && n < least)
			least = n;
	if (least == UINT64_MAX)
		return;
	doctor_say(d,
	    least < OWN_BACKLOG ? SIGN_HOST_SHORT_BACKLOG : SIGN_HOST_BACKLOG,
	    "the kernel queues %" PRIu64
	    " new connections of a port, the server asks for %d",
	    least, OWN_BACKLOG);
}

void
check_host(struct doctor *d)
{
	check_files(d);
	check_memory(d);
	check_user(d);
	check_backlog(d);
}

static void
check_sync(struct doctor *d)
{
	struct timex t = {.modes = 0};

	if (adjtimex(&t) < 0)
		return;
	if ((t.status & STA_UNSYNC) != 0)
		doctor_say(
		    d, SIGN_CLOCK_LOOSE, "no time service keeps the clock");
}

void
check_clock(struct doctor *d, int64_t now_ms)
{
	struct clock_date now = clock_date_utc(now_ms);
	char iso[CLOCK_ISO_ROOM], today[32];
	struct store_health h;
	struct err e;

	(void)clock_iso(now_ms, iso);
	if (now.year < FIRST_YEAR || now.year > LAST_YEAR) {
		doctor_say(d, SIGN_CLOCK_YEAR, "the clock says %s", iso);
		return;
	}
	snprintf(today, sizeof(today), "%04d/%02d/%02d", now.year, now.month,
	    now.day);
	if (d->store != NULL && store_health(d->store, &h, &e) &&
	    strcmp(today, h.newest_day) < 0)
		doctor_say(d, SIGN_CLOCK_BEHIND,
		    "the clock says %s, but the newest objects are of %s", iso,
		    h.newest_day);
	else
		doctor_say(d, SIGN_CLOCK_RIGHT, "the clock says %s", iso);
	check_sync(d);
}
