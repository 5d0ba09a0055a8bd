/*
 * What 'doctor' understands without a system to look at: lines of /proc/net,
 * rules of packet filters, clocks, words of command lines; and what it reads of
 * a server's state.
 */
#include "archive.h"

#include "app/doctor/crowd.h"
#include "app/doctor/doctor.h"
#include "app/doctor/firewall.h"
#include "app/doctor/sockets.h"
#include "store/health.h"

#include <sys/file.h>

TEST(listening_sockets)
{
	struct listening l;
	char text[64];

	CHECK(listening_parse(
	    STR("   0: 0100007F:2B71 00000000:0000 0A 00000000:00000000 "
		"00:00000000 00000000  1000        0 34567 1 0000 100"),
	    false, &l));
	CHECK(!strcmp(listening_text(&l, text), "127.0.0.1:11121"));
	CHECK_EQ(l.user, 1000);
	CHECK_EQ(l.inode, 34567);
	CHECK(listening_parse(
	    STR("  12: 00000000000000000000000001000000:0BB8 "
		"00000000000000000000000000000000:0000 0A 00000000:00000000 "
		"00:00000000 00000000     0        0 1 1 0000 100"),
	    true, &l));
	CHECK(!strcmp(listening_text(&l, text), "[::1]:3000"));
}

TEST(other_lines)
{
	static const char *const lines[] = {"",
	    "  sl  local_address rem_address   st tx_queue rx_queue tr",
	    /* established */
	    "   0: 0100007F:2B71 0100007F:1234 01 00000000:00000000 "
	    "00:00000000 00000000  1000        0 34567 1",
	    /* cut, and of the other family */
	    "   0: 0100007F:2B71 00000000:0000 0A 00000000:00000000 "
	    "00:00000000 00000000  1000        0",
	    "   0: 0100007F:2B7 00000000:0000 0A 0:0 0:0 0 1000 0 34567 1",
	    "   0: 010G007F:2B71 00000000:0000 0A 0:0 0:0 0 1000 0 34567 1"};
	struct listening l;
	size_t i;

	for (i = 0; i < ARRAY_LEN(lines); i++) {
		CHECK(!listening_parse(str_from(lines[i]), false, &l));
		CHECK(!listening_parse(str_from(lines[i]), true, &l));
	}
}

TEST(firewalls)
{
	static const char *const open[] = {"",
	    "table inet filter {\n\tchain input {\n\t\ttype filter hook input "
	    "priority 0; policy accept;\n\t}\n}\n",
	    ":INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\n"};
	static const char *const filters[] = {
	    "\tchain input {\n\t\ttype filter hook input priority filter; "
	    "policy drop;\n\t\ttcp dport { 22, 111210, 1112 } accept\n",
	    ":INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\n",
	    "-A INPUT -j REJECT --reject-with icmp-port-unreachable\n",
	    "\t\tcounter packets 11121 bytes 5 drop\n"};
	static const char *const named[] = {
	    "policy drop;\n\t\ttcp dport { 22, 11121 } accept\n",
	    ":INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 11121 -j "
	    "ACCEPT\n"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(open); i++)
		CHECK_EQ(
		    firewall_judge(str_from(open[i]), 11121), FIREWALL_OPEN);
	for (i = 0; i < ARRAY_LEN(filters); i++)
		CHECK_EQ(firewall_judge(str_from(filters[i]), 11121),
		    FIREWALL_FILTERS);
	for (i = 0; i < ARRAY_LEN(named); i++)
		CHECK_EQ(
		    firewall_judge(str_from(named[i]), 11121), FIREWALL_NAMED);
}

static bool
says(const struct doctor *d, enum sign sign)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		if (d->found[i].sign == sign)
			return true;
	return false;
}

TEST(clocks)
{
	static const struct {
		int64_t ms;
		enum sign sign;
	} cases[] = {
	    {0, SIGN_CLOCK_YEAR}, {1577836800000, SIGN_CLOCK_YEAR}, /* 2020 */
	    {1798761600000, SIGN_CLOCK_RIGHT},                      /* 2027 */
	    {4102444800000, SIGN_CLOCK_YEAR},                       /* 2100 */
	};
	struct doctor d;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		doctor_init(&d, "none");
		check_clock(&d, cases[i].ms);
		CHECK(says(&d, cases[i].sign));
		doctor_fini(&d);
	}
}

