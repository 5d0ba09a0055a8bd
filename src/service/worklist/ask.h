/*
 * What a modality asks of the worklist (PS3.4 K.4.1): from the identifier of a
 * C-FIND to keys and a search, and whether an item matches.
 *
 * The search narrows; ask_matches() decides. Lenient where modalities are:
 * keys count wherever they stand, a missing or empty Scheduled Procedure Step
 * Sequence asks for everything; what was odd stands in 'notes'.
 */
#ifndef SERVICE_WORKLIST_ASK_H
#define SERVICE_WORKLIST_ASK_H

#include "dicom/keys.h"
#include "service/worklist/letters.h"
#include "store/worklist/item.h"

enum attribute_place { ATTRIBUTE_TOP, ATTRIBUTE_STEP };
enum attribute_kind {
	ATTRIBUTE_VALUE,
	ATTRIBUTE_CODES,
	ATTRIBUTE_IDS,
	ATTRIBUTE_STATUS,
	ATTRIBUTE_PREGNANCY,
	ATTRIBUTE_NOTHING
};
enum attribute_need { ATTRIBUTE_ALWAYS, ATTRIBUTE_EMPTY, ATTRIBUTE_ELSE };

/* attributes.def */
struct attribute {
	enum attribute_place place;
	uint32_t tag;
	enum attribute_kind kind;
	enum field field; /* FIELD_COUNT: none */
	enum attribute_need need;
};
#define ATTRIBUTES_MAX 80
extern const struct attribute attributes[];
extern const size_t attribute_count;
const struct attribute *attribute_of(uint32_t tag); /* NULL: not ours */

/* Who asks, and what the site wants for it. */
struct ask_rules {
	char caller[17];
	struct letters letters;
	/* An empty Scheduled Station AE Title means the caller's own (A8). */
	bool calling_ae_as_station;
	bool hide_without_ae; /* items for no station are for none, not all */
	bool ignore_ae;       /* this key of the node is no condition */
	bool hide_started;
	bool apart;     /* date and time ranges are two conditions */
	unsigned days;  /* each date is meant with so many days around */
	unsigned limit; /* answers; 0: all */
};

#define ASK_NOTES 8

struct ask_key {
	const struct key *key;
	const struct attribute *attribute;
	struct str value; /* what is compared with: as asked, or as meant */
	struct str
	    lenient;      /* of a name, where nothing matches that; or empty */
	bool own_station; /* not asked: calling_ae_as_station */
	bool ignored;     /* by ignore_ae */
	/* Of a date: its time is part of it. Of a time: see the date. */
	const struct ask_key *time;
	bool in_moment;
};

struct ask {
	const struct ask_rules *rules;
	struct item_search search;
	struct keys wanted;   /* what is to be answered */
	struct ask_key *keys; /* those that demand something */
	size_t key_count;
	struct str charset; /* of the identifier */
	bool unsupported;   /* some optional key cannot be looked for */
	bool lenient;       /* compare names by ask_key.lenient */
	bool has_lenient;
	bool level; /* (0008,0052) was sent, and is to be echoed */
	bool step;  /* the sequence is there */
	const char *notes[ASK_NOTES];
	size_t note_count;
};

/* Those for a caller: the site's, and what its node has otherwise. */
struct worklist_config;
void ask_rules_of(struct store *s, struct arena *a, const char *caller,
    const struct worklist_config *config, struct ask_rules *out);
/* What of these holds for a query, as it is kept with it, and back. */
#define ASK_FLAGS 3
void ask_flags(const struct worklist_config *config, char out[ASK_FLAGS]);
void ask_flags_read(const char *flags, struct worklist_config *config);
/* Everything lies in the arena; rules must outlive it. ERR_MALFORMED,
 * ERR_LIMIT, ERR_UNSUPPORTED (no identifier). */
bool ask_read(struct arena *a, const struct ask_rules *rules, struct str bytes,
    struct syntax syntax, struct ask *out, struct err *e) MUST_USE;
/* By all keys, and whether items of this status are shown. */
bool ask_matches(const struct ask *ask, struct arena *scratch,
    const struct item *item) MUST_USE;
/* By one of them. */
bool ask_key_matches(const struct ask *ask, const struct ask_key *key,
    struct arena *scratch, const struct item *item) MUST_USE;
bool ask_shows(const struct ask *ask, enum order_status status);

#endif
