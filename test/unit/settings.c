/*
 * The settings table: each type, layers, INI files, variables, errors.
 */
#include "app/settings.h"
#include "base/log.h"
#include "test.h"

static struct err e;

static bool
takes(const char *key, const char *value)
{
	struct settings s;

	settings_init(&s);
	return settings_set(
	    &s, str_from(key), str_from(value), SOURCE_STORED, &e);
}

static const char *
text_of(const char *key, const char *value)
{
	static struct settings s;
	enum setting_id id;

	settings_init(&s);
	if (!CHECK(settings_set(
		&s, str_from(key), str_from(value), SOURCE_STORED, &e)) ||
	    !CHECK(settings_find(str_from(key), &id, &e)))
		return "(refused)";
	return s.at[id].text;
}

static bool
has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

TEST(defaults_are_valid_and_named)
{
	struct settings s;
	unsigned i;

	settings_init(&s);
	for (i = 0; i < SETTING_COUNT; i++) {
		CHECK_EQ(s.at[i].source, SOURCE_DEFAULT);
		CHECK_STR(str_from(s.at[i].text),
		    settings_info((enum setting_id)i)->value);
		CHECK(strlen(settings_info((enum setting_id)i)->help) > 10);
	}
	CHECK_EQ(s.at[SETTING_DICOM_PORT].number, 11121);
	CHECK_EQ(s.at[SETTING_DICOM_CHECK_CALLED_AE].number, 1);
	CHECK_EQ(s.at[SETTING_STORE_RESERVE].number, 2147483648);
	CHECK_EQ(s.at[SETTING_STORE_DUPLICATE].number, 0);
}

TEST(values_become_canonical)
{
	CHECK_STR(str_from(text_of("dicom.port", " 104 ")), "104");
	CHECK_STR(str_from(text_of("dicom.port", "0")), "0");
	CHECK_STR(str_from(text_of("dicom.port", "AUTO")), "auto");
	CHECK_STR(str_from(text_of("dicom.debug", "yes")), "true");
	CHECK_STR(str_from(text_of("dicom.debug", "Off")), "false");
	CHECK_STR(str_from(text_of("dicom.access", "OPEN")), "open");
	CHECK_STR(str_from(text_of("store.reserve", "2048MiB")), "2 GiB");
	CHECK_STR(str_from(text_of("store.reserve", "0")), "0");
	CHECK_STR(str_from(text_of("dicom.ae_title", "A1_B-C")), "A1_B-C");
	CHECK_STR(str_from(text_of("dicom.bind", "")), "");
	CHECK_STR(str_from(text_of("dicom.bind", "::1")), "::1");
	CHECK_STR(
	    str_from(text_of("worklist.uid_root", " 1.2.840 ")), "1.2.840");
	CHECK_STR(str_from(text_of("worklist.uid_for", "ALL")), "all");
	CHECK_STR(
	    str_from(text_of("worklist.uid_for", "CT 1 ,, MR,")), "CT 1,MR");
	CHECK_STR(str_from(text_of("worklist.uid_for", "")), "");
	CHECK_STR(str_from(text_of("worklist.retention", "1M")), "1m");
}

TEST(wrong_values_name_key_value_and_what_is_allowed)
{
	static const struct {
		const char *key, *value, *allowed;
	} rows[] = {
	    {"dicom.port", "65536", "1 to 65535, 0 (closed) or auto"},
	    {"dicom.port", "-1", "1 to 65535"},
	    {"dicom.port", "", "1 to 65535"},
	    {"dicom.port", "104x", "1 to 65535"},
	    {"dicom.timeout_s", "0", "from 1 to 3600"},
	    {"dicom.timeout_s", "3601", "from 1 to 3600"},
	    {"dicom.debug", "maybe", "true or false"},
	    {"dicom.access", "all", "known or open"},
	    {"store.duplicate", "drop", "quarantine, replace or refuse"},
	    {"store.reserve", "2 pounds", "2 GiB, 500 MB or 4096"},
	    {"store.reserve", "2000 TiB", "to 1024 TiB"},
	    {"dicom.ae_title", "SEVENTEENLETTERSX", "1 to 16 characters"},
	    {"dicom.ae_title", "A B", "without white space"},
	    {"dicom.ae_title", "A\\B", "backslash"},
	    {"dicom.ae_title", "", "1 to 16"},
	    {"dicom.bind", "a b", "an address"},
	    {"worklist.retention", "2d", "never, 7d, 14d, 1m or 3m"},
	    {"worklist.uid_root", "1.02", "the root of your institution"},
	    {"worklist.uid_root", "", "at most 44 characters"},
	    {"worklist.uid_root",
		"1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19",
		"at most 44 characters"},
	    {"worklist.uid_for", "SEVENTEENLETTERSX", "AE titles"},
	};
	char quoted[64];
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(!takes(rows[i].key, rows[i].value));
		CHECK_EQ(e.code, ERR_USAGE);
		snprintf(quoted, sizeof(quoted), "'%s'",
		    rows[i].value[0] == '\\' ? "" : rows[i].value);
		if (!CHECK(has(e.text, rows[i].key) && has(e.text, quoted) &&
			   has(e.text, rows[i].allowed)))
			printf("  %s\n", e.text);
	}
	CHECK(!takes("dicom.prot", "1"));
	CHECK_EQ(e.code, ERR_USAGE);
	CHECK(has(e.text, "'dicom.prot' is no setting"));
}

