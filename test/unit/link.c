/*
 * Addresses of the portal.
 */
#include "test.h"

#include "web/link.h"

static void
is(const struct web_config *c, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	CHECK_EQ(link_token(c, STR("ABC"), &out), want[0] != '\0');
	CHECK_STR(buf_str(&out), want);
	buf_fini(&out);
}

TEST(of_a_token)
{
	struct web_config c = {.port = 3000, .server_name = "pacs.example.org"};

	is(&c, "http://pacs.example.org:3000/token?ABC");
	c.tls = true;
	is(&c, "https://pacs.example.org:3000/token?ABC");
	c.port = 443;
	is(&c, "https://pacs.example.org/token?ABC");
	c.port = 80;
	is(&c, "https://pacs.example.org:80/token?ABC");
	c.tls = false;
	is(&c, "http://pacs.example.org/token?ABC");
	memcpy(c.outside_address, "192.0.2.7", 10);
	is(&c, "http://pacs.example.org/token?ABC");
	c.server_name[0] = '\0';
	is(&c, "http://192.0.2.7/token?ABC");
	memcpy(c.outside_address, "2001:db8::7", 12);
	c.port = 3000;
	is(&c, "http://[2001:db8::7]:3000/token?ABC");
	/* A proxy's port. */
	memcpy(c.outside_address, "gate.example.org:8443", 22);
	is(&c, "http://gate.example.org:8443/token?ABC");
	memcpy(c.server_name, "pacs.example.org:443", 21);
	c.tls = true;
	is(&c, "https://pacs.example.org:443/token?ABC");
	c.tls = false;
	c.server_name[0] = '\0';
	c.port = 0;
	is(&c, "");
	c.port = 3000;
	memcpy(c.outside_address, "auto", 5);
	is(&c, "");
	c.outside_address[0] = '\0';
	is(&c, "");
}

TEST_MAIN
