/*
 * The log. Each line is built on the stack and leaves in one write(2), so
 * lines of threads never mix; a line holds at most LIMIT_LOG_LINE bytes with
 * its end and is cut with "..." before that.
 *
 * Escaped in messages: control characters (of ASCII and of U+0080..U+009F),
 * line and paragraph separators, the controls that turn the direction of
 * text, and bytes that are not UTF-8.
 */
#include "base/log.h"
#include "base/clock.h"
#include "base/limit.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

struct line {
	char p[LIMIT_LOG_LINE];
	size_t n;
};

static atomic_int log_lowest = LOG_INFO;
static atomic_int log_shape = LOG_TEXT;

void
log_setup(enum log_format format, enum log_level lowest)
{
	log_shape = (int)format;
	log_level_set(lowest);
}

void
log_level_set(enum log_level lowest)
{
	log_lowest = (int)lowest;
}

bool
log_wanted(enum log_level level)
{
	return (int)level >= log_lowest;
}

static const char *
level_name(enum log_level level)
{
	static const char *const names[] = {
	    [LOG_DEBUG] = "debug",
	    [LOG_INFO] = "info",
	    [LOG_WARNING] = "warning",
	    [LOG_ERROR] = "error",
	};

	must((size_t)level < ARRAY_LEN(names));
	return names[level];
}

static bool
misleading(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e ||
	       c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

/* One character or bad byte of the message as it stands in the line. */
static size_t
escape(char out[16], struct str *s, bool json)
{
	uint32_t c;
	size_t n = utf8_next(*s, &c);
	int wrote;

	if (n == 0) {
		wrote = snprintf(
		    out, 16, json ? "\\\\x%02x" : "\\x%02x", (unsigned)s->p[0]);
		n = 1;
	} else if (misleading(c)) {
		wrote = snprintf(out, 16,
		    !json && c < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)c);
	} else if (json && (c == '"' || c == '\\')) {
		wrote = snprintf(out, 16, "\\%c", (int)c);
	} else {
		memcpy(out, s->p, n);
		wrote = (int)n;
	}
	*s = str_of(s->p + n, s->n - n);
	return (size_t)wrote;
}

static void
put_text(struct line *l, const char *text)
{
	size_t n = strlen(text);

	must(n <= sizeof(l->p) - l->n);
	memcpy(l->p + l->n, text, n);
	l->n += n;
}

static void
put_message(struct line *l, struct str message, size_t keep, bool json)
{
	static const char cut[] = "...";
	size_t last = sizeof(l->p) - keep, n;
	char piece[16];

	while (message.n > 0) {
		n = escape(piece, &message, json);
		if (n > last - l->n - (sizeof(cut) - 1)) {
			put_text(l, cut);
			return;
		}
		memcpy(l->p + l->n, piece, n);
		l->n += n;
	}
}

static void
put_line(const struct line *l)
{
	ssize_t n;

	/* What stderr does not take is lost: the log must not stop us. */
	do
		n = write(STDERR_FILENO, l->p, l->n);
	while (n < 0 && errno == EINTR);
}

void
log_line(enum log_level level, const char *area, const char *format, ...)
{
	int number = errno;
	bool json = log_shape == LOG_JSON;
	char message[LIMIT_LOG_LINE], head[160], when[CLOCK_ISO_ROOM];
	struct line line;
	struct str s;
	va_list ap;

	if (!log_wanted(level))
		return;
	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	s = utf8_cut(str_from(message), sizeof(message) - 4);
	snprintf(head, sizeof(head),
	    json ? "{\"time\":\"%s\",\"level\":\"%s\",\"area\":\"%s\","
		   "\"message\":\""
		 : "%s %s %s ",
	    clock_iso(clock_utc_ms(), when), level_name(level), area);
	line.n = 0;
	put_text(&line, head);
	put_message(&line, s, json ? 3 : 1, json);
	put_text(&line, json ? "\"}\n" : "\n");
	put_line(&line);
	errno = number;
}
