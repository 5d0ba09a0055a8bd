/*
 * Time, from clock_gettime(2). Calendar dates are computed in UTC and never
 * depend on the time zone of the process.
 */
#include "base/clock.h"

#include <errno.h>

static struct timespec
now(clockid_t id)
{
	struct timespec t;

	must(clock_gettime(id, &t) == 0);
	return t;
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t
clock_mono_us(void)
{
	struct timespec t = now(CLOCK_MONOTONIC);

	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
clock_utc_ms(void)
{
	struct timespec t = now(CLOCK_REALTIME);

	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
clock_sleep_ms(int64_t ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	if (ms <= 0)
		return;
	while (nanosleep(&t, &t) < 0)
		must(errno == EINTR);
}

/* The whole second, rounded down also before 1970. */
static time_t
second_of(int64_t utc_ms)
{
	return utc_ms / 1000 - (utc_ms % 1000 < 0);
}

static struct tm
calendar(int64_t utc_ms)
{
	time_t second = second_of(utc_ms);
	struct tm tm;

	must(gmtime_r(&second, &tm) != NULL);
	return tm;
}

const char *
clock_iso(int64_t utc_ms, char out[CLOCK_ISO_ROOM])
{
	struct tm tm = calendar(utc_ms);
	int64_t ms = utc_ms - (int64_t)second_of(utc_ms) * 1000;
	size_t n;

	n = strftime(out, CLOCK_ISO_ROOM, "%Y-%m-%dT%H:%M:%S", &tm);
	must(n > 0);
	snprintf(out + n, CLOCK_ISO_ROOM - n, ".%03uZ", (unsigned)ms % 1000);
	return out;
}

struct clock_date
clock_date_utc(int64_t utc_ms)
{
	struct tm tm = calendar(utc_ms);

	return (struct clock_date){
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday};
}

struct clock_date
clock_date_local(int64_t utc_ms)
{
	time_t at = second_of(utc_ms);
	struct tm tm;

	must(localtime_r(&at, &tm) != NULL);
	return (struct clock_date){
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday};
}
