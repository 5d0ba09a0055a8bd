/*
 * 'doctor': one file a group of checks, which say what they see as signs
 * (signs.def). A check changes nothing, and a failure of its own is a sign
 * too.
 */
#ifndef APP_DOCTOR_H
#define APP_DOCTOR_H

#include "app/settings.h"
#include "base/arena.h"

enum doctor_level { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_PROBLEM };

enum sign {
#define SIGN(id, code, level, means, help) SIGN_##id,
#include "app/doctor/signs.def"
#undef SIGN
	SIGN_COUNT
};

struct sign_info {
	const char *code;
	enum doctor_level level;
	const char *means, *help;
};
const struct sign_info *sign_info(enum sign sign);

struct finding {
	enum sign sign;
	char *text, *command; /* command: NULL, or what does it */
};

struct doctor {
	const char *data;
	bool deep, ask_nodes;
	struct settings settings;
	struct store *store; /* NULL: it cannot be opened */
	bool served;         /* a server has the folder … */
	int64_t process;     /* … in this process; 0: not known */
	struct arena arena;
	struct finding *found;
	size_t n, room;
};

void doctor_init(struct doctor *d, const char *data);
void doctor_fini(struct doctor *d);
/* What is so, in words, with the thing's name. */
void doctor_say(struct doctor *d, enum sign sign, const char *format, ...)
    PRINTF(3, 4);
/* The command line that does what the last sign asks for. Words that are not
 * ours go through doctor_quote(). */
void doctor_command(struct doctor *d, const char *format, ...) PRINTF(2, 3);
/* As one word of a shell's command line, whatever is in it. In the arena. */
const char *doctor_quote(struct doctor *d, const char *word);
/* A path as the doctor's --data gives it; in the arena. */
const char *doctor_path(struct doctor *d, const char *within);

/* The setting with this key, NULL where the table has none. */
const struct setting_value *doctor_setting(
    const struct doctor *d, const char *key);
/* The other setting of a key's section: "dicom.port", "bind" gives that of
 * dicom.bind. */
const struct setting_value *doctor_sibling(
    const struct doctor *d, const char *key, const char *name);
/* A small file of the kernel's (/proc); *text is in the arena. */
bool doctor_read(struct doctor *d, const char *path, struct str *text,
    struct err *e) MUST_USE;

/* Opens the archive, too. */
void check_archive(struct doctor *d);
void check_disk(struct doctor *d);
void check_ports(struct doctor *d);
void check_network(struct doctor *d);
void check_nodes(struct doctor *d);
void check_refused(struct doctor *d);
void check_host(struct doctor *d);
void check_clock(struct doctor *d, int64_t now_ms);
void check_certificates(struct doctor *d);
void check_worklist(struct doctor *d);

#endif
