/*
 * Keys: words to elements.
 */
#include "app/client/keys.h"

#include "dicom/charset.h"
#include "dicom/dict.h"
#include "dicom/match.h"
#include "dicom/value.h"

/* Of one value on the command line, encoded. */
#define VALUE_CAP (64 * KIB)

static bool
bad_key(struct str text, const char *what, struct err *e)
{
	char shown[100];

	return fail(e, ERR_USAGE, "key '%s': %s",
	    str_printable(shown, sizeof(shown), text), what);
}

bool
key_path_parse(struct str text, struct key_path *out, struct err *e)
{
	struct str rest = text, part;

	*out = (struct key_path){.n = 0};
	while (str_split(&rest, '.', &part)) {
		if (out->n == KEY_PATH_MOST)
			return bad_key(text, "too many sequences", e);
		if (!dict_tag_parse(part, &out->tags[out->n]))
			return bad_key(text,
			    "allowed are keywords as PatientID, tags as "
			    "(0010,0020), and both behind those of sequences "
			    "with a '.' between",
			    e);
		if (out->n > 0 && dict_vr(out->tags[out->n - 1]) != VR_SQ)
			return bad_key(
			    text, "what stands before '.' is no sequence", e);
		if (TAG_GROUP(out->tags[out->n]) < 8 ||
		    TAG_ELEMENT(out->tags[out->n]) == 0)
			return bad_key(text, "it cannot be a key", e);
		out->n++;
	}
	return out->n > 0 || bad_key(text, "it is empty", e);
}

void
key_path_text(const struct key_path *p, struct buf *out)
{
	const struct dict_tag *known;
	size_t i;

	for (i = 0; i < p->n; i++) {
		known = dict_tag(p->tags[i]);
		if (i > 0)
			buf_u8(out, '.');
		if (known != NULL)
			buf_text(out, known->keyword);
		else
			buf_printf(out, "(%04x,%04x)",
			    (unsigned)TAG_GROUP(p->tags[i]),
			    (unsigned)TAG_ELEMENT(p->tags[i]));
	}
}

const struct element *
key_path_find(const struct key_path *p, const struct dataset *ds,
    const struct dataset **holder)
{
	const struct element *found = NULL;
	size_t i;

	for (i = 0; i < p->n && ds != NULL; i++) {
		*holder = ds;
		found = dataset_find(ds, p->tags[i]);
		if (found == NULL)
			return NULL;
		ds = found->items;
	}
	return i == p->n ? found : NULL;
}

static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

static bool
full(struct err *e)
{
	return fail(e, ERR_LIMIT, "the keys are too many or too long");
}

bool
keys_init(struct keys *k, struct arena *a, const char *charset,
    const char *const *words, size_t n, struct err *e)
{
	struct buf probe;
	bool fits;
	size_t i;

	*k = (struct keys){.arena = a, .charset = ""};
	k->identifier = dataset_new(a);
	k->room = n + 64;
	k->paths = arena_array(a, k->room, sizeof(*k->paths));
	if (k->identifier == NULL || k->paths == NULL)
		return full(e);
	for (i = 0; i < n; i++)
		if (!is_ascii(words[i]))
			k->charset = "ISO_IR 192";
	if (charset != NULL) {
		buf_init(&probe, KIB);
		fits = charset_encode(str_from(charset), STR("a"), &probe);
		buf_fini(&probe);
		if (!fits)
			return fail(e, ERR_USAGE,
			    "--charset '%.40s': allowed are ISO_IR 6, "
			    "ISO_IR 100 to ISO_IR 192, GB18030 and GBK",
			    charset);
		k->charset = charset;
	}
	if (k->charset[0] != '\0' &&
	    !dataset_put_text(
		k->identifier, TAG_SpecificCharacterSet, VR_CS, k->charset))
		return full(e);
	return true;
}

static void
note_path(struct keys *k, const struct key_path *p)
{
	size_t i;

	for (i = 0; i < k->n; i++)
		if (!memcmp(&k->paths[i], p, sizeof(*p)))
			return;
	must(k->n < k->room);
	k->paths[k->n++] = *p;
}

/* One number of a value that is binary in a data set. */
static bool
put_number(struct buf *out, enum vr vr, struct str text)
{
	uint64_t bits = 0;
	int64_t v = 0;
	double d;
	float f;
	char copy[64], *end;
	unsigned i, size = vr_unit(vr);

	if (!str_copy(copy, sizeof(copy), text) || copy[0] == '\0')
		return false;
	if (vr == VR_FD || vr == VR_FL) {
		d = strtod(copy, &end);
		f = (float)d;
		if (*end != '\0')
			return false;
		memcpy(&bits, vr == VR_FD ? (void *)&d : (void *)&f, size);
	} else if (!str_i64(text, &v)) {
		return false;
	} else {
		bits = (uint64_t)v;
		if (size < 8 && v > 0 && bits >> (8 * size) != 0)
			return false;
	}
	for (i = 0; i < size; i++)
		buf_u8(out, (uint8_t)(bits >> (8 * i)));
	return true;
}

static bool
put_tag(struct buf *out, struct str text)
{
	uint32_t tag;

	if (!dict_tag_parse(text, &tag))
		return false;
	buf_u16le(out, TAG_GROUP(tag));
	buf_u16le(out, TAG_ELEMENT(tag));
	return true;
}

