/*
 * The grammar of setting values: each type's reader and canonical text, sizes
 * in bytes with their units, and in words what is allowed.
 */
#include "app/settings.h"

#include "base/utf8.h"
#include "dicom/value.h"
#include "hl7/encoding.h"

#include <arpa/inet.h>
#include <inttypes.h>

struct unit {
	const char *name;
	uint64_t bytes;
};

/* Greatest first, binary before decimal: the order of size_text(). */
static const struct unit units[] = {
    {"TiB", 1ULL << 40},
    {"TB", 1000000000000ULL},
    {"GiB", 1ULL << 30},
    {"GB", 1000000000ULL},
    {"MiB", 1ULL << 20},
    {"MB", 1000000ULL},
    {"KiB", 1ULL << 10},
    {"kB", 1000ULL},
    {"B", 1ULL},
};

static size_t
digits(struct str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

bool
size_parse(struct str text, uint64_t *bytes)
{
	struct str s = str_trim(text), unit;
	size_t n = digits(s), i;
	uint64_t v;

	if (!str_u64(str_of(s.p, n), &v))
		return false;
	unit = str_trim(str_of(s.p + n, s.n - n));
	if (unit.n == 0) {
		*bytes = v;
		return true;
	}
	for (i = 0; i < ARRAY_LEN(units); i++) {
		if (!str_eq_nocase(unit, str_from(units[i].name)))
			continue;
		if (v > UINT64_MAX / units[i].bytes)
			return false;
		*bytes = v * units[i].bytes;
		return true;
	}
	return false;
}

const char *
size_text(uint64_t bytes, char out[32])
{
	size_t i;

	for (i = 0; i + 1 < ARRAY_LEN(units); i++) {
		if (bytes < units[i].bytes || bytes % units[i].bytes != 0)
			continue;
		snprintf(out, 32, "%" PRIu64 " %s", bytes / units[i].bytes,
		    units[i].name);
		return out;
	}
	snprintf(out, 32, "%" PRIu64, bytes);
	return out;
}

static bool
parse_size(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	uint64_t v;
	char text[32];

	if (!size_parse(value, &v) || v > INT64_MAX || (int64_t)v < info->min ||
	    (int64_t)v > info->max)
		return false;
	out->number = (int64_t)v;
	return str_copy(
	    out->text, sizeof(out->text), str_from(size_text(v, text)));
}

static bool
parse_int(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	int64_t v;

	if (!str_i64(value, &v) || v < info->min || v > info->max)
		return false;
	out->number = v;
	snprintf(out->text, sizeof(out->text), "%" PRId64, v);
	return true;
}

static bool
parse_port(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	if (str_eq_nocase(value, STR("auto"))) {
		out->number = SETTING_PORT_AUTO;
		return str_copy(out->text, sizeof(out->text), STR("auto"));
	}
	return parse_int(info, value, out);
}

static bool
parse_bool(struct str value, struct setting_value *out)
{
	static const char *const words[] = {
	    "false", "true", "no", "yes", "off", "on", "0", "1"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++) {
		if (!str_eq_nocase(value, str_from(words[i])))
			continue;
		out->number = i % 2;
		return str_copy(
		    out->text, sizeof(out->text), str_from(words[i % 2]));
	}
	return false;
}

static bool
parse_choice(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	struct str rest = str_from(info->choices), choice;

	for (out->number = 0; str_split(&rest, '|', &choice); out->number++)
		if (str_eq_nocase(value, choice))
			return str_copy(out->text, sizeof(out->text), choice);
	return false;
}

/* PS3.5 6.2 allows spaces and forbids backslash and control characters; we
 * take no white space in our own title. */
static bool
parse_ae(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	size_t i;

	if (value.n < (size_t)info->min || value.n > (size_t)info->max)
		return false;
	for (i = 0; i < value.n; i++)
		if (value.p[i] <= ' ' || value.p[i] > '~' || value.p[i] == '\\')
			return false;
	return str_copy(out->text, sizeof(out->text), value);
}

static bool
address_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '.' || c == ':' || c == '-' ||
	       c == '_' || c == '%';
}

