/*
 * 'export': studies into human-named folders or a zip, each instance with a
 * regular meta header (PS3.10 7.1) of its own.
 *
 *   PATIENT_ID/DATE_STUDY/NUMBER_SERIES/NUMBER.dcm
 *
 * or, with --dicomdir, under the names of a DICOM medium (export_medium.h).
 *
 * The bytes of each object are compared with their hash before they leave.
 * What cannot be exported is named with its reason, and the rest goes on.
 */
#include "base/filename.h"
#include "app/archive/export_medium.h"
#include "app/archive/export_out.h"
#include "app/progress.h"
#include "app/verb.h"
#include "base/os.h"
#include "dicom/convert.h"
#include "dicom/file.h"
#include "service/naming.h"
#include "store/index/index.h"
#include "store/object.h"

#include <inttypes.h>
#include <signal.h>

#define PATH_MOST 1024

static volatile sig_atomic_t stopped;

struct export
{
	struct store *store;
	struct export_out *out;
	bool dicomdir;
	struct export_medium *medium; /* if dicomdir */
	uint64_t others; /* files that few media allow, once that is known */
	bool convert;
	struct syntax syntax; /* wanted, if convert */
	struct map patients;  /* identity: its folder's path */
	struct filenames folders, series, files;
	struct arena arena; /* for the whole export */
	struct buf path;
	struct progress progress;
	uint64_t done, total, failed, bytes;
	bool broken; /* the target takes no more */
	uint8_t block[BLOCK_IO];
};

/* A byte sink that counts, or writes. */
struct sink {
	struct export_out *out; /* NULL: count only */
	uint64_t n;
	bool failed; /* by the target, not by the object */
};

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static bool
put_bytes(void *ctx, struct str bytes, struct err *e)
{
	struct sink *sink = ctx;

	sink->n += bytes.n;
	if (sink->out == NULL || export_out_write(sink->out, bytes, e))
		return true;
	sink->failed = true;
	return false;
}

static bool
copy_plain(struct export *x, const struct object_file *f, struct sink *sink,
    struct err *e)
{
	uint64_t at = 0;
	size_t n;
	ssize_t got;

	while (at < f->data_size) {
		n = f->data_size - at < sizeof(x->block)
			? (size_t)(f->data_size - at)
			: sizeof(x->block);
		got =
		    os_pread_full(f->fd, x->block, n, (off_t)(f->data_at + at));
		if (got < 0)
			return fail_errno(e, "cannot read the object");
		if ((size_t)got != n)
			return fail(e, ERR_CORRUPT, "the file is cut short");
		if (!put_bytes(sink, str_of(x->block, n), e))
			return false;
		at += n;
	}
	return true;
}

static bool
copy_converted(struct export *x, const struct object_file *f, struct sink *sink,
    struct err *e)
{
	struct convert *c = convert_new(
	    syntax_of(str_from(f->syntax)), x->syntax, put_bytes, sink);
	uint64_t at = 0;
	size_t n;
	bool done = true;

	while (done && at < f->data_size) {
		n = f->data_size - at < sizeof(x->block)
			? (size_t)(f->data_size - at)
			: sizeof(x->block);
		if (os_pread_full(f->fd, x->block, n,
			(off_t)(f->data_at + at)) != (ssize_t)n)
			done = fail(e, ERR_CORRUPT, "cannot read the object");
		else
			done = convert_feed(c, str_of(x->block, n), e);
		at += n;
	}
	done = done && convert_end(c, e);
	convert_free(&c);
	return done;
}

/* True for a syntax among the uncompressed ones that is not the wanted one. */
static bool
must_convert(const struct export *x, const struct object_file *f)
{
	return x->convert && strcmp(f->syntax, x->syntax.uid) != 0;
}

static bool
copy(struct export *x, const struct object_file *f, struct sink *sink,
    struct err *e)
{
	return must_convert(x, f) ? copy_converted(x, f, sink, e)
				  : copy_plain(x, f, sink, e);
}

/* The size is known before anything is written: what cannot be converted is
 * found out here, and leaves nothing behind. */
static bool
measure(struct export *x, const struct object_file *f, uint64_t *size,
    struct err *e)
{
	struct sink sink = {0};

	if (!must_convert(x, f)) {
		*size = f->data_size;
		return true;
	}
	if (!convert_possible(syntax_of(str_from(f->syntax)), x->syntax))
		return fail(e, ERR_UNSUPPORTED,
		    "stored with the transfer syntax %s, which is not "
		    "converted",
		    f->syntax);
	if (!copy_converted(x, f, &sink, e))
		return false;
	*size = sink.n;
	return true;
}

