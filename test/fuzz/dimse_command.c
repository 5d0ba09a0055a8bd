/*
 * Command sets: whatever parses builds, and what was built parses to what
 * builds the same bytes.
 */
#include "net/dimse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *text, size_t room)
{
	must(strnlen(text, room) < room);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dimse m = {.context = 5}, again = {0};
	struct buf first, second;
	struct err e;

	if (!dimse_command_parse(str_of(data, size), &m, &e)) {
		must(e.code == ERR_MALFORMED);
		return 0;
	}
	must(m.context == 5);
	must(m.is_response == ((m.command & 0x8000) != 0));
	check_text(m.sop_class, sizeof(m.sop_class));
	check_text(m.sop_instance, sizeof(m.sop_instance));
	check_text(m.destination, sizeof(m.destination));
	check_text(m.originator_ae, sizeof(m.originator_ae));
	check_text(m.comment, sizeof(m.comment));
	buf_init(&first, LIMIT_COMMAND_SET);
	buf_init(&second, LIMIT_COMMAND_SET);
	dimse_command_build(&first, &m);
	must(!first.over);
	must(dimse_command_parse(buf_str(&first), &again, &e));
	must(again.command == m.command && again.message_id == m.message_id);
	must(again.has_data == m.has_data);
	must(!m.is_response || again.status == m.status);
	dimse_command_build(&second, &again);
	must(str_eq(buf_str(&first), buf_str(&second)));
	buf_fini(&first);
	buf_fini(&second);
	return 0;
}
