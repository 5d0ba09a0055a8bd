/*
 * See firewall.h. The rules are printed by the programs that made them, found
 * under their fixed names and run without a shell, for at most WAIT_MS.
 */
#include "app/doctor/firewall.h"

#include "app/settings.h"
#include "base/clock.h"
#include "base/limit.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS     3000
#define RULES_BYTES (4 * MIB)

static bool
has(struct str s, const char *text)
{
	return s.n > 0 && memmem(s.p, s.n, text, strlen(text)) != NULL;
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* A number by itself, not a part of a longer one. */
static bool
has_number(struct str s, unsigned number)
{
	char text[16];
	const uint8_t *p = s.p, *end = s.p + s.n;
	size_t n = (size_t)snprintf(text, sizeof(text), "%u", number);

	while (p != NULL && (size_t)(end - p) >= n) {
		p = memmem(p, (size_t)(end - p), text, n);
		if (p == NULL)
			return false;
		if ((p == s.p || !is_digit(p[-1])) &&
		    (p + n == end || !is_digit(p[n])))
			return true;
		p++;
	}
	return false;
}

static bool
drops(struct str line)
{
	return has(line, "policy drop") || has(line, ":INPUT DROP") ||
	       has(line, "-j DROP") || has(line, "-j REJECT") ||
	       has(line, " drop") || has(line, "\tdrop") ||
	       has(line, " reject") || has(line, "\treject");
}

enum firewall
firewall_judge(struct str rules, uint16_t port)
{
	struct str rest = rules, line;
	bool filters = false, named = false;

	while (str_split(&rest, '\n', &line)) {
		if (drops(line))
			filters = true;
		if (has(line, "port") && has_number(line, port))
			named = true;
	}
	if (!filters)
		return FIREWALL_OPEN;
	return named ? FIREWALL_NAMED : FIREWALL_FILTERS;
}

/* What comes out until the end, or until it has taken too long. */
static bool
read_until(int fd, int64_t deadline_ms, struct buf *out)
{
	uint8_t block[16 * KIB];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t left;
	ssize_t n;

	for (;;) {
		left = deadline_ms - clock_mono_ms();
		if (left <= 0 || out->over)
			return false;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return false;
		if (p.revents == 0)
			continue;
		n = read(fd, block, sizeof(block));
		if (n == 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			buf_add(out, str_of(block, (size_t)n));
	}
}

static bool
start(char *const argv[], pid_t *child, int *fd)
{
	char *const environment[] = {(char[]){"LC_ALL=C"}, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2];
	bool ok;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	must(posix_spawn_file_actions_init(&actions) == 0);
	(void)posix_spawn_file_actions_addopen(
	    &actions, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	(void)posix_spawn_file_actions_addopen(
	    &actions, 2, "/dev/null", O_WRONLY, 0);
	ok =
	    posix_spawn(child, argv[0], &actions, NULL, argv, environment) == 0;
	posix_spawn_file_actions_destroy(&actions);
	os_close(&ends[1]);
	if (!ok)
		os_close(&ends[0]);
	*fd = ends[0];
	return ok;
}

static bool
run_program(char *const argv[], struct buf *out)
{
	pid_t child;
	int fd, status = 0;
	bool whole;

	if (access(argv[0], X_OK) != 0 || !start(argv, &child, &fd))
		return false;
	whole = read_until(fd, clock_mono_ms() + WAIT_MS, out);
	os_close(&fd);
	if (!whole)
		(void)kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return whole && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Modules say it in most kernels; where filters are built in, this is there
 * from the start. */
static bool
filter_loaded(void)
{
	struct buf b;
	struct err e;
	bool found;

	buf_init(&b, RULES_BYTES);
	found = access("/proc/net/ip_tables_names", F_OK) == 0 ||
		access("/proc/net/ip6_tables_names", F_OK) == 0;
	if (!found && settings_read_file("/proc/modules", &b, &e))
		found = has(buf_str(&b), "nf_tables ") ||
			has(buf_str(&b), "ip_tables ");
	buf_fini(&b);
	return found;
}

void
firewall_read(struct buf *rules, bool *known, bool *any)
{
	static char nft[] = "/usr/sbin/nft", list[] = "list";
	static char ruleset[] = "ruleset", old[] = "/usr/sbin/iptables-save";
	static char old6[] = "/usr/sbin/ip6tables-save";
	char *const by_nft[] = {nft, list, ruleset, NULL};
	char *const by_old[] = {old, NULL};
	char *const by_old6[] = {old6, NULL};

	*any = filter_loaded();
	*known = !*any;
	if (!*any)
		return;
	*known = run_program(by_nft, rules);
	*known = run_program(by_old, rules) || *known;
	(void)run_program(by_old6, rules);
}
