/*
 * Part 10 files: the meta header is found without a slice that leaves the
 * bytes, what was found is written and found again, and the data set behind it
 * parses the same however it is cut. The dump says nothing that is not UTF-8.
 */
#include "base/utf8.h"
#include "dicom/dump.h"
#include "dicom/file.h"
#include "events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_within(struct str bytes, struct str part)
{
	must(part.n <= bytes.n);
	must(part.n == 0 ||
	     (part.p >= bytes.p && part.p <= bytes.p + (bytes.n - part.n)));
}

static void
check_rebuilt(const struct file_meta *meta)
{
	struct file_meta again;
	struct buf out;
	struct err e;

	buf_init(&out, 1 * MIB);
	if (!file_meta_build(&out, meta, &e)) {
		must(e.code == ERR_LIMIT);
		buf_fini(&out);
		return;
	}
	must(file_meta_read(buf_str(&out), &again, &e));
	must(!again.guessed && again.data_offset == out.n);
	must(str_eq(again.sop_class, meta->sop_class));
	must(str_eq(again.sop_instance, meta->sop_instance));
	must(str_eq(again.syntax, meta->syntax));
	must(str_eq(again.source_ae, meta->source_ae));
	must(str_eq(again.private_creator, meta->private_creator));
	must(str_starts(again.private_info, meta->private_info));
	buf_fini(&out);
}

static void
check_dump(struct str bytes)
{
	struct buf out;
	struct err e = {0};

	buf_init(&out, 4 * MIB);
	if (!dump_file(&out, bytes, &e))
		must(e.code != ERR_NONE && e.text[0] != '\0');
	must(utf8_valid(buf_str(&out)));
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_of(data, size);
	struct file_meta meta;
	struct err e = {0};

	if (!file_meta_read(bytes, &meta, &e)) {
		must(e.code == ERR_MALFORMED || e.code == ERR_LIMIT);
		return 0;
	}
	must(meta.meta_offset <= meta.data_offset && meta.data_offset <= size);
	check_within(bytes, meta.sop_class);
	check_within(bytes, meta.sop_instance);
	check_within(bytes, meta.source_ae);
	check_within(bytes, meta.private_creator);
	check_within(bytes, meta.private_info);
	if (!meta.guessed)
		check_within(bytes, meta.syntax);
	must(meta.syntax.n > 0);
	check_rebuilt(&meta);
	(void)events_check(syntax_of(meta.syntax),
	    str_of(data + meta.data_offset, size - (size_t)meta.data_offset));
	check_dump(bytes);
	return 0;
}
