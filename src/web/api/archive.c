/*
 * Zips for people: a study, a series, a patient, or what was selected.
 */
#include "web/api/study.h"

#include "base/limit.h"
#include "dicom/value.h"
#include "web/auth/access.h"
#include "web/pack/pack.h"

/* UIDs of one selection. */
#define SELECTED 1000
/* Of one zip, but for what keeps it to what may be seen. */
#define CONDITIONS PATIENT_CONDITIONS

/* The last study that was looked at. */
struct viewed {
	struct call *call;
	char study[65];
	bool sees;
};

static bool
may_see(void *ctx, const struct index_row *row, bool *sees, struct err *e)
{
	struct str uid = row->value[COLUMN_StudyInstanceUID];
	struct viewed *v = ctx;

	(void)e;
	if (!str_eq_text(uid, v->study)) {
		(void)str_copy(v->study, sizeof(v->study), uid);
		v->sees = access_sees(v->call, row);
	}
	*sees = v->sees;
	return true;
}

/* What objects are sent in: so far as they are stored. */
static bool
syntax_known(struct call *c, struct reply *r, struct err *e)
{
	static const char *const later[] = {
	    "uncompressed", "jpeg-lossless", "jpeg-ls", "jpeg2000"};
	struct str wanted = call_field(c, "syntax");
	size_t i;

	if (wanted.n == 0 || str_eq_text(wanted, "original"))
		return true;
	for (i = 0; i < ARRAY_LEN(later); i++) {
		if (!str_eq_text(wanted, later[i]))
			continue;
		reply_refuse(r, 501, "not_converted",
		    "images are sent as they are stored, not as '%s': ask for "
		    "syntax=original",
		    later[i]);
		return false;
	}
	return fail(e, ERR_USAGE,
	    "syntax is original, uncompressed, jpeg-lossless, jpeg-ls or "
	    "jpeg2000");
}

/* Whether it is to be a medium with a DICOMDIR. */
static bool
take_dicomdir(struct call *c, bool *out, struct err *e)
{
	struct str v = call_field(c, "dicomdir");

	*out = str_eq_text(v, "1");
	if (*out || v.n == 0 || str_eq_text(v, "0"))
		return true;
	return fail(e, ERR_USAGE, "dicomdir is 1 or 0");
}

static struct pack *
begin_pack(struct call *c, bool dicomdir)
{
	struct pack *p = pack_new(c->store);

	if (dicomdir)
		pack_as_medium(p);
	return p;
}

/* As the first file is called: its patient, and its study with 'depth' 2. */
static void
name_it(struct call *c, struct reply *r, const struct pack *p, unsigned depth)
{
	const char *path = pack_first(p);
	struct buf name;
	size_t i;

	(void)c;
	buf_init(&name, 4 * KIB);
	for (i = 0; path[i] != '\0'; i++) {
		if (path[i] == '/' && --depth == 0)
			break;
		buf_u8(&name, path[i] == '/' ? '_' : (uint8_t)path[i]);
	}
	buf_text(&name, ".zip");
	reply_attachment(r, buf_str(&name));
	buf_fini(&name);
}

static bool
send_pack(struct call *c, struct reply *r, struct pack **p, unsigned depth,
    struct err *e)
{
	char tag[PACK_TAG];

	if (pack_count(*p) == 0) {
		pack_free(p);
		return fail(e, ERR_MISSING, "there are no such images");
	}
	if (!pack_end(*p, e)) {
		pack_free(p);
		return false;
	}
	name_it(c, r, *p, depth);
	reply_source(r, pack_source(p, tag), "application/zip");
	reply_header(r, "ETag", tag);
	r->ranges = true;
	return true;
}

static struct condition
is(enum column column, struct str value)
{
	return (struct condition){
	    .column = column, .kind = CONDITION_IS, .a = value};
}

/* A zip of what fits. */
static bool
send_fitting(struct call *c, struct reply *r,
    const struct condition *conditions, size_t count, unsigned depth,
    struct err *e)
{
	struct condition all[CONDITIONS + ACCESS_CONDITIONS];
	struct viewed viewed = {.call = c};
	bool want[COLUMN_COUNT];
	struct pack *p;
	bool dicomdir;
	size_t n;

	if (!syntax_known(c, r, e))
		return r->status != 0;
	must(count <= CONDITIONS);
	memcpy(all, conditions, count * sizeof(*conditions));
	if (!take_dicomdir(c, &dicomdir, e))
		return false;
	access_limit(c, all + count, &n, want);
	p = begin_pack(c, dicomdir);
	if (pack_add(p, all, count + n, may_see, &viewed, e))
		return send_pack(c, r, &p, depth, e);
	pack_free(&p);
	return false;
}

bool
archive_send_study(
    struct call *c, struct reply *r, struct str uid, struct err *e)
{
	struct condition study = is(COLUMN_StudyInstanceUID, uid);

	return send_fitting(c, r, &study, 1, 2, e);
}

bool
archive_study(struct call *c, struct reply *r, struct err *e)
{
	return archive_send_study(c, r, call_param(c, "study"), e);
}

bool
archive_series(struct call *c, struct reply *r, struct err *e)
{
	struct condition conditions[] = {
	    is(COLUMN_StudyInstanceUID, call_param(c, "study")),
	    is(COLUMN_SeriesInstanceUID, call_param(c, "series")),
	};

	return send_fitting(c, r, conditions, 2, 2, e);
}

bool
archive_series_alone(struct call *c, struct reply *r, struct err *e)
{
	struct condition series =
	    is(COLUMN_SeriesInstanceUID, call_param(c, "series"));

	return send_fitting(c, r, &series, 1, 2, e);
}

bool
archive_patient(struct call *c, struct reply *r, struct err *e)
{
	struct condition conditions[PATIENT_CONDITIONS];
	size_t n;

	return study_patient_is(c, call_param(c, "id"), conditions, &n, e) &&
	       send_fitting(c, r, conditions, n, 1, e);
}

/* Adds each of a list of UIDs. */
static bool
add_list(struct call *c, struct pack *p, enum column column, const char *name,
    struct err *e)
{
	struct str rest = call_field(c, name), uid;
	struct condition all[1 + ACCESS_CONDITIONS];
	struct viewed viewed = {.call = c};
	bool want[COLUMN_COUNT];
	size_t n = 0, limits;

	access_limit(c, all + 1, &limits, want);
	while (rest.n > 0 && str_split(&rest, ',', &uid)) {
		uid = str_trim(uid);
		if (!uid_met(uid))
			return fail(e, ERR_USAGE,
			    "%s is a list of UIDs with commas", name);
		if (++n > SELECTED)
			return fail(
			    e, ERR_LIMIT, "more than %d in %s", SELECTED, name);
		all[0] = is(column, uid);
		if (!pack_add(p, all, 1 + limits, may_see, &viewed, e))
			return false;
	}
	return true;
}

bool
archive_selection(struct call *c, struct reply *r, struct err *e)
{
	struct pack *p;
	bool dicomdir;

	if (!syntax_known(c, r, e))
		return r->status != 0;
	if (!take_dicomdir(c, &dicomdir, e))
		return false;
	p = begin_pack(c, dicomdir);
	if (add_list(c, p, COLUMN_StudyInstanceUID, "studies", e) &&
	    add_list(c, p, COLUMN_SeriesInstanceUID, "series", e))
		return send_pack(c, r, &p, 1, e);
	pack_free(&p);
	return false;
}