static bool
build_meta(const struct export *x, const struct object_file *f, struct buf *out,
    struct err *e)
{
	struct file_meta meta = {
	    .sop_class = str_from(f->sop_class),
	    .sop_instance = str_from(f->sop_instance),
	    .syntax = str_from(x->convert ? x->syntax.uid : f->syntax),
	    .source_ae = str_from(f->source_ae),
	};

	return file_meta_build(out, &meta, e);
}

static bool
write_object(
    struct export *x, const char *path, struct object_file *f, struct err *e)
{
	struct sink sink = {.out = x->out};
	struct buf meta;
	uint64_t size = 0;
	bool done;

	if (!object_verify(f, e) || !measure(x, f, &size, e))
		return false;
	buf_init(&meta, 2 * LIMIT_META);
	done = build_meta(x, f, &meta, e);
	if (done) {
		/* From here on a failure leaves a file cut short. */
		x->broken = true;
		done = export_out_begin(x->out, path, meta.n + size, e) &&
		       put_bytes(&sink, buf_str(&meta), e) &&
		       copy(x, f, &sink, e) && export_out_end(x->out, e);
		x->broken = !done;
		x->bytes += sink.n;
	}
	buf_fini(&meta);
	return done;
}

/* place: on a medium, or NULL. */
static bool
export_object(struct export *x, const struct index_row *row,
    const struct medium_place *place, struct err *e)
{
	const char *path = place != NULL ? place->path : buf_cstr(&x->path);
	struct object_file f;
	bool done;

	if (!object_open(x->store, (const char *)row->path.p, &f, e))
		return false;
	done = write_object(x, path, &f, e);
	if (done && place != NULL) {
		done = export_medium_add(x->medium, row, place, &f,
		    x->convert ? x->syntax.uid : f.syntax, e);
		x->broken = !done;
	}
	object_close(&f);
	return done;
}

static void
say_failed(struct export *x, struct str uid, const struct err *why)
{
	char shown[80];

	x->failed++;
	progress_hide(&x->progress);
	fprintf(
	    stderr, "failed: %s: ", str_printable(shown, sizeof(shown), uid));
	verb_put(stderr, why->text);
	fputc('\n', stderr);
}

static bool
name_instance(struct export *x, const struct index_row *row, struct err *e)
{
	buf_u8(&x->path, '/');
	naming_instance(&x->path, row);
	return filenames_take(&x->files, &x->path, ".dcm", e);
}

/* False when the export cannot go on. */
static bool
export_instance(struct export *x, const struct index_row *row, struct err *e)
{
	size_t folder = x->path.n;
	struct medium_place place;
	struct err why;
	bool done;

	if (stopped)
		return fail(e, ERR_CANCELLED, "stopped");
	if (x->medium != NULL ? !export_medium_place(x->medium, row, &place, e)
			      : !name_instance(x, row, e))
		return false;
	done = export_object(x, row, x->medium != NULL ? &place : NULL, &why);
	x->path.n = folder;
	if (done) {
		x->done++;
	} else if (x->broken) {
		*e = why;
		return false;
	} else {
		say_failed(x, row->value[COLUMN_SOPInstanceUID], &why);
	}
	progress_update(&x->progress, x->done + x->failed, x->total);
	return true;
}

typedef bool row_fn(
    struct export *x, const struct index_row *row, struct err *e);

/* All rows of a search, in batches. */
static bool
each_row(struct export *x, struct search *search, row_fn *fn, uint64_t *found,
    struct err *e)
{
	struct index_row *rows;
	struct arena arena;
	int64_t after = 0;
	size_t n = LIMIT_ROWS, i;
	bool done = true;

	memset(search->want, true, sizeof(search->want));
	arena_init(&arena, 64 * MIB);
	while (done && n == LIMIT_ROWS) {
		arena_reset(&arena);
		done =
		    index_search(x->store, search, after, &arena, &rows, &n, e);
		for (i = 0; done && i < n; i++) {
			after = rows[i].id;
			done = fn(x, &rows[i], e);
			*found += 1;
		}
	}
	arena_fini(&arena);
	return done;
}

/* Makes the folder that x->path names, and only a new one: a number is put
 * behind the name where something is there already. */
static bool
make_new_folder(struct export *x, struct filenames *names, struct err *e)
{
	size_t plain = x->path.n;
	bool taken = true;

	while (taken) {
		x->path.n = plain;
		if (!filenames_take(names, &x->path, "", e) ||
		    !export_out_folder(x->out, buf_cstr(&x->path), &taken, e))
			return false;
	}
	return true;
}

