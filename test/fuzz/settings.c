/*
 * INI files of settings: any bytes are read or refused, and a value that is
 * taken has a canonical text that gives the same value again.
 */
#include "app/settings.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
entry(void *ctx, struct str key, struct str value, struct err *e)
{
	struct setting_value again;
	struct settings *s = ctx;
	enum setting_id id;
	char text[32];
	uint64_t bytes;

	must(utf8_valid(key) && utf8_valid(value));
	if (size_parse(value, &bytes))
		must(size_parse(str_from(size_text(bytes, text)), &bytes));
	/* A wrong line is passed over, so that the rest is seen as well. */
	if (!settings_set(s, key, value, SOURCE_FILE, e)) {
		must(e->code == ERR_USAGE && e->text[0] != '\0');
		return true;
	}
	must(settings_find(key, &id, e));
	must(settings_parse(
	    settings_info(id), str_from(s->at[id].text), &again, e));
	must(!strcmp(again.text, s->at[id].text));
	must(again.number == s->at[id].number);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings s;
	struct err e;

	settings_init(&s);
	if (!settings_read_ini("f", str_of(data, size), entry, &s, &e))
		must(e.code == ERR_USAGE && strstr(e.text, "'f'") != NULL);
	return 0;
}
