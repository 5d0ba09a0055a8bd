/*
 * See sockets.h. A line of /proc/net/tcp, all numbers but user and inode in
 * hexadecimal (proc(5)):
 *
 *   sl local rem st tx:rx tr:when retrnsmt uid timeout inode ...
 *
 * The address is written as 32-bit words in the machine's order.
 */
#include "app/doctor/sockets.h"

#include "app/settings.h"
#include "base/limit.h"
#include "base/os.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

/* A line of 150 bytes for each connection. */
#define PROC_BYTES (8 * MIB)
#define LISTEN     0x0a

static bool
hex_u32(struct str s, uint32_t *out)
{
	size_t i;
	uint8_t c;

	*out = 0;
	for (i = 0; i < s.n; i++) {
		c = s.p[i];
		if (c >= '0' && c <= '9')
			c = (uint8_t)(c - '0');
		else if (c >= 'A' && c <= 'F')
			c = (uint8_t)(c - 'A' + 10);
		else
			return false;
		*out = *out << 4 | c;
	}
	return s.n > 0 && s.n <= 8;
}

static bool
parse_local(struct str s, struct listening *out)
{
	size_t words = out->six ? 4 : 1, i;
	uint32_t v;

	if (s.n != words * 8 + 5 || s.p[words * 8] != ':')
		return false;
	for (i = 0; i < words; i++) {
		if (!hex_u32(str_of(s.p + i * 8, 8), &v))
			return false;
		memcpy(out->address + i * 4, &v, 4);
	}
	if (!hex_u32(str_of(s.p + words * 8 + 1, 4), &v))
		return false;
	out->port = (uint16_t)v;
	return true;
}

/* The next word; empty at the end. */
static struct str
next_word(struct str *line)
{
	struct str word;

	while (line->n > 0 && line->p[0] == ' ')
		*line = str_of(line->p + 1, line->n - 1);
	word = str_of(line->p, str_find(*line, ' '));
	*line = str_of(line->p + word.n, line->n - word.n);
	return word;
}

bool
listening_parse(struct str line, bool six, struct listening *out)
{
	struct str word[10];
	uint32_t state;
	uint64_t user;
	size_t i;

	*out = (struct listening){.six = six};
	for (i = 0; i < ARRAY_LEN(word); i++)
		word[i] = next_word(&line);
	if (!parse_local(word[1], out) || !hex_u32(word[3], &state) ||
	    state != LISTEN || !str_u64(word[7], &user) ||
	    !str_u64(word[9], &out->inode))
		return false;
	out->user = (uint32_t)user;
	return true;
}

static bool
read_list(const char *path, bool six, struct buf *out, struct err *e)
{
	struct str rest, line;
	struct listening l;
	struct buf text;
	bool ok;

	buf_init(&text, PROC_BYTES);
	ok = settings_read_file(path, &text, e);
	rest = buf_str(&text);
	while (ok && str_split(&rest, '\n', &line))
		if (listening_parse(line, six, &l))
			buf_add(out, str_of(&l, sizeof(l)));
	buf_fini(&text);
	return ok;
}

bool
listening_all(struct listening **out, size_t *n, struct err *e)
{
	struct buf b;
	struct err e6;
	bool ok;

	*out = NULL;
	*n = 0;
	buf_init(&b, PROC_BYTES);
	ok = read_list("/proc/net/tcp", false, &b, e);
	/* There may be no IPv6. */
	ok = read_list("/proc/net/tcp6", true, &b, &e6) || ok;
	if (ok && b.n > 0) {
		*out = must_alloc(b.n);
		memcpy(*out, b.p, b.n);
		*n = b.n / sizeof(**out);
	}
	buf_fini(&b);
	return ok;
}

const char *
listening_text(const struct listening *l, char out[64])
{
	char address[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(
	    l->six ? AF_INET6 : AF_INET, l->address, address, sizeof(address));
	snprintf(
	    out, 64, l->six ? "[%s]:%u" : "%s:%u", address, (unsigned)l->port);
	return out;
}

bool
process_has(int64_t process, uint64_t inode, bool *seen)
{
	char path[64], wanted[64], target[64];
	const struct dirent *entry;
	bool found = false;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%lld/fd", (long long)process);
	snprintf(
	    wanted, sizeof(wanted), "socket:[%llu]", (unsigned long long)inode);
	dir = opendir(path);
	*seen = dir != NULL;
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		n = readlinkat(
		    dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		found = !strcmp(target, wanted);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

int64_t
process_of(uint64_t inode)
{
	const struct dirent *entry;
	uint64_t process;
	int64_t found = 0;
	DIR *dir = opendir("/proc");
	bool seen;

	while (dir != NULL && found == 0 && (entry = readdir(dir)) != NULL)
		if (str_u64(str_from(entry->d_name), &process) &&
		    process_has((int64_t)process, inode, &seen))
			found = (int64_t)process;
	if (dir != NULL)
		closedir(dir);
	return found;
}

const char *
process_name(int64_t process, char out[32])
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%lld/comm", (long long)process);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = os_read_full(fd, out, 31);
	os_close(&fd);
	out[n > 0 ? n : 0] = '\0';
	if (n > 0 && out[n - 1] == '\n')
		out[n - 1] = '\0';
	return out;
}
