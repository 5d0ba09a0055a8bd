/*
 * Known nodes, who is known, refused callers.
 */
#include "archive.h"
#include "store/table/node_worklist.h"

static struct node
make(const char *ae, const char *host, uint16_t port)
{
	struct node n = {.port = port};

	(void)str_copy(n.ae, sizeof(n.ae), str_from(ae));
	(void)str_copy(n.host, sizeof(n.host), str_from(host));
	(void)str_copy(n.name, sizeof(n.name), STR("CT in room \xe2\x91\xa0"));
	return n;
}

TEST(kept)
{
	struct node n = make("CT1", "10.0.0.1", 104), *list, out;
	struct archive t;
	size_t count;

	if (!archive_begin(&t))
		return;
	n.tls = true;
	CHECK(node_put(t.store, &n, true, &t.e));
	CHECK(!node_put(t.store, &n, true, &t.e));
	CHECK_EQ(t.e.code, ERR_CONFLICT);
	n.port = 105;
	CHECK(node_put(t.store, &n, false, &t.e));
	n = make(" CT2 ", "ct2", 0);
	CHECK(node_put(t.store, &n, true, &t.e));
	CHECK(archive_reopen(&t));
	CHECK(node_find(t.store, "CT1 ", &out, &t.e));
	CHECK_EQ(out.port, 105);
	CHECK(out.tls);
	CHECK_STR(str_from(out.host), "10.0.0.1");
	CHECK_STR(str_from(out.name), "CT in room \xe2\x91\xa0");
	CHECK(!node_find(t.store, "ct1", &out, &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(node_list(t.store, &t.arena, &list, &count, &t.e));
	CHECK_EQ(count, 2);
	CHECK_STR(str_from(list[1].ae), "CT2");
	CHECK(node_delete(t.store, "CT1", &t.e));
	CHECK(!node_delete(t.store, "CT1", &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	n = make("  ", "x", 0);
	CHECK(!node_put(t.store, &n, false, &t.e));
	archive_end(&t);
}

TEST(known)
{
	struct node n = make("CT1", "10.0.0.1", 104);
	const char *why;
	struct archive t;
	int i;

	if (!archive_begin(&t))
		return;
	CHECK(!node_known(t.store, "CT1", "10.0.0.1", &why));
	CHECK_STR(str_from(why), "AE title unknown");
	CHECK(node_put(t.store, &n, true, &t.e));
	CHECK(node_known(t.store, "CT1 ", "10.0.0.1", &why));
	CHECK(node_known(t.store, "CT1", "::ffff:10.0.0.1", &why));
	CHECK(!node_known(t.store, "ct1", "10.0.0.1", &why));
	CHECK(!node_known(t.store, "CT1", "10.0.0.2", &why));
	CHECK(strstr(why, "address") != NULL);
	CHECK(!node_known(t.store, "CT1", "", &why));
	n = make("V6", "2001:DB8::1", 104);
	CHECK(node_put(t.store, &n, true, &t.e));
	CHECK(node_known(t.store, "V6", "2001:db8:0::1", &why));
	n = make("HERE", "localhost", 104);
	CHECK(node_put(t.store, &n, true, &t.e));
	/* A machine with much to do may look a name up for longer than a
	 * question waits. */
	for (i = 0; i < 5000 && !node_known(t.store, "HERE", "127.0.0.1", &why);
	     i++)
		clock_sleep_ms(20);
	CHECK(i < 5000);
	archive_end(&t);
}

TEST(known_by_another_process)
{
	struct store_config config = {.server = false};
	struct node n = make("CT1", "10.0.0.1", 104);
	struct store *other;
	struct archive t;
	const char *why;
	int64_t end;
	bool yes = false;

	if (!archive_begin(&t))
		return;
	config.folder = t.folder;
	CHECK(!node_known(t.store, "CT1", "10.0.0.1", &why));
	CHECK(store_open(&other, &config, &t.e));
	CHECK(node_put(other, &n, true, &t.e));
	store_close(&other);
	end = clock_mono_ms() + 60000;
	while (!yes && clock_mono_ms() < end) {
		yes = node_known(t.store, "CT1", "10.0.0.1", &why);
		clock_sleep_ms(20);
	}
	CHECK(yes);
	archive_end(&t);
}

TEST(refusals)
{
	struct refusal r = {.called = "FILEROOM", .address = "10.0.0.9"}, *list;
	struct archive t;
	size_t n;
	int i;

	if (!archive_begin(&t))
		return;
	(void)str_copy(r.reason, sizeof(r.reason), STR("AE title unknown"));
	for (i = 0; i < 1010; i++) {
		snprintf(r.calling, sizeof(r.calling), "AE%d", i);
		r.first_ms = r.last_ms = 1000 + i;
		refusal_record(t.store, &r);
	}
	r.last_ms = r.first_ms = 5000;
	refusal_record(t.store, &r);
	CHECK(refusal_list(t.store, &t.arena, &list, &n, &t.e));
	CHECK_EQ(n, 1000);
	CHECK_STR(str_from(list[0].calling), "AE1009");
	CHECK_EQ(list[0].count, 2);
	CHECK_EQ(list[0].first_ms, 2009);
	CHECK_EQ(list[0].last_ms, 5000);
	CHECK_STR(str_from(list[999].calling), "AE10");
	CHECK(refusal_clear(t.store, &t.e));
	CHECK(refusal_list(t.store, &t.arena, &list, &n, &t.e));
	CHECK_EQ(n, 0);
	archive_end(&t);
}

TEST(worklist_options)
{
	static const char *const bad[] = {"days", "days=", "days=-1", "days=32",
	    "limit=1000000", "station=maybe", "x=1", "days=1,,", "started=yes",
	    "=1"};
	struct node n = make("CT1", "10.0.0.1", 104), out;
	struct node_worklist w;
	struct archive t;
	struct err e;
	size_t i;

	CHECK(node_worklist_read(STR(""), &w, &e));
	CHECK_EQ(w.limit, 0);
	CHECK(node_worklist_read(
	    STR("station=yes, without_ae=hide,ignore_ae=yes,started=hide,"
		"moment=no,days=2,limit=50"),
	    &w, &e));
	CHECK(w.station == NODE_YES && w.without_ae == NODE_NO && w.ignore_ae &&
	      w.hide_started && w.apart && w.days == 2 && w.limit == 50);
	CHECK(node_worklist_read(STR("station=default"), &w, &e));
	CHECK(w.station == NODE_DEFAULT);
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK(!node_worklist_read(str_from(bad[i]), &w, &e));
		CHECK_EQ(e.code, ERR_USAGE);
	}
	if (!archive_begin(&t))
		return;
	(void)str_copy(n.charset, sizeof(n.charset), STR("ISO_IR 100"));
	(void)str_copy(n.worklist, sizeof(n.worklist), STR("days=1"));
	CHECK(!node_recall(t.store, "CT1", &out));
	CHECK(node_put(t.store, &n, true, &t.e));
	CHECK(node_recall(t.store, " CT1", &out));
	CHECK_STR(str_from(out.charset), "ISO_IR 100");
	CHECK_STR(str_from(out.worklist), "days=1");
	archive_end(&t);
}

TEST_MAIN