TEST(a_hostile_value_is_printable_in_the_error)
{
	CHECK(!takes("dicom.port", "\033[2J\n1"));
	CHECK(has(e.text, "\\x1b[2J\\x0a1"));
	CHECK(strchr(e.text, '\n') == NULL);
}

TEST(pairs)
{
	struct settings s;

	settings_init(&s);
	CHECK(settings_set_pair(&s, "dicom.port=auto", &e));
	CHECK_EQ(s.at[SETTING_DICOM_PORT].number, SETTING_PORT_AUTO);
	CHECK_EQ(s.at[SETTING_DICOM_PORT].source, SOURCE_COMMAND_LINE);
	CHECK(settings_set_pair(&s, "dicom.bind=", &e));
	CHECK(!settings_set_pair(&s, "dicom.port", &e));
	CHECK_EQ(e.code, ERR_USAGE);
}

TEST(variables)
{
	char path[] = "PATH=/bin", port[] = "FILEROOM_DICOM_PORT=104",
	     data[] = "FILEROOM_DATA=/x", none[] = "FILEROOM_DICOM_PORTS=1",
	     wrong[] = "FILEROOM_DICOM_PORT=x";
	char *good[] = {path, port, data, none, NULL}, *bad[] = {wrong, NULL};
	struct settings s;
	char name[64];

	log_setup(LOG_TEXT, LOG_ERROR);
	settings_init(&s);
	CHECK(settings_load_environment(&s, good, &e));
	CHECK_EQ(s.at[SETTING_DICOM_PORT].number, 104);
	CHECK_EQ(s.at[SETTING_DICOM_PORT].source, SOURCE_ENVIRONMENT);
	CHECK(!settings_load_environment(&s, bad, &e));
	CHECK(has(e.text, "FILEROOM_DICOM_PORT"));
	CHECK_EQ(s.at[SETTING_DICOM_PORT].number, 104);
	settings_variable(SETTING_DICOM_AE_TITLE, name);
	CHECK_STR(str_from(name), "FILEROOM_DICOM_AE_TITLE");
}

static char seen[512];

static bool
note(void *ctx, struct str key, struct str value, struct err *why)
{
	size_t n = strlen(seen);

	if (str_eq_text(key, "a.refuse"))
		return fail(why, ERR_USAGE, "no");
	CHECK(ctx == seen);
	snprintf(seen + n, sizeof(seen) - n, "%.*s=%.*s|", STR_ARG(key),
	    STR_ARG(value));
	return true;
}

static bool
ini(const char *text)
{
	seen[0] = '\0';
	return settings_read_ini("f.ini", str_from(text), note, seen, &e);
}

TEST(ini_files)
{
	CHECK(ini(""));
	CHECK(ini("\xef\xbb\xbf# c\r\n\r\n[a]\r\nx = 1 \r\n; c\n\ty=a=b\n"
		  "[ b ]\nx=\n[]\nc.d=2"));
	CHECK_STR(str_from(seen), "a.x=1|a.y=a=b|b.x=|c.d=2|");
}

TEST(ini_errors_name_file_and_line)
{
	CHECK(!ini("[a]\nx\n"));
	CHECK(has(e.text, "'f.ini', line 2"));
	CHECK(!ini("[a\n"));
	CHECK(has(e.text, "line 1"));
	CHECK(!ini("[a]\n\nrefuse=1"));
	CHECK(has(e.text, "line 3"));
	CHECK(!ini("[a]\nx=\xff\n"));
	CHECK_EQ(e.code, ERR_USAGE);
	seen[0] = '\0';
	CHECK(!settings_read_ini("f", STR("[a]\nx=\0y\n"), note, seen, &e));
}

TEST(any_cut_of_an_ini_file_is_read_or_refused)
{
	static const char text[] = "[dicom]\nport = 104\n# x\nbind=::1\n";
	size_t n, whole = 0;

	for (n = 0; n <= strlen(text); n++) {
		seen[0] = '\0';
		if (settings_read_ini("f", str_of(text, n), note, seen, &e))
			whole++;
		else
			CHECK(has(e.text, "'f', line"));
	}
	CHECK(whole > 5 && whole < n);
	CHECK_STR(str_from(seen), "dicom.port=104|dicom.bind=::1|");
}

TEST_MAIN
