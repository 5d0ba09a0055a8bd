/*
 * The portal's parts that need no network: routes, decoding, JSON input, names
 * and proxies, what errors become.
 */
#include "base/limit.h"
#include "test.h"
#include "web/http/call.h"
#include "web/http/origin.h"

TEST(decoding)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
		bool plus;
	} cases[] = {
	    {"a%20b+c", "a b+c", false},
	    {"a%20b+c", "a b c", true},
	    {"%2F%2e%2E", "/..", false},
	    {"%e7%84%a1", "無", false},
	    {"%", NULL, false},
	    {"%4", NULL, false},
	    {"%4g", NULL, false},
	    {"%00", NULL, false},
	    {"%c0%af", NULL, false},
	    {"%ff", NULL, false},
	    {"", "", false},
	    {"%252e", "%2e", false},
	};
	struct arena a;
	struct str out;
	size_t i;

	arena_init(&a, MIB);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		bool ok = percent_decode(
		    &a, str_from(cases[i].in), cases[i].plus, &out);

		CHECK_EQ(ok, cases[i].out != NULL);
		if (ok && cases[i].out != NULL)
			CHECK_STR(out, cases[i].out);
	}
	arena_fini(&a);
}

TEST(routes)
{
	struct str params[ROUTE_PARAMS];
	const struct route *r;
	unsigned allow;

	CHECK_EQ(route_find(METHOD_GET, STR("/healthz"), &r, params, &allow),
	    ROUTE_FOUND);
	CHECK(r != NULL && strcmp(r->path, "/healthz") == 0);
	CHECK_EQ(route_find(METHOD_POST, STR("/healthz"), &r, params, &allow),
	    ROUTE_NO_METHOD);
	CHECK_EQ(allow, 1U << METHOD_GET);
	CHECK_EQ(route_find(METHOD_GET, STR("/healthz/"), &r, params, &allow),
	    ROUTE_NO_PATH);
	CHECK_EQ(route_find(METHOD_GET, STR("//healthz"), &r, params, &allow),
	    ROUTE_NO_PATH);
	CHECK_EQ(
	    route_find(METHOD_GET, STR("/a/../healthz"), &r, params, &allow),
	    ROUTE_NO_PATH);
}

/* The table keeps to its own rules. */
TEST(route_table)
{
	const struct route *r;
	size_t i;

	for (r = route_table; r < route_table + route_count; r++) {
		CHECK(r->path[0] == '/' && r->run != NULL);
		CHECK(r->name != NULL && r->summary != NULL);
		CHECK(r->summary[strlen(r->summary) - 1] == '.');
		CHECK(r->demand != 0);
		/* No worker, so nobody who looks who it is. */
		if (r->flags & ROUTE_QUICK)
			CHECK_EQ(r->demand, DEMAND_NOTHING);
		CHECK((r->body == NULL) == (r->body_max == 0) ||
		      r->flags & ROUTE_STREAM);
		if (r->flags & ROUTE_LINK)
			CHECK(route_param(r, "study") >= 0 ||
			      strncmp(r->path, "/token", 6) == 0);
		for (i = 0; i < (size_t)(r - route_table); i++)
			CHECK(route_table[i].method != r->method ||
			      strcmp(route_table[i].path, r->path) != 0);
	}
}

TEST(json_input)
{
	struct input in[INPUT_MEMBERS];
	struct arena a;
	struct err e;
	size_t n;

	arena_init(&a, MIB);
	if (!CHECK(input_read(&a,
		STR(" {\"a\":\"\\u00e9\\ud83d\\ude00\\n\" , \"b\":-12,"
		    "\"c\":true,\"d\":null,\"e\":[\"x\",\"y\"],\"f\":[]}\n"),
		in, &n, &e)))
		puts(e.text);
	CHECK_EQ(n, 6);
	CHECK_STR(in[0].name, "a");
	CHECK_STR(in[0].text, "é😀\n");
	CHECK_EQ(in[1].number, -12);
	CHECK_EQ(in[2].kind, INPUT_BOOL);
	CHECK_EQ(in[2].number, 1);
	CHECK_EQ(in[3].kind, INPUT_NULL);
	CHECK_EQ(in[4].list_count, 2);
	CHECK_STR(in[4].list[1], "y");
	CHECK_EQ(in[5].list_count, 0);
	arena_fini(&a);
}

TEST(json_input_refused)
{
	static const char *const cases[] = {"", "{", "[]", "1", "{\"a\"}",
	    "{\"a\":}", "{\"a\":1,}", "{\"a\":1}x", "{\"a\":1,\"a\":2}",
	    "{\"a\":{\"b\":1}}", "{\"a\":[1]}", "{\"a\":[\"x\",]}",
	    "{\"a\":[[\"x\"]]}", "{\"a\":01}", "{\"a\":1.5}", "{\"a\":1e3}",
	    "{\"a\":--1}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\ud800\\u0041\"}",
	    "{\"a\":\"\\udc00\"}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\x\"}",
	    "{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc0\xaf\"}",
	    "{\"a\":\"", "{\"a\":\"\\", "{\"a\":\"\\u12", "{a:1}", "{'a':1}",
	    "{\"a\":tru}", "{\"a\":99999999999999999999}"};
	struct input in[INPUT_MEMBERS];
	struct arena a;
	struct err e;
	size_t i, n;

	arena_init(&a, MIB);
	for (i = 0; i < ARRAY_LEN(cases); i++)
		if (!CHECK(!input_read(&a, str_from(cases[i]), in, &n, &e)))
			puts(cases[i]);
	arena_fini(&a);
}

