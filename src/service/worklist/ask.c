/*
 * Reading what a modality asks, and comparing items with it.
 */
#include "service/worklist/ask.h"

#include "base/limit.h"
#include "base/log.h"
#include "base/utf8.h"
#include "dicom/match.h"
#include "dicom/value.h"
#include "service/service.h"
#include "service/worklist/answer.h"
#include "store/table/node.h"
#include "store/table/node_worklist.h"

const struct attribute attributes[] = {
#define ATTRIBUTE(place, keyword, kind, field, need)                           \
	{ATTRIBUTE_##place, TAG_##keyword, ATTRIBUTE_##kind, FIELD_##field,    \
	    ATTRIBUTE_##need},
#include "service/worklist/attributes.def"
#undef ATTRIBUTE
};
const size_t attribute_count = ARRAY_LEN(attributes);
_Static_assert(ARRAY_LEN(attributes) <= ATTRIBUTES_MAX, "more attributes");

const struct attribute *
attribute_of(uint32_t tag)
{
	size_t i;

	for (i = 0; i < attribute_count; i++)
		if (attributes[i].tag == tag)
			return &attributes[i];
	return NULL;
}

void
ask_rules_of(struct store *s, struct arena *a, const char *caller,
    const struct worklist_config *config, struct ask_rules *r)
{
	struct node_worklist own;
	struct node node;
	struct err e;

	*r = (struct ask_rules){
	    .calling_ae_as_station = config->calling_ae_as_station,
	    .hide_without_ae = config->hide_without_ae};
	(void)str_copy(
	    r->caller, sizeof(r->caller), str_trim(str_from(caller)));
	if (!node_recall(s, r->caller, &node))
		return;
	if (!node_worklist_read(str_from(node.worklist), &own, &e))
		log_warning("dicom", "node '%s': %s", node.ae, e.text);
	r->letters.node = arena_dup(a, str_from(node.charset));
	if (own.station != NODE_DEFAULT)
		r->calling_ae_as_station = own.station == NODE_YES;
	if (own.without_ae != NODE_DEFAULT)
		r->hide_without_ae = own.without_ae == NODE_NO;
	r->ignore_ae = own.ignore_ae;
	r->hide_started = own.hide_started;
	r->apart = own.apart;
	r->days = own.days;
	r->limit = own.limit;
}

void
ask_flags(const struct worklist_config *config, char out[ASK_FLAGS])
{
	out[0] = config->calling_ae_as_station ? 's' : '-';
	out[1] = config->hide_without_ae ? 'h' : '-';
	out[2] = '\0';
}

void
ask_flags_read(const char *flags, struct worklist_config *config)
{
	*config = (struct worklist_config){0};
	if (strlen(flags) + 1 < ASK_FLAGS)
		return;
	config->calling_ae_as_station = flags[0] == 's';
	config->hide_without_ae = flags[1] == 'h';
}

static void
note(struct ask *q, const char *text)
{
	size_t i;

	for (i = 0; i < q->note_count; i++)
		if (strcmp(q->notes[i], text) == 0)
			return;
	if (q->note_count < ASK_NOTES)
		q->notes[q->note_count++] = text;
}

/* About the identifier itself. */
static bool
is_about(uint32_t tag)
{
	return tag == TAG_QueryRetrieveLevel || tag == TAG_QueryRetrieveView ||
	       tag == TAG_TimezoneOffsetFromUTC || TAG_GROUP(tag) < 8;
}

static bool
has_wild(struct str s)
{
	return str_find(s, '*') < s.n || str_find(s, '?') < s.n;
}

static struct str
upper(struct arena *a, struct str s)
{
	char *text = arena_cstr(a, s);
	size_t i;

	for (i = 0; text != NULL && i < s.n; i++)
		if (text[i] >= 'a' && text[i] <= 'z')
			text[i] = (char)(text[i] - 'a' + 'A');
	return text != NULL ? str_of(text, s.n) : s;
}

static struct str
replace(struct arena *a, struct str s, const char *from, const char *to)
{
	struct buf out;
	struct str done, part = str_from(from);
	size_t i = 0;

	buf_init(&out, LIMIT_INDEX_VALUE * 2);
	while (i < s.n) {
		if (s.n - i >= part.n && memcmp(s.p + i, part.p, part.n) == 0) {
			buf_text(&out, to);
			i += part.n;
		} else {
			buf_u8(&out, s.p[i++]);
		}
	}
	done = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return done;
}

/* What people type who mean more than they wrote: "SMITH" is any Smith,
 * "SMITH, JOHN" and "SMITH JOHN" are SMITH^JOHN. */
static struct str
lenient_name(struct arena *a, struct str name)
{
	bool open = name.n > 0 && name.p[name.n - 1] == '*';
	struct str plain, caret;
	char *text;

	if (str_find(name, '\\') < name.n || str_find(name, '=') < name.n)
		return STR("");
	plain = name;
	caret = name;
	if (str_find(name, '^') == name.n) {
		caret = replace(a, replace(a, name, ", ", "^"), ",", "^");
		if (str_eq(caret, name))
			caret = replace(a, name, " ", "^");
	}
	text = arena_printf(a, "%.*s%s\\%.*s%s", STR_ARG(plain),
	    open ? "" : "*", STR_ARG(caret), open ? "" : "*");
	return str_from(text);
}

/* Every day of a key, with so many around it: a range. */
static struct str
widen(struct arena *a, struct str key, unsigned days)
{
	char from[9] = "", to[9] = "";
	struct str low = key, high = key;

	(void)match_range_split(VR_DA, key, &low, &high);
	if ((low.n > 0 && !date_parse(low, from)) ||
	    (high.n > 0 && !date_parse(high, to)))
		return key;
	if (from[0] != '\0')
		date_add(from, -(int)days);
	if (to[0] != '\0')
		date_add(to, (int)days);
	return str_from(arena_printf(a, "%s-%s", from, to));
}

/* What the key is compared by. */
static void
take_value(struct arena *a, struct ask *q, struct ask_key *k)
{
	const struct key *key = k->key;

	k->value = key->value;
	switch (key->vr) {
	case VR_CS:
		k->value = upper(a, key->value);
		break;
	case VR_PN:
		k->lenient = lenient_name(a, key->value);
		q->has_lenient = q->has_lenient || k->lenient.n > 0;
		break;
	case VR_DA:
		if (q->rules->days > 0)
			k->value = widen(a, key->value, q->rules->days);
		break;
	default:
		break;
	}
}

/* Some write a number that they leave open as 0, which means nothing (PS3.3
 * C.2.2.1: 1 to 4). */
static bool
is_no_number(const struct ask_key *k)
{
	struct str v = k->key->value;
	unsigned number;

	if (k->attribute->kind != ATTRIBUTE_PREGNANCY)
		return false;
	number = v.n == 2 ? (unsigned)(v.p[0] | v.p[1] << 8) : 0;
	return number < 1 || number > 4;
}

/* Dates and times that are none: a modality that always sends such a thing is
 * to show the worklist all the same. */
static bool
is_no_moment(struct arena *a, struct ask *q, const struct key *key)
{
	const struct dict_tag *entry = dict_tag(key->tag);
	const char *name = entry != NULL ? entry->name : "a key", *text;

	if (key->moment == MATCH_MOMENT_PLAIN)
		return false;
	if (key->moment == MATCH_MOMENT_READ) {
		text = arena_printf(
		    a, "%s is read as %.*s", name, STR_ARG(key->value));
		note(q, text != NULL ? text : name);
		return false;
	}
	text = arena_printf(a, "%s = %.*s is no %s, and no condition", name,
	    STR_ARG(utf8_cut(key->value, 64)),
	    key->vr == VR_DA ? "date" : "time");
	note(q, text != NULL ? text : name);
	q->unsupported = true;
	return true;
}

static void
take_key(struct arena *a, struct ask *q, const struct key *key,
    enum attribute_place place)
{
	struct ask_key *k = &q->keys[q->key_count];

	if (is_about(key->tag) || !key->demands)
		return;
	*k = (struct ask_key){.key = key, .attribute = attribute_of(key->tag)};
	if (k->attribute == NULL || k->attribute->kind == ATTRIBUTE_NOTHING) {
		q->unsupported = true;
		note(q, "a key that the worklist has no values for is no "
			"condition");
		return;
	}
	if (is_no_number(k)) {
		note(q, "a number that is none is no condition");
		return;
	}
	if (is_no_moment(a, q, key))
		return;
	if (k->attribute->place != place)
		note(q, "a key stands in the wrong place, and counts");
	k->ignored =
	    q->rules->ignore_ae && key->tag == TAG_ScheduledStationAETitle;
	take_value(a, q, k);
	q->key_count++;
}

/* A sequence with an empty item asks for all there is, as one without. */
static void
empty_items(struct key *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].items != NULL && list[i].items->n == 0)
			list[i].items = NULL;
}