static bool
put_numbers(struct buf *out, enum vr vr, struct str value)
{
	struct str part;

	if (value.n == 0)
		return true;
	while (str_split(&value, '\\', &part))
		if (vr == VR_AT ? !put_tag(out, part)
				: !put_number(out, vr, part))
			return false;
	return true;
}

static bool
encode(const struct keys *k, enum vr vr, struct str value, struct buf *out)
{
	switch (vr) {
	case VR_US:
	case VR_UL:
	case VR_SS:
	case VR_SL:
	case VR_UV:
	case VR_SV:
	case VR_FL:
	case VR_FD:
	case VR_AT:
		return put_numbers(out, vr, value);
	default:
		break;
	}
	if (vr_kind(vr) == VR_KIND_LOCAL)
		return charset_encode(str_from(k->charset), value, out);
	if (vr_kind(vr) == VR_KIND_TEXT || vr == VR_UN || vr == VR_NONE) {
		buf_add(out, value);
		return true;
	}
	return value.n == 0;
}

/* The data set in which the last tag of the path stands, made on the way. */
static struct dataset *
make_holder(struct keys *k, const struct key_path *p)
{
	struct dataset *ds = k->identifier;
	const struct element *found;
	size_t i;

	for (i = 0; i + 1 < p->n && ds != NULL; i++) {
		found = dataset_find(ds, p->tags[i]);
		ds = found != NULL && found->items != NULL
			 ? found->items
			 : dataset_put_item(ds, p->tags[i]);
	}
	return ds;
}

static bool
is_moment(enum vr vr, struct str s)
{
	char parsed[14];

	return s.n == 0 || (vr == VR_DA ? date_parse(s, parsed)
					: time_parse(s, false, parsed));
}

/* What is none finds nothing, and would be taken for there is nothing. */
static bool
check_moment(enum vr vr, struct str value, const char *name, struct err *e)
{
	struct str rest = value, part, from, to;
	bool ok = true;

	if ((vr != VR_DA && vr != VR_TM) || str_find(value, '*') < value.n ||
	    str_find(value, '?') < value.n || str_eq_text(value, "\"\""))
		return true;
	while (ok && str_split(&rest, '\\', &part)) {
		part = str_trim(part);
		ok = match_range_split(vr, part, &from, &to)
			 ? is_moment(vr, from) && is_moment(vr, to)
			 : is_moment(vr, part);
	}
	return ok ||
	       fail(e, ERR_USAGE, "%s: '%.*s' is not allowed; allowed: %s",
		   name, STR_ARG(value),
		   vr == VR_DA ? "YYYYMMDD, and ranges as "
				 "20260101-20260131 or 20260101-"
			       : "HHMMSS or its beginning, and ranges as "
				 "0800-1200 or 0800-");
}

static bool
put(struct keys *k, const struct key_path *p, struct str value, struct err *e)
{
	uint32_t tag = p->tags[p->n - 1];
	enum vr vr = dict_vr(tag);
	struct dataset *ds = make_holder(k, p);
	struct buf encoded, name;
	bool done = false;

	if (ds == NULL)
		return full(e);
	note_path(k, p);
	if (vr == VR_SQ && value.n == 0) /* universal (PS3.4 C.2.2.2.6) */
		return dataset_put_item(ds, tag) != NULL || full(e);
	buf_init(&encoded, VALUE_CAP);
	buf_init(&name, KIB);
	key_path_text(p, &name);
	if (vr == VR_SQ)
		(void)bad_key(buf_str(&name),
		    "a sequence has no value: name an attribute in it, behind "
		    "a '.'",
		    e);
	else if (!check_moment(vr, value, buf_cstr(&name), e))
		done = false;
	else if (!encode(k, vr, value, &encoded))
		(void)fail(e, ERR_USAGE,
		    "%s: the value is not one of VR %s, or the character set "
		    "'%s' has not all its characters",
		    buf_cstr(&name), vr_name(vr),
		    k->charset[0] != '\0' ? k->charset : "ISO_IR 6");
	else if (encoded.over || !dataset_put(ds, tag, vr, buf_str(&encoded)))
		(void)full(e);
	else
		done = true;
	buf_fini(&encoded);
	buf_fini(&name);
	return done;
}

bool
keys_add(struct keys *k, const char *word, bool *asks, struct err *e)
{
	struct str s = str_from(word), value = STR("");
	size_t at = str_find(s, '=');
	struct key_path p;

	*asks = at == s.n;
	if (!*asks)
		value = str_of(s.p + at + 1, s.n - at - 1);
	return key_path_parse(str_trim(str_of(s.p, at)), &p, e) &&
	       put(k, &p, value, e);
}

bool
keys_set(struct keys *k, uint32_t tag, const char *value, struct err *e)
{
	struct key_path p = {.tags = {tag}, .n = 1};

	return put(k, &p, str_from(value), e);
}

bool
keys_want(struct keys *k, uint32_t tag, struct err *e)
{
	return dataset_find(k->identifier, tag) != NULL ||
	       keys_set(k, tag, "", e);
}

bool
keys_has(const struct keys *k, uint32_t tag)
{
	const struct element *found = dataset_find(k->identifier, tag);

	return found != NULL && str_trim(found->value).n > 0;
}