static struct call *
call_from(const char *host, const char *chain, const char *proto)
{
	static struct call c;

	memset(&c, 0, sizeof(c));
	c.headers[c.header_count++] =
	    (struct call_pair){STR("Host"), str_from(host)};
	if (chain != NULL)
		c.headers[c.header_count++] =
		    (struct call_pair){STR("X-Forwarded-For"), str_from(chain)};
	if (proto != NULL)
		c.headers[c.header_count++] = (struct call_pair){
		    STR("x-forwarded-proto"), str_from(proto)};
	return &c;
}

TEST(proxies)
{
	struct origin o = {0};
	struct origin_refusal why;
	struct call *c;
	struct err e;

	CHECK(origin_set_proxies(&o, STR("10.0.0.0/8, ::1,2001:db8::/33"), &e));
	c = call_from("localhost", "1.2.3.4, 10.9.9.9", "https");
	CHECK(origin_take(&o, c, "10.1.1.1", false, &why));
	CHECK_STR(str_from(c->client), "1.2.3.4");
	CHECK(c->secure && !c->local);
	c = call_from("localhost", "127.0.0.1, 1.2.3.4", NULL);
	CHECK(origin_take(&o, c, "::1", false, &why));
	CHECK_STR(str_from(c->client), "1.2.3.4");
	CHECK(!c->secure);
	/* What is no address makes the proxy itself the client. */
	c = call_from("localhost", "1.2.3.4, <script>", NULL);
	CHECK(origin_take(&o, c, "10.1.1.1", false, &why));
	CHECK_STR(str_from(c->client), "10.1.1.1");
	c = call_from("localhost", "unknown", NULL);
	CHECK(origin_take(&o, c, "::1", false, &why) && !c->local);
	c = call_from(
	    "localhost", "[2001:db9::1]:99, 10.0.0.1:8", "http, https");
	CHECK(origin_take(&o, c, "::1", false, &why));
	CHECK_STR(str_from(c->client), "2001:db9::1");
	CHECK(c->secure);
	/* Before the line of the proxy there may be one of the client. */
	c = call_from("localhost", "127.0.0.1", "https");
	c->headers[c->header_count++] =
	    (struct call_pair){STR("x-forwarded-for"), STR("1.2.3.4:80")};
	c->headers[c->header_count++] =
	    (struct call_pair){STR("X-Forwarded-Proto"), STR("http")};
	CHECK(origin_take(&o, c, "10.1.1.1", false, &why));
	CHECK_STR(str_from(c->client), "1.2.3.4");
	CHECK(!c->secure && !c->local);
	/* Nobody's proxy. */
	c = call_from("localhost", "127.0.0.1", "https");
	CHECK(origin_take(&o, c, "11.1.1.1", false, &why));
	CHECK_STR(str_from(c->client), "11.1.1.1");
	CHECK(!c->secure && !c->local);
	CHECK(origin_take(&o, c, "127.9.9.9", false, &why) && c->local);
	c = call_from("localhost", "1.1.1.1", NULL);
	CHECK(origin_take(&o, c, "2001:db8:7fff::1", false, &why));
	CHECK_STR(str_from(c->client), "1.1.1.1");
	CHECK(origin_take(&o, c, "2001:db8:8000::1", false, &why));
	CHECK_STR(str_from(c->client), "2001:db8:8000::1");
	CHECK(!origin_set_proxies(&o, STR("10.0.0.0/33"), &e));
	CHECK(!origin_set_proxies(&o, STR("proxy.example"), &e));
	CHECK(!origin_set_proxies(&o, STR("10.0.0.1,"), &e));
}

TEST(escapes_of_pages)
{
	struct buf b;

	buf_init(&b, KIB);
	html_text(&b, STR("<img src=x onerror='a'>&\"\x01"));
	CHECK_STR(
	    buf_str(&b), "&lt;img src=x onerror=&#39;a&#39;&gt;&amp;&quot;");
	buf_fini(&b);
}

TEST(file_names)
{
	struct reply r = {0};
	struct arena a;

	arena_init(&a, MIB);
	r.arena = &a;
	buf_init(&r.body, MIB);
	reply_attachment(&r, STR("M\xc3\xbcller \"x\"\r\n/.zip"));
	CHECK_EQ(r.header_count, 1);
	CHECK_STR(str_from(r.headers[0].value),
	    "attachment; filename=\"M_ller _x____.zip\"; "
	    "filename*=UTF-8''M%C3%BCller%20%22x%22%0D%0A%2F.zip");
	reply_header(&r, "X", "a\r\nSet-Cookie: b");
	CHECK_STR(str_from(r.headers[1].value), "a  Set-Cookie: b");
	reply_fini(&r);
	arena_fini(&a);
}

TEST_MAIN