static size_t
count_keys(const struct keys *wanted)
{
	size_t i, n = wanted->n + 1;

	for (i = 0; i < wanted->n; i++)
		if (wanted->list[i].items != NULL)
			n += wanted->list[i].items->n;
	return n;
}

static void
take_keys(struct arena *a, struct ask *q)
{
	const struct keys *items;
	struct key *key;
	size_t i, j;

	empty_items(q->wanted.list, q->wanted.n);
	for (i = 0; i < q->wanted.n; i++) {
		key = &q->wanted.list[i];
		items = key->items;
		if (items != NULL)
			empty_items(items->list, items->n);
		if (key->tag != TAG_ScheduledProcedureStepSequence) {
			take_key(a, q, key, ATTRIBUTE_TOP);
			continue;
		}
		q->step = true;
		for (j = 0; items != NULL && j < items->n; j++)
			take_key(a, q, &items->list[j], ATTRIBUTE_STEP);
	}
}

static struct ask_key *
find_key(struct ask *q, uint32_t tag)
{
	size_t i;

	for (i = 0; i < q->key_count; i++)
		if (q->keys[i].key->tag == tag)
			return &q->keys[i];
	return NULL;
}

/* A8: no station asked for is the caller's own. */
static void
own_station(struct arena *a, struct ask *q)
{
	struct key *key;

	if (!q->rules->calling_ae_as_station || q->rules->caller[0] == '\0' ||
	    find_key(q, TAG_ScheduledStationAETitle) != NULL)
		return;
	key = arena_alloc(a, sizeof(*key));
	if (key == NULL)
		return;
	*key = (struct key){.tag = TAG_ScheduledStationAETitle,
	    .vr = VR_AE,
	    .value = str_from(q->rules->caller),
	    .demands = true};
	q->keys[q->key_count++] = (struct ask_key){.key = key,
	    .attribute = attribute_of(key->tag),
	    .value = key->value,
	    .own_station = true};
}

