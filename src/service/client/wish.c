/*
 * Presentation contexts and roles to ask for (PS3.8 7.1.1.13, PS3.7 D.3.3.4).
 *
 * A peer accepts one transfer syntax in each context. What is stored
 * compressed comes as it is only where a context has nothing but its syntax:
 * so a class gets one for the uncompressed syntaxes, one for each compressed
 * syntax, the common ones first, and in the last of those there are the rest.
 */
#include "service/client/client.h"

static const char *const plain[] = {
    UID_ExplicitVRLittleEndian, UID_ImplicitVRLittleEndian};

static const char *const stored[] = {UID_JPEGLosslessSV1, UID_JPEG2000Lossless,
    UID_JPEGBaseline8Bit, UID_JPEGLSLossless, UID_RLELossless, UID_JPEG2000,
    UID_JPEGExtended12Bit, UID_JPEGLossless, UID_JPEGLSNearLossless,
    UID_HTJ2KLossless, UID_HTJ2KLosslessRPCL, UID_HTJ2K, UID_MPEG4HP41,
    UID_MPEG4HP41BD, UID_MPEG2MPML, UID_MPEG2MPHL, UID_MPEG4HP422D,
    UID_MPEG4HP423D, UID_MPEG4HP42STEREO, UID_HEVCMP51, UID_HEVCM10P51,
    UID_JPEG2000MCLossless, UID_JPEG2000MC, UID_JPEGXLLossless,
    UID_JPEGXLJPEGRecompression, UID_JPEGXL, UID_DeflatedExplicitVRLittleEndian,
    UID_DeflatedImageFrameCompression, UID_ExplicitVRBigEndian};

/* The storage classes are more than there are contexts. These families are
 * seldom found in an archive of images and come last. */
static const char *const rare[] = {"1.2.840.10008.5.1.4.1.1.501.",
    "1.2.840.10008.5.1.4.1.1.601.", "1.2.840.10008.5.1.4.1.1.200.",
    "1.2.840.10008.5.1.4.1.1.201.", "1.2.840.10008.5.1.4.1.1.78.",
    "1.2.840.10008.5.1.4.1.1.79.", "1.2.840.10008.5.1.4.1.1.80.",
    "1.2.840.10008.5.1.4.1.1.82.", "1.2.840.10008.5.1.4.1.1.9.6.",
    "1.2.840.10008.5.1.4.1.1.9.7.", "1.2.840.10008.5.1.4.1.1.9.8.",
    "1.2.840.10008.5.1.4.1.1.68.", "1.2.840.10008.5.1.4.1.1.90.",
    "1.2.840.10008.5.1.4.1.1.91.", "1.2.840.10008.5.1.4.1.1.481.1",
    "1.2.840.10008.5.1.4.1.1.481.2", "1.2.840.10008.5.1.4.34.",
    "1.2.840.10008.5.1.1."};

/* What is being gathered. */
struct list {
	struct arena *arena;
	struct pdu_context *contexts;
	size_t n;
	struct pdu_role *roles;
	size_t role_count;
	bool over;
};

static void
list_init(struct list *l, struct arena *a)
{
	*l = (struct list){.arena = a};
	l->contexts = arena_array(a, LIMIT_CONTEXTS, sizeof(*l->contexts));
	l->roles = arena_array(a, LIMIT_CONTEXTS, sizeof(*l->roles));
	l->over = l->contexts == NULL || l->roles == NULL;
}

static void
list_add(struct list *l, struct str class, const char *const *syntaxes,
    size_t n, const char *const *more, size_t more_count)
{
	struct pdu_context *c;
	size_t i;

	if (l->over)
		return;
	must(l->n < LIMIT_CONTEXTS);
	c = &l->contexts[l->n++];
	c->abstract = class;
	c->syntaxes =
	    arena_array(l->arena, n + more_count, sizeof(*c->syntaxes));
	if (c->syntaxes == NULL) {
		l->over = true;
		return;
	}
	for (i = 0; i < n; i++)
		c->syntaxes[c->syntax_count++] = str_from(syntaxes[i]);
	for (i = 0; i < more_count; i++)
		c->syntaxes[c->syntax_count++] = str_from(more[i]);
}

static bool
list_end(const struct list *l, struct client_wish *w, struct err *e)
{
	*w = (struct client_wish){.contexts = l->contexts,
	    .context_count = l->n,
	    .roles = l->roles,
	    .role_count = l->role_count};
	return !l->over ||
	       fail(e, ERR_LIMIT, "no memory for presentation contexts");
}

bool
client_wish_plain(struct client_wish *w, struct arena *a,
    const char *const *classes, size_t n, struct err *e)
{
	struct list l;
	size_t i;

	list_init(&l, a);
	for (i = 0; i < n && l.n < LIMIT_CONTEXTS; i++)
		list_add(
		    &l, str_from(classes[i]), plain, ARRAY_LEN(plain), NULL, 0);
	return list_end(&l, w, e);
}

/* One class in up to 'room' contexts, with us as SCP. */
static void
add_class(struct list *l, struct str class, size_t room)
{
	size_t i, last;

	if (l->over || l->role_count == LIMIT_CONTEXTS)
		return;
	l->roles[l->role_count++] =
	    (struct pdu_role){.sop_class = class, .scp = true};
	if (room == 1) {
		list_add(l, class, plain, ARRAY_LEN(plain), stored,
		    ARRAY_LEN(stored));
		return;
	}
	list_add(l, class, plain, ARRAY_LEN(plain), NULL, 0);
	if (room - 1 > ARRAY_LEN(stored))
		room = ARRAY_LEN(stored) + 1;
	last = room - 2;
	for (i = 0; i < last; i++)
		list_add(l, class, &stored[i], 1, NULL, 0);
	list_add(l, class, &stored[last], ARRAY_LEN(stored) - last, NULL, 0);
}

static bool
is_rare(const struct dict_uid *u)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(rare); i++)
		if (str_starts(str_from(u->uid), str_from(rare[i])))
			return true;
	return false;
}

static void
add_all(struct list *l)
{
	const struct dict_uid *u;
	int pass;
	size_t i;

	for (pass = 0; pass < 2; pass++)
		for (i = 0; (u = dict_uid_at(i)) != NULL; i++)
			if (u->kind == UID_KIND_STORAGE &&
			    is_rare(u) == (pass == 1) && l->n < LIMIT_CONTEXTS)
				add_class(l, str_from(u->uid), 1);
}

bool
client_wish_get(struct client_wish *w, struct arena *a, const char *model,
    const struct str *classes, size_t n, struct err *e)
{
	struct list l;
	size_t i, room;

	list_init(&l, a);
	list_add(&l, str_from(model), plain, ARRAY_LEN(plain), NULL, 0);
	if (n > LIMIT_CONTEXTS - 1)
		n = LIMIT_CONTEXTS - 1;
	room = n > 0 ? (LIMIT_CONTEXTS - 1) / n : 0;
	for (i = 0; i < n; i++)
		add_class(&l, classes[i], room);
	if (n == 0)
		add_all(&l);
	return list_end(&l, w, e);
}