static bool
enter_series(struct export *x, const struct index_row *row, struct err *e)
{
	if (x->medium != NULL)
		return true;
	buf_u8(&x->path, '/');
	naming_series(&x->path, row);
	filenames_clear(&x->files);
	return make_new_folder(x, &x->series, e);
}

static bool
export_series(struct export *x, const struct index_row *row, struct err *e)
{
	struct condition conditions[] = {
	    {.column = COLUMN_StudyInstanceUID,
		.kind = CONDITION_IS,
		.a = row->value[COLUMN_StudyInstanceUID]},
	    {.column = COLUMN_SeriesInstanceUID,
		.kind = CONDITION_IS,
		.a = row->value[COLUMN_SeriesInstanceUID]},
	};
	struct search search = {.level = LEVEL_INSTANCE,
	    .conditions = conditions,
	    .count = ARRAY_LEN(conditions)};
	size_t folder = x->path.n;
	uint64_t found = 0;
	bool done;

	done = enter_series(x, row, e) &&
	       each_row(x, &search, export_instance, &found, e);
	x->path.n = folder;
	return done;
}

/* The patient's folder: one for all studies of this export. */
static bool
patient_folder(struct export *x, const struct index_row *row, struct err *e)
{
	const struct str *v = row->value;
	char *identity, *path;
	bool taken;

	identity = arena_printf(&x->arena, "%.*s\n%.*s\n%.*s",
	    STR_ARG(v[COLUMN_PatientID]), STR_ARG(v[COLUMN_IssuerOfPatientID]),
	    STR_ARG(v[COLUMN_PatientName]));
	if (identity == NULL)
		return fail(e, ERR_LIMIT, "too many patients at once");
	buf_clear(&x->path);
	path = map_get(&x->patients, str_from(identity));
	if (path != NULL) {
		buf_text(&x->path, path);
		return true;
	}
	naming_patient(&x->path, row);
	if (!filenames_take(&x->folders, &x->path, "", e) ||
	    !export_out_folder(x->out, buf_cstr(&x->path), &taken, e))
		return false;
	path = arena_cstr(&x->arena, buf_str(&x->path));
	if (path == NULL)
		return fail(e, ERR_LIMIT, "too many patients at once");
	(void)map_put(&x->patients, str_from(identity), path);
	return true;
}

static bool
enter_study(struct export *x, const struct index_row *row, struct err *e)
{
	if (x->medium != NULL)
		return true;
	if (!patient_folder(x, row, e))
		return false;
	buf_u8(&x->path, '/');
	naming_study(&x->path, row);
	filenames_clear(&x->series);
	return make_new_folder(x, &x->folders, e);
}

static bool
export_study(struct export *x, const struct index_row *row, struct err *e)
{
	struct condition condition = {.column = COLUMN_StudyInstanceUID,
	    .kind = CONDITION_IS,
	    .a = row->value[COLUMN_StudyInstanceUID]};
	struct search search = {
	    .level = LEVEL_SERIES, .conditions = &condition, .count = 1};
	uint64_t found = 0;

	return enter_study(x, row, e) &&
	       each_row(x, &search, export_series, &found, e);
}

static bool
count_study(struct export *x, const struct index_row *row, struct err *e)
{
	uint64_t n;

	(void)e;
	if (str_u64(row->value[COLUMN_NumberOfStudyRelatedInstances], &n))
		x->total += n;
	return true;
}

static bool
each_study(struct export *x, const char *uid, row_fn *fn, struct err *e)
{
	struct condition condition = {.column = COLUMN_StudyInstanceUID,
	    .kind = CONDITION_IS,
	    .a = str_trim(str_from(uid))};
	struct search search = {
	    .level = LEVEL_STUDY, .conditions = &condition, .count = 1};
	uint64_t found = 0;

	if (!each_row(x, &search, fn, &found, e))
		return false;
	if (found == 0)
		return fail(e, ERR_MISSING, "there is no study '%s'", uid);
	return true;
}

static bool
named_before(const struct words *uids, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (str_eq(str_trim(str_from(uids->at[i])),
			str_trim(str_from(uids->at[n]))))
			return true;
	return false;
}

/* All studies are looked up before anything is written. */
static bool
export_studies(struct export *x, const struct words *uids, const char *target,
    struct err *e)
{
	size_t i;
	bool done = true;