/* Date and time ranges are one range: Table K.6-1 wants it so, negotiated or
 * not. Both of the same form (PS3.4 C.2.2.2.5.4). */
static void
join_moment(struct ask *q)
{
	struct ask_key *date = find_key(q, TAG_ScheduledProcedureStepStartDate);
	struct ask_key *time = find_key(q, TAG_ScheduledProcedureStepStartTime);
	struct str day_from, day_to, from, to;

	if (q->rules->apart || date == NULL || time == NULL ||
	    !match_range_split(VR_DA, date->value, &day_from, &day_to) ||
	    !match_range_split(VR_TM, time->value, &from, &to) ||
	    (day_from.n > 0) != (from.n > 0) || (day_to.n > 0) != (to.n > 0))
		return;
	date->time = time;
	time->in_moment = true;
}

static void
search_dates(struct arena *a, struct ask *q, struct str key)
{
	char low[9] = "", high[9] = "";
	struct str from = key, to = key;

	if (str_find(key, '\\') < key.n)
		return;
	(void)match_range_split(VR_DA, key, &from, &to);
	if (from.n > 0 && date_parse(from, low))
		q->search.date_from = arena_dup(a, str_from(low));
	if (to.n > 0 && date_parse(to, high))
		q->search.date_to = arena_dup(a, str_from(high));
}

/* What begins a name of the first group, as far as it is ASCII; other letters
 * may stand in any group. */
static void
search_name(struct ask *q, struct str key)
{
	size_t i;

	for (i = 0; i < key.n && strchr("*?,= \\", key.p[i]) == NULL; i++)
		if (key.p[i] >= 0x80)
			return;
	if (str_find(key, '\\') < key.n || q->rules->letters.node.n > 0 ||
	    i == 0)
		return;
	q->search.name = str_of(key.p, i);
}

