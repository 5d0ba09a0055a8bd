/*
 * From settings to the watched folder and the upkeep.
 */
#include "app/worklist/keeper.h"

#include "app/worklist/common.h"

#include <limits.h>

static struct hl7_watch_config
watch_config(
    struct store *store, const struct settings *s, char folder[PATH_MAX])
{
	const char *path = s->at[SETTING_WORKLIST_WATCH_FOLDER].text;
	struct hl7_watch_config c = {.folder = folder,
	    .erase = s->at[SETTING_WORKLIST_WATCH_ERASE].number != 0};

	worklist_intake(s, &c.intake);
	snprintf(folder, PATH_MAX, "%s%s%s",
	    path[0] == '/' || path[0] == '\0' ? "" : store_folder(store),
	    path[0] == '/' || path[0] == '\0' ? "" : "/", path);
	return c;
}

/* never|7d|14d|1m|3m */
static struct upkeep_config
upkeep_config_of(const struct settings *s)
{
	static const struct upkeep_config choices[] = {
	    {0, 0}, {7, 0}, {14, 0}, {0, 1}, {0, 3}};
	size_t choice = (size_t)s->at[SETTING_WORKLIST_RETENTION].number;

	must(choice < ARRAY_LEN(choices));
	return choices[choice];
}

bool
worklist_keeper_open(struct worklist_keeper *k, struct store *store,
    const struct settings *s, struct err *e)
{
	char folder[PATH_MAX];
	struct hl7_watch_config watch = watch_config(store, s, folder);
	struct upkeep_config upkeep = upkeep_config_of(s);

	return hl7_watch_open(&k->watch, store, &watch, e) &&
	       upkeep_open(&k->upkeep, store, &upkeep, e);
}

void
worklist_keeper_configure(
    struct worklist_keeper *k, struct store *store, const struct settings *s)
{
	char folder[PATH_MAX];
	struct hl7_watch_config watch = watch_config(store, s, folder);
	struct upkeep_config upkeep = upkeep_config_of(s);

	hl7_watch_configure(k->watch, &watch);
	upkeep_configure(k->upkeep, &upkeep);
}

void
worklist_keeper_close(struct worklist_keeper *k)
{
	hl7_watch_close(&k->watch);
	upkeep_close(&k->upkeep);
}
