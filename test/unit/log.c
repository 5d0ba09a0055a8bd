/*
 * The log: one line and one write an event, nothing that forges a line.
 */
#include "base/log.h"
#include "base/clock.h"
#include "base/limit.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static char got[256 * 1024];

/* Runs fn with stderr in a file and returns what it wrote. */
static struct str
caught(void (*fn)(void))
{
	FILE *f = tmpfile();
	int kept = dup(STDERR_FILENO);
	ssize_t n;

	must(f != NULL && kept >= 0);
	must(fcntl(fileno(f), F_SETFL, O_APPEND) == 0);
	must(dup2(fileno(f), STDERR_FILENO) >= 0);
	fn();
	must(dup2(kept, STDERR_FILENO) >= 0);
	close(kept);
	n = pread(fileno(f), got, sizeof(got), 0);
	must(n >= 0);
	fclose(f);
	return str_of(got, (size_t)n);
}

/* Without the time at its beginning, whose form is checked. */
static struct str
after_time(struct str s, size_t before)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	size_t i, n = sizeof(form) - 1;

	if (!CHECK(s.n > before + n))
		return STR("");
	s = str_of(s.p + before, s.n - before);
	for (i = 0; i < n; i++) {
		if (form[i] == 'd')
			CHECK(s.p[i] >= '0' && s.p[i] <= '9');
		else
			CHECK_EQ(s.p[i], form[i]);
	}
	return str_of(s.p + n, s.n - n);
}

static void
plain(void)
{
	log_info("dicom", "listening on %d", 104);
}

static void
below(void)
{
	log_debug("dicom", "not wanted");
	log_line(LOG_DEBUG, "dicom", "not wanted");
}

static void
hostile(void)
{
	log_warning("dicom", "%s",
	    "a\nb\x1b[31m\x7f\xc2\x85\xff\xc3\xa4\"\\\xe2\x80\xae");
}

static void
endless(void)
{
	char text[3 * LIMIT_LOG_LINE];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_error("store", "%s", text);
	memset(text, '\n', sizeof(text) - 1);
	log_error("store", "%s", text);
	memset(text, 0xc3, sizeof(text) - 1);
	log_error("store", "%s", text);
}

TEST(text_line)
{
	log_setup(LOG_TEXT, LOG_INFO);
	CHECK_STR(
	    after_time(caught(plain), 0), " info dicom listening on 104\n");
}

TEST(json_line)
{
	log_setup(LOG_JSON, LOG_INFO);
	CHECK_STR(after_time(caught(plain), strlen("{\"time\":\"")),
	    "\",\"level\":\"info\",\"area\":\"dicom\","
	    "\"message\":\"listening on 104\"}\n");
	log_setup(LOG_TEXT, LOG_INFO);
}

TEST(levels)
{
	log_setup(LOG_TEXT, LOG_INFO);
	CHECK_EQ(caught(below).n, 0);
	CHECK(!log_wanted(LOG_DEBUG));
	CHECK(log_wanted(LOG_INFO));
	log_level_set(LOG_DEBUG);
	CHECK(log_wanted(LOG_DEBUG));
	CHECK(str_ends(caught(below), STR(" debug dicom not wanted\n")));
	log_level_set(LOG_INFO);
}

TEST(nothing_forges_a_line)
{
	log_setup(LOG_TEXT, LOG_INFO);
	CHECK_STR(after_time(caught(hostile), 0),
	    " warning dicom a\\x0ab\\x1b[31m\\x7f\\x85\\xff\xc3\xa4\"\\"
	    "\\u202e\n");
	log_setup(LOG_JSON, LOG_INFO);
	CHECK(str_ends(caught(hostile),
	    STR("\"message\":\"a\\u000ab\\u001b[31m\\u007f\\u0085\\\\xff"
		"\xc3\xa4\\\"\\\\\\u202e\"}\n")));
	log_setup(LOG_TEXT, LOG_INFO);
}

static void
check_lines(struct str s, int want)
{
	struct str line;
	int n = 0;

	CHECK(utf8_valid(s));
	while (str_split(&s, '\n', &line) && s.p != NULL) {
		n++;
		CHECK(line.n < LIMIT_LOG_LINE);
		CHECK(line.n > LIMIT_LOG_LINE - 32);
		CHECK(str_ends(line, STR("...")) ||
		      str_ends(line, STR("...\"}")));
	}
	CHECK_EQ(n, want);
}

TEST(long_lines_are_cut)
{
	log_setup(LOG_TEXT, LOG_INFO);
	check_lines(caught(endless), 3);
	log_setup(LOG_JSON, LOG_INFO);
	check_lines(caught(endless), 3);
	log_setup(LOG_TEXT, LOG_INFO);
}

TEST(errno_survives)
{
	log_setup(LOG_TEXT, LOG_INFO);
	errno = ENOTDIR;
	caught(plain);
	errno = ENOTDIR;
	log_line(LOG_DEBUG, "x", "unseen");
	CHECK_EQ(errno, ENOTDIR);
}

static void
chatter(void *arg)
{
	int i;

	for (i = 0; i < 100; i++)
		log_info("dicom", "thread %s says %d", (char *)arg, i);
}

static void
crowd(void)
{
	static char names[4][2] = {"a", "b", "c", "d"};
	struct thread t[4];
	size_t i;

	for (i = 0; i < ARRAY_LEN(t); i++)
		must(thread_start(&t[i], "chatter", chatter, names[i]));
	for (i = 0; i < ARRAY_LEN(t); i++)
		thread_join(&t[i]);
}

TEST(lines_of_threads_stay_whole)
{
	struct str s, line;
	int n = 0;

	log_setup(LOG_TEXT, LOG_INFO);
	s = caught(crowd);
	while (str_split(&s, '\n', &line) && s.p != NULL) {
		n++;
		CHECK(str_starts(
		    after_time(line, 0), STR(" info dicom thread ")));
	}
	CHECK_EQ(n, 400);
}

TEST(clock_forms)
{
	char out[CLOCK_ISO_ROOM];
	struct clock_date d;

	CHECK_STR(str_from(clock_iso(0, out)), "1970-01-01T00:00:00.000Z");
	CHECK_STR(str_from(clock_iso(-1, out)), "1969-12-31T23:59:59.999Z");
	CHECK_STR(str_from(clock_iso(1795243680123, out)),
	    "2026-11-21T06:48:00.123Z");
	d = clock_date_utc(1709164800000 - 1);
	CHECK(d.year == 2024 && d.month == 2 && d.day == 28);
	d = clock_date_utc(1709164800000);
	CHECK(d.year == 2024 && d.month == 2 && d.day == 29);
	CHECK(clock_utc_ms() > 1700000000000);
}

TEST_MAIN