	for (i = 0; i < uids->n; i++)
		if (!named_before(uids, i) &&
		    !each_study(x, uids->at[i], count_study, e))
			return false;
	if (!export_out_open(&x->out, target, e))
		return false;
	if (x->dicomdir)
		done = export_medium_begin(&x->medium, x->store, x->out, e);
	progress_begin(&x->progress, "exporting", "images");
	for (i = 0; done && i < uids->n; i++)
		if (!named_before(uids, i))
			done = each_study(x, uids->at[i], export_study, e);
	if (done && x->dicomdir)
		done = export_medium_end(x->medium, &x->others, e);
	progress_end(&x->progress);
	export_medium_free(&x->medium);
	if (!done) {
		export_out_abort(&x->out);
		return false;
	}
	return export_out_close(&x->out, e);
}

static bool
take_syntax(struct export *x, const char *name, struct err *e)
{
	static const struct {
		const char *name, *uid;
	} names[] = {
	    {"implicit", UID_ImplicitVRLittleEndian},
	    {"explicit", UID_ExplicitVRLittleEndian},
	    {"explicit-big-endian", UID_ExplicitVRBigEndian},
	    {"deflated", UID_DeflatedExplicitVRLittleEndian},
	};
	size_t i;

	if (name == NULL)
		return true;
	for (i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i].name) != 0 &&
		    strcmp(name, names[i].uid) != 0)
			continue;
		x->convert = true;
		x->syntax = syntax_of(str_from(names[i].uid));
		return true;
	}
	return fail(e, ERR_USAGE,
	    "--syntax: '%s' is not allowed; allowed: implicit, explicit, "
	    "explicit-big-endian, deflated, or the UID of one of them",
	    name);
}

static bool
run_export(struct export *x, const struct words *uids, const char *target,
    struct err *e)
{
	struct sigaction action = {
	    .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	bool done;

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	map_init(&x->patients);
	filenames_init(&x->folders);
	filenames_init(&x->series);
	filenames_init(&x->files);
	arena_init(&x->arena, 64 * MIB);
	buf_init(&x->path, PATH_MOST);
	done = export_studies(x, uids, target, e);
	buf_fini(&x->path);
	arena_fini(&x->arena);
	filenames_fini(&x->files);
	filenames_fini(&x->series);
	filenames_fini(&x->folders);
	map_fini(&x->patients);
	return done;
}

static int export(struct export *x, const char *data, const struct words *uids,
    const char *target)
{
	struct err e;
	bool done;

	if (!verb_store(&x->store, data, false, &e))
		return verb_error(&e);
	done = run_export(x, uids, target, &e);
	store_close(&x->store);
	if (!done)
		return verb_error(&e);
	printf("exported: %" PRIu64 " (%.1f MB)\n", x->done,
	    (double)x->bytes / 1e6);
	if (x->failed > 0)
		printf("failed: %" PRIu64 "\n", x->failed);
	if (x->others > 0)
		fprintf(stderr,
		    "note: %" PRIu64 " of them are in transfer syntaxes that "
		    "general purpose media do not allow; README.TXT names "
		    "them\n",
		    x->others);
	return x->failed > 0 ? VERB_FAILED : VERB_DONE;
}

static int
run(int argc, char **argv)
{
	const char *data = NULL, *target = NULL, *syntax = NULL;
	struct export *x = must_zalloc(sizeof(*x));
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &data},
	    {"-o", OPTION_TEXT, &target},
	    {"--syntax", OPTION_TEXT, &syntax},
	    {"--dicomdir", OPTION_FLAG, &x->dicomdir},
	};
	struct words words = {0};
	struct err e;
	int status;

	if (!options_parse(
		argc, argv, options, ARRAY_LEN(options), &words, &e) ||
	    !options_words(&words, 1, SIZE_MAX, &e) ||
	    !take_syntax(x, syntax, &e))
		status = verb_error(&e);
	else if (target == NULL && !fail(&e, ERR_USAGE, "-o is missing"))
		status = verb_error(&e);
	else
		status = export(x, verb_data(data), &words, target);
	words_free(&words);
	free(x);
	return status;
}

const struct verb verb_export = {
    .name = "export",
    .summary = "Write studies to a folder or a zip",
    .usage = "export STUDY_UID... -o DIR|FILE.zip [--syntax SYNTAX] "
	     "[--dicomdir]",
    .help =
	"Folders are named after patient, study and series. Nothing that is\n"
	"there is overwritten. Exit status 1 when an image could not be\n"
	"exported; each is named with the reason.\n\n"
	"  -o DIR            into this folder, made if needed\n"
	"  -o FILE.zip       into a new zip\n"
	"  --syntax SYNTAX   re-encoded: implicit, explicit,\n"
	"                    explicit-big-endian or deflated; compressed\n"
	"                    images cannot be\n"
	"  --dicomdir        as a DICOM medium: DICOMDIR, README.TXT and the\n"
	"                    images in the folder DICOM, under names that\n"
	"                    every medium allows\n",
    .run = run,
};