static void
search_by(struct arena *a, struct ask *q, const struct ask_key *k)
{
	struct str v = k->value;

	if (k->ignored)
		return;
	if (k->key->tag == TAG_ScheduledProcedureStepStartDate) {
		search_dates(a, q, v);
		return;
	}
	if (k->key->tag == TAG_PatientName) {
		search_name(q, v);
		return;
	}
	if (str_find(v, '\\') < v.n ||
	    (k->key->tag != TAG_StudyInstanceUID && has_wild(v)))
		return;
	switch (k->key->tag) {
	case TAG_ScheduledStationAETitle:
		q->search.station_ae = str_trim(v);
		q->search.without_ae = !q->rules->hide_without_ae;
		break;
	case TAG_Modality:
		q->search.modality = v;
		break;
	case TAG_PatientID:
		q->search.patient_id = v;
		break;
	case TAG_AccessionNumber:
		q->search.accession = v;
		break;
	case TAG_RequestedProcedureID:
		q->search.procedure_id = v;
		break;
	case TAG_ScheduledProcedureStepID:
		q->search.step_id = v;
		break;
	case TAG_StudyInstanceUID:
		q->search.study = v;
		break;
	default:
		break;
	}
}

static void
make_search(struct arena *a, struct ask *q)
{
	size_t i;

	q->search = (struct item_search){.cut = true};
	for (i = 0; i < STATUS_COUNT; i++)
		q->search.status[i] = ask_shows(q, (enum order_status)i);
	for (i = 0; i < q->key_count; i++)
		search_by(a, q, &q->keys[i]);
}

bool
ask_shows(const struct ask *q, enum order_status status)
{
	switch (status) {
	case STATUS_NONE:
	case STATUS_SCHEDULED:
	case STATUS_ARRIVED:
		return true;
	case STATUS_STARTED:
		return !q->rules->hide_started;
	case STATUS_COMPLETED:
	case STATUS_DISCONTINUED:
	case STATUS_CANCELED:
	case STATUS_HELD:
	case STATUS_COUNT:
		break;
	}
	return false;
}

static void
note_shape(struct ask *q, const struct dataset *ds)
{
	const struct element *step =
	    dataset_find(ds, TAG_ScheduledProcedureStepSequence);

	q->level = dataset_find(ds, TAG_QueryRetrieveLevel) != NULL;
	if (step == NULL)
		note(q, "the Scheduled Procedure Step Sequence is missing");
	else if (step->item_count > 1)
		note(q, "of several items in the Scheduled Procedure Step "
			"Sequence the first counts");
	if (dataset_find(ds, TAG_TimezoneOffsetFromUTC) != NULL)
		note(q, "times are compared as they are scheduled, whatever "
			"the time zone of the query");
}

bool
ask_read(struct arena *a, const struct ask_rules *rules, struct str bytes,
    struct syntax syntax, struct ask *out, struct err *e)
{
	struct dataset *ds;

	*out = (struct ask){.rules = rules};
	if (bytes.n == 0)
		return fail(e, ERR_UNSUPPORTED, "the identifier is missing");
	if (!dataset_read(a, bytes, syntax, LIMIT_IDENTIFIER, 0, &ds, e))
		return fail_in(e, "the identifier");
	out->charset = dataset_str(ds, TAG_SpecificCharacterSet);
	if (out->charset.n == 0 && rules->letters.node.n > 0 &&
	    !dataset_put(
		ds, TAG_SpecificCharacterSet, VR_CS, rules->letters.node))
		return fail(e, ERR_LIMIT, "an identifier that is too large");
	note_shape(out, ds);
	if (!keys_read(a, ds, false, &out->wanted, e))
		return false;
	out->keys =
	    arena_array(a, count_keys(&out->wanted), sizeof(*out->keys));
	if (out->keys == NULL)
		return fail(e, ERR_LIMIT, "an identifier that is too large");
	take_keys(a, out);
	own_station(a, out);
	join_moment(out);
	make_search(a, out);
	if (a->over)
		return fail(e, ERR_LIMIT, "an identifier that is too large");
	return true;
}

