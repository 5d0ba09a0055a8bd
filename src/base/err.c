/*
 * Filling in a struct err. Texts that do not fit are cut, never dropped.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>

bool
fail(struct err *e, enum err_code code, const char *format, ...)
{
	/* An argument may be the text that stands in *e. */
	char text[sizeof(e->text)];
	va_list ap;

	must(code != ERR_NONE);
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	memcpy(e->text, text, sizeof(text));
	e->code = code;
	return false;
}

static enum err_code
code_of(int number)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
		return ERR_FULL;
	case ENOENT:
		return ERR_MISSING;
	default:
		return ERR_IO;
	}
}

bool
fail_errno(struct err *e, const char *format, ...)
{
	int number = errno;
	char text[sizeof(e->text)], reason[128];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return fail(e, code_of(number), "%s: %s", text,
	    strerror_r(number, reason, sizeof(reason)));
}

bool
fail_in(struct err *e, const char *format, ...)
{
	char text[sizeof(e->text)];
	va_list ap;

	must(e->code != ERR_NONE);
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return fail(e, e->code, "%s: %s", text, e->text);
}

const char *
err_name(enum err_code code)
{
	static const char *const names[] = {
	    [ERR_NONE] = "none",
	    [ERR_IO] = "io",
	    [ERR_FULL] = "full",
	    [ERR_TIMEOUT] = "timeout",
	    [ERR_CLOSED] = "closed",
	    [ERR_MALFORMED] = "malformed",
	    [ERR_PROTOCOL] = "protocol",
	    [ERR_LIMIT] = "limit",
	    [ERR_DENIED] = "denied",
	    [ERR_MISSING] = "missing",
	    [ERR_CONFLICT] = "conflict",
	    [ERR_CANCELLED] = "cancelled",
	    [ERR_CORRUPT] = "corrupt",
	    [ERR_UNSUPPORTED] = "unsupported",
	    [ERR_USAGE] = "usage",
	};

	must((size_t)code < ARRAY_LEN(names));
	return names[code];
}
