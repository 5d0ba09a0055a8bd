/*
 * Where orders come from besides the HL7 port: the watched folder. The server
 * tries again by itself; until then no order of it is taken.
 */
#include "app/doctor/doctor.h"

#include "base/limit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files are read, and get another name when they have been taken. */
static const char *
trouble(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return strerrordesc_np(errno);
	if (!S_ISDIR(st.st_mode))
		return "it is no folder";
	if (faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS) != 0)
		return "its files cannot be read";
	if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
		return errno == EROFS ? "its file system is read-only"
				      : "its files cannot be renamed";
	return NULL;
}

void
check_worklist(struct doctor *d)
{
	const struct setting_value *v =
	    doctor_setting(d, "worklist.watch_folder");
	const char *path, *why;

	if (v == NULL || v->text[0] == '\0')
		return;
	/* As the server reads it. */
	path = v->text[0] == '/' ? v->text : doctor_path(d, v->text);
	why = trouble(path);
	if (why != NULL)
		doctor_say(d, SIGN_WATCH_CLOSED, "'%s': %s", path, why);
	else
		doctor_say(d, SIGN_WATCH_OPEN, "'%s' is watched", path);
}