static bool
parse_address(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	size_t i;

	if (value.n > (size_t)info->max)
		return false;
	for (i = 0; i < value.n; i++)
		if (!address_byte(value.p[i]))
			return false;
	return str_copy(out->text, sizeof(out->text), value);
}

/* Any UTF-8 on one line; names of files are such too. */
static bool
parse_text(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	size_t i;

	if (value.n < (size_t)info->min || value.n > (size_t)info->max ||
	    !utf8_valid(value))
		return false;
	for (i = 0; i < value.n; i++)
		if (value.p[i] < ' ' || value.p[i] == 0x7f)
			return false;
	return str_copy(out->text, sizeof(out->text), value);
}

/* Room must stay for a point and digits of our own: 64 in all. */
static bool
parse_uid_root(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	return value.n >= (size_t)info->min && value.n <= (size_t)info->max &&
	       uid_valid(value) &&
	       str_copy(out->text, sizeof(out->text), value);
}

/* "all", or titles as PS3.5 6.2 has them; "A,B" is their canonical form. */
static bool
parse_ae_list(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	struct str rest = value, one;
	size_t n = 0, i;

	if (str_eq_nocase(value, STR("all")))
		return str_copy(out->text, sizeof(out->text), STR("all"));
	if (value.n > (size_t)info->max)
		return false;
	while (str_split(&rest, ',', &one)) {
		one = str_trim(one);
		if (one.n > 16)
			return false;
		for (i = 0; i < one.n; i++)
			if (one.p[i] < ' ' || one.p[i] > '~' ||
			    one.p[i] == '\\')
				return false;
		if (one.n == 0)
			continue;
		if (n > 0)
			out->text[n++] = ',';
		memcpy(out->text + n, one.p, one.n);
		n += one.n;
	}
	out->text[n] = '\0';
	return true;
}

/* As it is written: what iconv calls it is found where it is used. */
static bool
parse_charset(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	return encoding_name(value) != NULL && parse_text(info, value, out);
}

/* "10.0.0.1", "10.0.0.0/8", "::1" */
static bool
is_network(struct str s)
{
	size_t slash = str_find(s, '/');
	struct str bits = str_of(s.p + slash, s.n - slash);
	uint8_t address[16];
	char text[64];
	uint64_t n = 0;

	if (!str_copy(text, sizeof(text), str_of(s.p, slash)) ||
	    (bits.n > 0 && !str_u64(str_of(bits.p + 1, bits.n - 1), &n)))
		return false;
	return (inet_pton(AF_INET, text, address) == 1 && n <= 32) ||
	       (inet_pton(AF_INET6, text, address) == 1 && n <= 128);
}

static bool
parse_networks(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	struct str rest = value, part;

	if (value.n > (size_t)info->max)
		return false;
	if (str_eq_nocase(value, STR("none")))
		rest = value = STR("");
	while (value.n > 0 && str_split(&rest, ',', &part))
		if (!is_network(str_trim(part)))
			return false;
	return str_copy(out->text, sizeof(out->text), value);
}

/* For people to follow: no other scheme. */
static bool
parse_link(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	size_t i;

	if (value.n > 0 && !str_starts(value, STR("https://")) &&
	    !str_starts(value, STR("http://")))
		return false;
	for (i = 0; i < value.n; i++)
		if (value.p[i] == ' ')
			return false;
	return parse_text(info, value, out);
}

