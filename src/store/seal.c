/*
 * The sealed header, see seal.h.
 */
#include "store/seal.h"

#include "base/os.h"
#include "base/rd.h"
#include "dicom/file.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#define MAGIC       "FRM1"
#define CREATOR     "2.25.52789313374794527011250102262913291939"
#define SEALED_SIZE 56

static void
add_u64le(struct buf *b, uint64_t v)
{
	buf_u32le(b, (uint32_t)(v & 0xffffffff));
	buf_u32le(b, (uint32_t)(v >> 32));
}

static void
build_with(const struct seal *seal, struct str info, struct buf *out)
{
	struct file_meta meta = {
	    .sop_class = seal->sop_class,
	    .sop_instance = seal->sop_instance,
	    .syntax = seal->syntax,
	    .source_ae = seal->source_ae,
	    .private_creator = STR(CREATOR),
	    .private_info = info,
	};
	struct err e;

	buf_clear(out);
	must(file_meta_build(out, &meta, &e));
}

void
seal_build(const struct seal *seal, uint8_t out[SEAL_DATA_AT])
{
	struct buf info, header;

	buf_init(&info, SEAL_DATA_AT);
	buf_init(&header, 2 * SEAL_DATA_AT);
	buf_text(&info, MAGIC);
	buf_u32le(&info, seal->number);
	add_u64le(&info, (uint64_t)seal->arrived_ms);
	add_u64le(&info, seal->size);
	buf_add(&info, str_of(seal->sha256, sizeof(seal->sha256)));
	must(info.n == SEALED_SIZE);
	/* Once to learn the length of the rest. */
	build_with(seal, buf_str(&info), &header);
	must(header.n <= SEAL_DATA_AT);
	buf_fill(&info, 0, SEAL_DATA_AT - header.n);
	build_with(seal, buf_str(&info), &header);
	must(header.n == SEAL_DATA_AT);
	memcpy(out, header.p, SEAL_DATA_AT);
	buf_fini(&header);
	buf_fini(&info);
}

static bool
unseal(struct str info, struct object_file *out, uint32_t *number)
{
	bool bad = false;
	struct rd r = rd_over(info, &bad);
	struct str magic = rd_take(&r, 4), sha256;

	*number = rd_u32le(&r);
	out->arrived_ms = (int64_t)rd_u64le(&r);
	out->data_size = rd_u64le(&r);
	sha256 = rd_take(&r, sizeof(out->sha256));
	if (bad || !str_eq(magic, STR(MAGIC)) || out->data_size > LIMIT_OBJECT)
		return false;
	memcpy(out->sha256, sha256.p, sizeof(out->sha256));
	return true;
}

bool
seal_read(int fd, const char *path, struct object_file *out, uint32_t *number,
    struct err *e)
{
	uint8_t head[SEAL_DATA_AT];
	struct file_meta meta;
	struct stat st;
	ssize_t n = os_pread_full(fd, head, sizeof(head), 0);

	if (n < 0 || fstat(fd, &st) != 0)
		return fail_errno(e, "cannot read '%s'", path);
	if (n != SEAL_DATA_AT ||
	    !file_meta_read(str_of(head, sizeof(head)), &meta, e) ||
	    meta.data_offset != SEAL_DATA_AT ||
	    !str_eq(meta.private_creator, STR(CREATOR)) ||
	    !unseal(meta.private_info, out, number))
		return fail(
		    e, ERR_CORRUPT, "'%s' has no whole header of ours", path);
	if ((uint64_t)st.st_size != SEAL_DATA_AT + out->data_size)
		return fail(e, ERR_CORRUPT,
		    "'%s' has %" PRIu64 " bytes of data, %" PRIu64
		    " were received",
		    path, (uint64_t)st.st_size - SEAL_DATA_AT, out->data_size);
	out->data_at = SEAL_DATA_AT;
	(void)str_copy(out->sop_class, sizeof(out->sop_class), meta.sop_class);
	(void)str_copy(
	    out->sop_instance, sizeof(out->sop_instance), meta.sop_instance);
	(void)str_copy(out->syntax, sizeof(out->syntax), meta.syntax);
	(void)str_copy(out->source_ae, sizeof(out->source_ae), meta.source_ae);
	return true;
}
