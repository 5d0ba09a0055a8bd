/*
 * What move and get are to bring, from their options: one request each for
 * the studies, series or images named, for a patient, or for keys.
 */
#ifndef APP_CLIENT_SELECT_H
#define APP_CLIENT_SELECT_H

#include "app/client/model.h"
#include "app/verb.h"

struct select_options {
	struct words studies, series, images;
	const char *patient, *level, *model, *charset;
};
#define SELECT_OPTIONS(o)                                                      \
	{"--study", OPTION_MANY, &(o).studies},                                \
	    {"--series", OPTION_MANY, &(o).series},                            \
	    {"--image", OPTION_MANY, &(o).images},                             \
	    {"--patient", OPTION_TEXT, &(o).patient},                          \
	    {"--level", OPTION_TEXT, &(o).level},                              \
	{                                                                      \
		"--model", OPTION_TEXT, &(o).model                             \
	}
#define SELECT_HELP                                                            \
	"  --study UID     this study; may be given several times\n"           \
	"  --series UID    of the one study given: only these series\n"        \
	"  --image UID     of the one series given: only these images\n"       \
	"  --patient ID    all of a patient, or whose the study is\n"          \
	"  --level L       of KEY=VALUE: patient, study, series or image\n"    \
	"  --model M       study (default), patient or patient-study\n"
void select_options_free(struct select_options *o);

struct selected {
	struct keys keys;
	enum model_depth depth;
	char label[100]; /* "study 1.2.3" */
};
struct selection {
	enum model_root root;
	struct selected *at;
	size_t n;
};
/* words: KEY=VALUE. Everything lies in the arena. */
bool select_make(struct selection *s, struct arena *a,
    const struct select_options *o, const char *const *words, size_t n,
    struct err *e) MUST_USE;

#endif