static bool
parse_type(const struct setting_info *info, struct str value,
    struct setting_value *out)
{
	switch (info->type) {
	case SETTING_TYPE_AE:
		return parse_ae(info, value, out);
	case SETTING_TYPE_ADDRESS:
		return parse_address(info, value, out);
	case SETTING_TYPE_PATH:
		if (str_eq(value, STR("none")))
			value = STR("");
		return parse_text(info, value, out);
	case SETTING_TYPE_TEXT:
		return parse_text(info, value, out);
	case SETTING_TYPE_CHARSET:
		return parse_charset(info, value, out);
	case SETTING_TYPE_UID_ROOT:
		return parse_uid_root(info, value, out);
	case SETTING_TYPE_AE_LIST:
		return parse_ae_list(info, value, out);
	case SETTING_TYPE_INT:
		return parse_int(info, value, out);
	case SETTING_TYPE_PORT:
		return parse_port(info, value, out);
	case SETTING_TYPE_BOOL:
		return parse_bool(value, out);
	case SETTING_TYPE_CHOICE:
		return parse_choice(info, value, out);
	case SETTING_TYPE_SIZE:
		return parse_size(info, value, out);
	case SETTING_TYPE_NETWORKS:
		return parse_networks(info, value, out);
	case SETTING_TYPE_LINK:
		return parse_link(info, value, out);
	}
	return false;
}

static void
allowed_choices(const char *choices, struct buf *out)
{
	struct str rest = str_from(choices), choice;
	const char *between = "";

	while (str_split(&rest, '|', &choice)) {
		buf_text(out, between);
		buf_add(out, choice);
		between = rest.p != NULL && str_find(rest, '|') == rest.n
			      ? " or "
			      : ", ";
	}
}

/* Of types without limits of their own. */
static const char *const allowed_always[] = {
    [SETTING_TYPE_ADDRESS] = "a host name, an address, or nothing",
    [SETTING_TYPE_PATH] = "a path of at most 255 bytes, or none",
    [SETTING_TYPE_AE_LIST] =
	"all, or AE titles separated by commas, or nothing",
    [SETTING_TYPE_CHARSET] =
	"a character set, as in UTF-8, 8859/1, WINDOWS-1252 or GB18030",
    [SETTING_TYPE_LINK] = "an address that begins with https:// or http://, "
			  "or nothing",
    [SETTING_TYPE_NETWORKS] = "addresses and networks such as 10.0.0.0/8, "
			      "separated by commas, or none",
    [SETTING_TYPE_PORT] = "a port from 1 to 65535, 0 (closed) or auto",
    [SETTING_TYPE_BOOL] = "true or false",
};

void
settings_allowed(const struct setting_info *info, struct buf *out)
{
	char least[32], most[32];

	switch (info->type) {
	case SETTING_TYPE_AE:
		buf_printf(out,
		    "1 to %" PRId64 " characters of ASCII without "
		    "white space or backslash",
		    info->max);
		break;
	case SETTING_TYPE_UID_ROOT:
		buf_printf(out,
		    "a UID of at most %" PRId64 " characters, such as 2.25 or "
		    "the root of your institution",
		    info->max);
		break;
	case SETTING_TYPE_TEXT:
		buf_printf(out,
		    "%" PRId64 " to %" PRId64 " bytes of text on one line",
		    info->min, info->max);
		break;
	case SETTING_TYPE_INT:
		buf_printf(out, "a whole number from %" PRId64 " to %" PRId64,
		    info->min, info->max);
		break;
	case SETTING_TYPE_CHOICE:
		allowed_choices(info->choices, out);
		break;
	case SETTING_TYPE_SIZE:
		buf_printf(out,
		    "a size from %s to %s, as in 2 GiB, 500 MB or "
		    "4096",
		    size_text((uint64_t)info->min, least),
		    size_text((uint64_t)info->max, most));
		break;
	default:
		buf_text(out, allowed_always[info->type]);
		break;
	}
}

bool
settings_parse(const struct setting_info *info, struct str value,
    struct setting_value *out, struct err *e)
{
	char shown[80];
	struct buf allowed;

	*out = (struct setting_value){0};
	value = str_trim(value);
	if (parse_type(info, value, out))
		return true;
	buf_init(&allowed, 256);
	settings_allowed(info, &allowed);
	fail(e, ERR_USAGE, "%s: '%s' is not allowed; allowed: %s", info->key,
	    str_printable(shown, sizeof(shown), value), buf_cstr(&allowed));
	buf_fini(&allowed);
	return false;
}
