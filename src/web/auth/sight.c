/*
 * Which studies a viewer may see: as conditions of a search, which find what
 * may be seen, and as a test of each row, which decides.
 */
#include "web/auth/access.h"

#include "dicom/match.h"

bool
access_is_limited(const struct call *c)
{
	const struct user *u = &c->viewer.user;

	if (c->viewer.kind != VIEWER_USER)
		return true;
	if (u->admin)
		return false;
	return u->only_own || u->text[USER_ONLY_INSTITUTION][0] != '\0' ||
	       u->text[USER_ONLY_REFERRING][0] != '\0' ||
	       u->text[USER_ONLY_MODALITY][0] != '\0';
}

struct str
access_code(struct arena *a, struct str typed)
{
	uint8_t *p = arena_alloc(a, typed.n);
	size_t i;

	for (i = 0; p != NULL && i < typed.n; i++) {
		p[i] = typed.p[i];
		if (p[i] >= 'a' && p[i] <= 'z')
			p[i] = (uint8_t)(p[i] - ('a' - 'A'));
	}
	return p != NULL ? str_of(p, typed.n) : typed;
}

/* Codes as they were typed, and as they should have been. */
static struct str *
split_list(struct arena *a, const char *text, size_t *n)
{
	struct str rest = str_from(text), part;
	struct str *list = arena_array(a, 2 * USER_TEXT_ROOM, sizeof(*list));

	*n = 0;
	while (list != NULL && str_split(&rest, ',', &part)) {
		part = str_trim(part);
		if (part.n == 0)
			continue;
		list[(*n)++] = part;
		list[(*n)++] = access_code(a, part);
	}
	return list;
}

static void
add_pattern(struct condition *out, size_t *n, enum column column,
    const char *text, bool want[COLUMN_COUNT])
{
	struct str s = str_from(text);
	bool wild = str_find(s, '*') < s.n || str_find(s, '?') < s.n;

	if (s.n == 0)
		return;
	out[(*n)++] = (struct condition){.column = column,
	    .kind = wild ? CONDITION_PATTERN : CONDITION_IS,
	    .a = s};
	want[column] = true;
}

void
access_limit(
    struct call *c, struct condition *out, size_t *n, bool want[COLUMN_COUNT])
{
	const struct user *u = &c->viewer.user;
	struct condition *m;

	*n = 0;
	want[COLUMN_StudyInstanceUID] = true;
	if (c->viewer.kind != VIEWER_USER) {
		out[(*n)++] =
		    (struct condition){.column = COLUMN_StudyInstanceUID,
			.kind = CONDITION_IS,
			.a = c->viewer.kind == VIEWER_LINK
				 ? str_from(c->viewer.visit.study)
				 : STR("0")};
		return;
	}
	if (u->admin)
		return;
	add_pattern(out, n, COLUMN_InstitutionName,
	    u->text[USER_ONLY_INSTITUTION], want);
	add_pattern(out, n, COLUMN_ReferringPhysicianName,
	    u->text[USER_ONLY_REFERRING], want);
	if (u->text[USER_ONLY_MODALITY][0] != '\0') {
		m = &out[(*n)++];
		*m = (struct condition){.column = COLUMN_ModalitiesInStudy,
		    .kind = CONDITION_MODALITY};
		m->list = split_list(
		    &c->arena, u->text[USER_ONLY_MODALITY], &m->list_count);
		want[COLUMN_ModalitiesInStudy] = true;
	}
	if (u->only_own)
		out[(*n)++] =
		    (struct condition){.column = COLUMN_StudyInstanceUID,
			.kind = CONDITION_OWNER,
			.row = u->id};
}

static bool
fits(struct call *c, enum vr vr, const char *limit, struct str value)
{
	return limit[0] == '\0' ||
	       match_value(&c->arena, vr, str_from(limit), value);
}

static bool
some_modality(struct call *c, const char *limit, struct str have)
{
	struct str *list, part;
	size_t i, n;

	if (limit[0] == '\0')
		return true;
	list = split_list(&c->arena, limit, &n);
	while (have.p != NULL && str_split(&have, '\\', &part))
		for (i = 0; i < n; i++)
			if (str_eq(str_trim(part), list[i]))
				return true;
	return false;
}

bool
access_sees(struct call *c, const struct index_row *row)
{
	const struct user *u = &c->viewer.user;

	if (c->viewer.kind == VIEWER_LINK)
		return str_eq_text(
		    row->value[COLUMN_StudyInstanceUID], c->viewer.visit.study);
	if (c->viewer.kind != VIEWER_USER)
		return false;
	/* Which studies are his own, the condition decides. */
	return u->admin || (fits(c, VR_LO, u->text[USER_ONLY_INSTITUTION],
				row->value[COLUMN_InstitutionName]) &&
			       fits(c, VR_PN, u->text[USER_ONLY_REFERRING],
				   row->value[COLUMN_ReferringPhysicianName]) &&
			       some_modality(c, u->text[USER_ONLY_MODALITY],
				   row->value[COLUMN_ModalitiesInStudy]));
}

bool
access_study(
    struct call *c, struct str uid, struct index_row *out, struct err *e)
{
	struct condition conditions[1 + ACCESS_CONDITIONS];
	struct search search = {.level = LEVEL_STUDY, .want_patient = true};
	struct index_row *rows;
	size_t n, i;

	conditions[0] = (struct condition){
	    .column = COLUMN_StudyInstanceUID, .kind = CONDITION_IS, .a = uid};
	for (i = 0; i < COLUMN_COUNT; i++)
		search.want[i] =
		    column_info((enum column)i)->level <= LEVEL_STUDY;
	if (uid.n == 0 || uid.n > 64)
		return fail(e, ERR_MISSING, "there is no such study");
	access_limit(c, conditions + 1, &n, search.want);
	search.conditions = conditions;
	search.count = 1 + n;
	if (!index_search(c->store, &search, 0, &c->arena, &rows, &n, e))
		return false;
	for (i = 0; i < n; i++)
		if (str_eq(rows[i].value[COLUMN_StudyInstanceUID], uid) &&
		    access_sees(c, &rows[i])) {
			*out = rows[i];
			return true;
		}
	return fail(e, ERR_MISSING, "there is no such study");
}

bool
access_sees_row(
    struct call *c, enum index_level level, const struct index_row *row)
{
	/* Without limits there is nothing of a study to look at. */
	return (level == LEVEL_PATIENT && !access_is_limited(c)) ||
	       access_sees(c, row);
}