/* Date and time, or one end of a range, as a DT. */
static struct str
moment(struct arena *a, struct str date, struct str time)
{
	struct str joined = replace(a, str_trim(date), ".", "");
	struct str rest = replace(a, str_trim(time), ":", "");
	char *text;

	if (joined.n == 0)
		return STR("");
	text = arena_printf(a, "%.*s%.*s", STR_ARG(joined), STR_ARG(rest));
	return str_from(text);
}

static bool
matches_moment(
    const struct ask_key *k, struct arena *a, const struct item *item)
{
	struct str date = item->value[FIELD_ScheduledProcedureStepStartDate];
	struct str time = item->value[FIELD_ScheduledProcedureStepStartTime];
	struct str date_from, date_to, time_from, time_to;

	(void)match_range_split(VR_DA, k->value, &date_from, &date_to);
	(void)match_range_split(VR_TM, k->time->value, &time_from, &time_to);
	/* What has no time fits the days of both ends. */
	if (time.n == 0 || date.n == 0)
		return match_value(a, VR_DA, k->value, date);
	return match_in_range(VR_DT, moment(a, date_from, time_from),
	    moment(a, date_to, time_to), moment(a, date, time));
}

static bool
matches_status(
    const struct ask_key *k, struct arena *a, const struct item *item)
{
	return match_value(
	    a, VR_CS, k->value, str_from(answer_status(item->status)));
}

static bool
matches_codes(const struct ask *q, const struct ask_key *k, struct arena *a,
    const struct item *item)
{
	struct dataset *ds = dataset_new(a);

	return ds != NULL &&
	       answer_put(ds, k->attribute, item, &q->rules->letters) &&
	       key_matches(k->key, a, ds, STR("ISO_IR 192"));
}

/* Short and plain values go out as they are. */
static bool
is_plain(struct str value)
{
	size_t i;

	for (i = 0; i < value.n; i++)
		if (value.p[i] < ' ' || value.p[i] > '~')
			return false;
	return value.n <= 16;
}

/* As a modality knows it: it may have been given less than what is kept. */
static bool
matches_shown(const struct ask *q, const struct ask_key *k, struct str key,
    struct arena *a, struct str value)
{
	struct str shown;

	if (is_plain(value))
		return false;
	shown = letters_value(a, &q->rules->letters, k->key->vr,
	    attribute_is_multi(k->attribute), value, NULL);
	return !str_eq(shown, value) && match_value(a, k->key->vr, key, shown);
}

static bool
matches_field(const struct ask *q, const struct ask_key *k, struct arena *a,
    const struct item *item)
{
	struct str value = item->value[k->attribute->field], key = k->value;
	enum vr vr = k->key->vr;

	if (k->key->tag == TAG_ScheduledStationAETitle && value.n == 0)
		return !q->rules->hide_without_ae;
	if (value.n == 0)
		return false;
	if (vr == VR_CS)
		value = upper(a, value);
	if (q->lenient && k->lenient.n > 0)
		key = k->lenient;
	return match_value(a, vr, key, value) ||
	       matches_shown(q, k, key, a, value);
}

bool
ask_key_matches(const struct ask *q, const struct ask_key *k,
    struct arena *scratch, const struct item *item)
{
	if (k->ignored || k->in_moment)
		return true;
	if (k->time != NULL)
		return matches_moment(k, scratch, item);
	switch (k->attribute->kind) {
	case ATTRIBUTE_VALUE:
		return matches_field(q, k, scratch, item);
	case ATTRIBUTE_STATUS:
		return matches_status(k, scratch, item);
	case ATTRIBUTE_CODES:
	case ATTRIBUTE_IDS:
	case ATTRIBUTE_PREGNANCY:
		return matches_codes(q, k, scratch, item);
	case ATTRIBUTE_NOTHING:
		break;
	}
	return true;
}

bool
ask_matches(const struct ask *q, struct arena *scratch, const struct item *item)
{
	size_t i;

	if (!ask_shows(q, item->status))
		return false;
	for (i = 0; i < q->key_count; i++)
		if (!ask_key_matches(q, &q->keys[i], scratch, item))
			return false;
	return true;
}