TEST(quoting)
{
	static const char *const cases[][2] = {
	    {"CT1", "CT1"},
	    {"192.0.2.7", "192.0.2.7"},
	    {"", "''"},
	    {"-x", "'-x'"},
	    {"a b", "'a b'"},
	    {"$(reboot)", "'$(reboot)'"},
	    {"a';reboot;'", "'a'\\'';reboot;'\\'''"},
	    {"`id`", "'`id`'"},
	};
	struct doctor d;
	size_t i;

	doctor_init(&d, "none");
	for (i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(str_from(doctor_quote(&d, cases[i][0])), cases[i][1]);
	doctor_fini(&d);
}

static struct mutex gate = MUTEX_INIT;

static void
twice(void *item)
{
	int *n = item;

	if (*n < 0) {
		mutex_lock(&gate);
		mutex_unlock(&gate);
	}
	*n *= 2;
}

TEST(crowds)
{
	int items[100];
	bool done[100];
	int i;

	for (i = 0; i < 100; i++)
		items[i] = i;
	crowd_run(items, sizeof(*items), 100, twice, 60000, done);
	for (i = 0; i < 100; i++)
		CHECK(done[i] && items[i] == 2 * i);
	crowd_run(items, sizeof(*items), 0, twice, 0, done);
	/* One hangs: the others are there, it is not waited for. */
	items[3] = -1;
	mutex_lock(&gate);
	crowd_run(items, sizeof(*items), 10, twice, 300, done);
	CHECK(!done[3] && items[3] == -1);
	for (i = 4; i < 10; i++)
		CHECK(done[i] && items[i] == 4 * i);
	mutex_unlock(&gate);
}

/* What the server says of itself is seen by others only while it lives. */
TEST(read_only_server)
{
	struct store_holder h;
	struct archive t;
	struct err e;

	if (!archive_begin(&t))
		return;
	log_level_set(LOG_ERROR + 1);
	CHECK(store_holder(t.folder, &h, &e));
	CHECK(h.held);
	CHECK_EQ(h.process, getpid());
	CHECK_STR(str_from(h.read_only), "");
	store_set_read_only(t.store, "the disk failed to flush a file");
	CHECK(store_holder(t.folder, &h, &e));
	CHECK_EQ(h.process, getpid());
	CHECK_STR(str_from(h.read_only), "the disk failed to flush a file");
	CHECK(archive_reopen(&t));
	CHECK(store_holder(t.folder, &h, &e));
	CHECK(h.held);
	CHECK_STR(str_from(h.read_only), "");
	store_close(&t.store);
	CHECK(store_holder(t.folder, &h, &e));
	CHECK(!h.held);
	CHECK(archive_open(&t, true));
	archive_end(&t);
}

static void
let_go_soon(void *arg)
{
	clock_sleep_ms(20);
	close(*(int *)arg);
}

/* Who looks whether a server is there keeps none from starting. */
TEST(looking_at_the_lock)
{
	struct thread t;
	struct archive a;
	int fd;

	if (!archive_begin(&a))
		return;
	fd = openat(a.store->dir_fd, "lock", O_RDONLY);
	store_close(&a.store);
	CHECK(flock(fd, LOCK_SH | LOCK_NB) == 0);
	CHECK(thread_start(&t, "lock", let_go_soon, &fd));
	CHECK(archive_open(&a, true));
	thread_join(&t);
	archive_end(&a);
}

TEST(health)
{
	struct sample s = {
	    .instance = "1.2",
	    .sop_class = UID_CTImageStorage,
	    .study = "1.3",
	    .series = "1.4",
	    .pixels = 1000,
	};
	struct object_result out;
	struct store_health h;
	struct archive t;
	char text[100];
	int64_t us;
	bool whole;

	if (!archive_begin(&t))
		return;
	CHECK(archive_put(&t, &s, &out));
	s.fill = 1;
	CHECK(archive_put(&t, &s, &out));
	s.instance = "1.5";
	CHECK(archive_put(&t, &s, &out));
	CHECK(store_health(t.store, &h, &t.e));
	CHECK_EQ(h.differing, 1);
	CHECK_EQ(h.damaged, 0);
	CHECK_EQ(h.lost, 0);
	CHECK_EQ(h.unclean_stops, 0);
	CHECK_EQ(h.week_bytes, 2 * out.size);
	CHECK_EQ(strlen(h.newest_day), 10);
	archive_exec(&t, "UPDATE instance SET arrived = 5 WHERE id = 1");
	CHECK(store_health(t.store, &h, &t.e));
	CHECK_EQ(h.week_bytes, out.size);
	CHECK(store_flush_time(t.store, &us, &t.e));
	CHECK_EQ(archive_leftovers(&t), 0);
	CHECK(store_quick_check(t.store, &whole, text, sizeof(text), &t.e));
	CHECK(whole);
	archive_end(&t);
}

TEST_MAIN
