/*
 * Index against files: recovery after an unclean stop, reindex, check, repair.
 */
#include "archive.h"

#include "store/seal.h"

#define OBJECTS 12

static void
sample_of(int i, struct sample *s, char text[4][32])
{
	static const char *const modalities[] = {"CT", "MR", ""};
	static const char *const dates[] = {"", "20260101", "20260102"};

	snprintf(text[0], 32, "1.9.%d", i);
	snprintf(text[1], 32, "1.8.%d", i % 3);
	snprintf(text[2], 32, "1.7.%d", i % 5);
	snprintf(text[3], 32, "Name^%d", i);
	*s = (struct sample){
	    .instance = text[0],
	    .sop_class = i % 4 != 0 ? UID_CTImageStorage : UID_MRImageStorage,
	    .study = text[1],
	    .series = text[2],
	    .patient = i % 3 == 2 ? NULL : text[1],
	    .name = i < 3 ? "" : text[3],
	    .birth = "19700101",
	    .modality = modalities[i % 3],
	    .date = dates[i / 4 % 3],
	    .time = "1030",
	    .description = i % 2 != 0 ? text[3] : NULL,
	    .referring = i > 6 ? "House^G" : NULL,
	    .pixels = (size_t)i * 20000,
	};
}

static bool
fill(struct archive *t)
{
	struct object_result out;
	char text[4][32];
	struct sample s;
	int i;

	if (!archive_begin(t))
		return false;
	for (i = 0; i < OBJECTS; i++) {
		sample_of(i, &s, text);
		if (!CHECK(archive_put(t, &s, &out)))
			printf("%s\n", t->e.text);
		CHECK_EQ(out.outcome, OBJECT_STORED);
	}
	/* What this makes of log lines is meant. */
	log_level_set(LOG_ERROR + 1);
	return true;
}

static void
check_all_there(struct archive *t)
{
	char text[4][32];
	struct sample s;
	int i;

	for (i = 0; i < OBJECTS; i++) {
		sample_of(i, &s, text);
		CHECK(archive_has(t, &s));
	}
}

/* The path of an object's file. */
static const char *
path_of(struct archive *t, const char *uid)
{
	struct index_row row;

	must(index_instance(t->store, str_from(uid), &t->arena, &row, &t->e));
	return (const char *)row.path.p;
}

static void
change(struct archive *t, const char *path, off_t at, const char *bytes)
{
	int fd = openat(t->store->objects_fd, path, O_WRONLY);

	CHECK(fd >= 0);
	CHECK(pwrite(fd, bytes, strlen(bytes), at) == (ssize_t)strlen(bytes));
	close(fd);
}

static const char lose_rows[] = "DELETE FROM instance WHERE id > 5";

TEST(rows_come_back_after_a_crash)
{
	char *before, *after;
	struct archive t;

	if (!fill(&t))
		return;
	before = archive_dump(&t);
	archive_exec(&t, lose_rows);
	archive_exec(&t, "DELETE FROM study");
	archive_exec(&t, "DELETE FROM series");
	archive_exec(&t, "DELETE FROM patient");
	archive_exec(&t, "DELETE FROM name_key");
	archive_exec(&t, "DELETE FROM instance");
	CHECK(archive_crash(&t));
	check_all_there(&t);
	after = archive_dump(&t);
	CHECK_STR(str_from(after), before);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM writer"), 0);
	free(before);
	free(after);
	archive_end(&t);
}

TEST(a_clean_start_looks_at_nothing)
{
	struct archive t;

	if (!fill(&t))
		return;
	archive_exec(&t, lose_rows);
	CHECK(archive_reopen(&t));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM instance"), 5);
	archive_end(&t);
}

/* A process that was killed is found by the lock it no longer holds. */
TEST(another_process_is_killed)
{
	struct store_config config = {.server = false};
	struct object_result out;
	struct sample s;
	char text[4][32];
	struct archive t;
	int status = 0, left;
	pid_t child;

	if (!fill(&t))
		return;
	store_close(&t.store);
	config.folder = t.folder;
	child = fork();
	if (child == 0) {
		must(store_open(&t.store, &config, &t.e));
		sample_of(100, &s, text);
		must(archive_put(&t, &s, &out));
		archive_exec(&t, lose_rows);
		left = openat(
		    t.store->tmp_fd, "leftover", O_CREAT | O_WRONLY, 0600);
		must(left >= 0);
		raise(SIGKILL);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status));
	CHECK(archive_open(&t, true));
	check_all_there(&t);
	sample_of(100, &s, text);
	CHECK(archive_has(&t, &s));
	CHECK_EQ(archive_leftovers(&t), 0);
	archive_end(&t);
}

TEST(a_living_writer_is_left_alone)
{
	struct store_config config = {.server = false};
	struct object_header header;
	struct store *importer;
	struct intake *in;
	struct object *o;
	struct sample s;
	struct object_result out;
	char text[4][32];
	struct archive t;
	struct buf b;

	if (!fill(&t))
		return;
	config.folder = t.folder;
	CHECK(store_open(&importer, &config, &t.e));
	in = intake_new(importer, "IMPORT");
	sample_of(100, &s, text);
	header = sample_header(&s);
	buf_init(&b, 8 * MIB);
	sample_build(&b, &s);
	CHECK(object_begin(in, &header, &o, &t.e));
	CHECK(object_write(o, str_of(b.p, 1000), &t.e));
	CHECK(object_write(o, str_of(b.p + 1000, 100000), &t.e));
	CHECK_EQ(archive_leftovers(&t), 1);
	archive_exec(&t, lose_rows);
	CHECK(archive_crash(&t));
	CHECK_EQ(archive_leftovers(&t), 1);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM writer"), 1);
	check_all_there(&t);
	CHECK(object_write(o, str_of(b.p + 101000, b.n - 101000), &t.e));
	CHECK(object_commit(&o, &out, &t.e));
	CHECK_EQ(out.outcome, OBJECT_STORED);
	intake_free(&in);
	store_close(&importer);
	CHECK(archive_has(&t, &s));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM writer"), 0);
	buf_fini(&b);
	archive_end(&t);
}

TEST(torn_files_are_set_aside)
{
	struct archive t;
	const char *cut, *flipped;
	int fd;

	if (!fill(&t))
		return;
	cut = path_of(&t, "1.9.10");
	flipped = path_of(&t, "1.9.11");
	fd = openat(t.store->objects_fd, cut, O_WRONLY);
	CHECK(ftruncate(fd, 5000) == 0);
	close(fd);
	change(&t, flipped, SEAL_DATA_AT + 5000, "x");
	archive_exec(&t, lose_rows);
	CHECK(archive_crash(&t));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM instance"), OBJECTS - 2);
	CHECK_EQ(archive_int(&t,
		     "SELECT count(*) FROM quarantine WHERE reason = 'torn'"),
	    2);
	CHECK_EQ(archive_files(&t), OBJECTS - 2);
	archive_end(&t);
}

TEST(tombstones_are_honoured)
{
	struct archive t;
	char sql[256];

	if (!fill(&t))
		return;
	snprintf(sql, sizeof(sql), "INSERT INTO %s VALUES ('%s', '1.9.3', 0)",
	    "tombstone", path_of(&t, "1.9.3"));
	archive_exec(&t, sql);
	archive_exec(&t, "DELETE FROM instance WHERE SOPInstanceUID = '1.9.3'");
	CHECK(archive_crash(&t));
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM instance"), OBJECTS - 1);
	CHECK_EQ(archive_files(&t), OBJECTS - 1);
	archive_end(&t);
}

TEST(two_files_of_one_object)
{
	struct archive t;
	const char *path;
	char copy[PATH_ROOM];
	uint8_t bytes[4096];
	ssize_t n;
	int fd;

	if (!fill(&t))
		return;
	path = path_of(&t, "1.9.0");
	memcpy(copy, path, strlen(path) + 1);
	copy[strlen(copy) - 5] ^= 1;
	fd = openat(t.store->objects_fd, path, O_RDONLY);
	n = os_pread_full(fd, bytes, sizeof(bytes), 0);
	close(fd);
	fd = openat(t.store->objects_fd, copy, O_CREAT | O_WRONLY, 0600);
	CHECK(write(fd, bytes, (size_t)n) == n);
	close(fd);
	CHECK(archive_crash(&t));
	check_all_there(&t);
	CHECK_EQ(archive_files(&t), OBJECTS);
	archive_end(&t);
}

TEST(reindex_gives_an_equal_index)
{
	struct node node = {.ae = "CT1", .host = "h", .port = 1};
	struct rebuild_result result;
	char *before, *after;
	struct archive t;

	if (!fill(&t))
		return;
	CHECK(node_put(t.store, &node, true, &t.e));
	before = archive_dump(&t);
	if (!CHECK(store_reindex(t.store, NULL, NULL, &result, &t.e)))
		printf("%s\n", t.e.text);
	after = archive_dump(&t);
	CHECK_STR(str_from(after), before);
	CHECK_EQ(result.files, OBJECTS);
	CHECK_EQ(result.indexed, OBJECTS);
	CHECK_EQ(result.torn + result.duplicates, 0);
	CHECK(node_find(t.store, "CT1", &node, &t.e));
	free(before);
	free(after);
	CHECK(archive_reopen(&t));
	check_all_there(&t);
	archive_end(&t);
}

static bool
stop_soon(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx;
	(void)total;
	return done < 4;
}

TEST(an_interrupted_reindex_is_taken_up)
{
	struct rebuild_result result;
	char *before, *after;
	struct archive t;

	if (!fill(&t))
		return;
	before = archive_dump(&t);
	CHECK(!store_reindex(t.store, stop_soon, NULL, &result, &t.e));
	CHECK_EQ(t.e.code, ERR_CANCELLED);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM instance"), 4);
	CHECK(archive_reopen(&t));
	after = archive_dump(&t);
	CHECK_STR(str_from(after), before);
	free(before);
	free(after);
	archive_end(&t);
}

static uint32_t seed;

/* One of these; NULL is absent. */
static const char *
any_of(const char *const *values, size_t n)
{
	seed = seed * 1664525 + 1013904223;
	return values[(seed >> 16) % n];
}
#define ANY(...)                                                               \
	any_of((const char *const[]){__VA_ARGS__},                             \
	    ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static void
put_any(struct archive *t)
{
	int64_t now = clock_utc_ms();
	struct object_result out;
	struct sample s = {
	    .instance = ANY("1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7"),
	    .sop_class = ANY(UID_CTImageStorage, UID_MRImageStorage),
	    .series = ANY("1.9.1", "1.9.2", "1.9.3"),
	    .patient = ANY("P1", "P1", "P1", "P2", NULL),
	    .issuer = ANY(NULL, NULL, NULL, "H"),
	    .name = ANY("Doe^Jane", "Roe^Jane", "M\xc3\xbcller^A", NULL),
	    .birth = ANY("19700101", "19710101", NULL),
	    .sex = ANY("F", "M", NULL),
	    .modality = ANY("CT", "MR", NULL),
	    .date = ANY("20260101", "20260102", NULL),
	    .time = ANY("10", "1100", NULL),
	    .accession = ANY("A1", "A2", NULL),
	    .description = ANY("Chest", "Head", NULL),
	    .referring = ANY("House^G", "Cox^P", NULL),
	    .series_number = ANY("1", "2", NULL),
	    .charset = "ISO_IR 192",
	};

	/* The last change of a study that something has left is none that a
	 * rebuild knows of. */
	s.study = s.instance[2] < '6' ? "1.8.1" : "1.8.2";
	if (!CHECK(archive_put(t, &s, &out)))
		printf("%s\n", t->e.text);
	/* Which of two came first is known to the millisecond. */
	while (clock_utc_ms() == now)
		(void)usleep(100);
}

/* Whatever takes the place of what: the rows say what the files say. */
TEST(replacing_gives_the_index_of_the_files)
{
	struct rebuild_result result;
	char *before, *after;
	bool same = true;
	struct archive t;
	int i;

	if (!archive_begin(&t))
		return;
	store_set_duplicate(t.store, DUPLICATE_REPLACE);
	log_level_set(LOG_ERROR + 1);
	seed = 7;
	for (i = 0; i < 200 && same; i++) {
		put_any(&t);
		before = archive_dump(&t);
		CHECK(store_reindex(t.store, NULL, NULL, &result, &t.e));
		after = archive_dump(&t);
		same = CHECK_STR(str_from(before), after);
		free(before);
		free(after);
	}
	archive_end(&t);
}

/* Another process, while the index is half empty. */
static bool
put_beside(void *ctx, uint64_t done, uint64_t total)
{
	struct archive *t = ctx, other = *t;
	struct store_config config = {.folder = t->folder};
	struct object_result out;
	char text[4][32];
	struct sample s;

	(void)total;
	if (done != 4)
		return true;
	sample_of(9, &s, text);
	s.name = "Other^Name";
	arena_init(&other.arena, MIB);
	if (CHECK(store_open(&other.store, &config, &other.e))) {
		CHECK(!archive_put(&other, &s, &out));
		CHECK_EQ(other.e.code, ERR_DENIED);
		store_close(&other.store);
	}
	arena_fini(&other.arena);
	return true;
}

TEST(nothing_is_stored_while_the_index_is_built)
{
	struct rebuild_result result;
	char *before, *after;
	struct archive t;

	if (!fill(&t))
		return;
	before = archive_dump(&t);
	CHECK(store_reindex(t.store, put_beside, &t, &result, &t.e));
	after = archive_dump(&t);
	CHECK_STR(str_from(after), before);
	CHECK_EQ(archive_files(&t), OBJECTS);
	free(before);
	free(after);
	archive_end(&t);
}

TEST(reindex_beside_a_server_is_refused)
{
	struct store_config config = {.server = false};
	struct rebuild_result result;
	struct store *other;
	struct archive t;

	if (!fill(&t))
		return;
	config.folder = t.folder;
	CHECK(store_open(&other, &config, &t.e));
	CHECK(!store_reindex(other, NULL, NULL, &result, &t.e));
	CHECK_EQ(t.e.code, ERR_DENIED);
	store_close(&other);
	check_all_there(&t);
	archive_end(&t);
}

struct findings {
	int kinds[FINDING_LEFTOVER + 1], repaired, total;
};

static void
note(void *ctx, enum finding_kind kind, const char *path, const char *detail,
    bool repaired)
{
	struct findings *f = ctx;

	(void)path;
	(void)detail;
	f->kinds[kind]++;
	f->total++;
	f->repaired += repaired;
}

static struct findings
check(struct archive *t, bool hashes, bool repair)
{
	struct check_options options = {.hashes = hashes, .repair = repair};
	struct findings f = {.total = 0};
	uint64_t checked;

	if (!CHECK(store_check(
		t->store, &options, note, NULL, &f, &checked, &t->e)))
		printf("%s\n", t->e.text);
	return f;
}

/* One finding of the kind, which a repair mends. */
static void
check_finding(struct archive *t, enum finding_kind kind, bool hashes)
{
	struct findings f = check(t, hashes, false);

	if (!CHECK_EQ(f.total, 1) || !CHECK_EQ(f.kinds[kind], 1))
		printf("kind %s\n", finding_name(kind));
	f = check(t, hashes, true);
	CHECK_EQ(f.total, 1);
	CHECK_EQ(f.repaired, 1);
	f = check(t, true, false);
	if (!CHECK_EQ(f.total, 0))
		printf("after repairing %s\n", finding_name(kind));
}

TEST(nothing_is_found_where_nothing_is_wrong)
{
	struct archive t;

	if (!fill(&t))
		return;
	CHECK_EQ(check(&t, true, false).total, 0);
	CHECK_EQ(check(&t, true, true).total, 0);
	archive_end(&t);
}

TEST(findings_and_repairs)
{
	struct archive t;
	int fd;

	if (!fill(&t))
		return;
	/* The check is about files that are not just arriving. */
	CHECK(archive_reopen(&t));
	change(&t, path_of(&t, "1.9.5"), SEAL_DATA_AT + 3000, "x");
	CHECK_EQ(check(&t, false, false).total, 0);
	check_finding(&t, FINDING_CHANGED, true);
	CHECK(unlinkat(t.store->objects_fd, path_of(&t, "1.9.6"), 0) == 0);
	check_finding(&t, FINDING_MISSING, false);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM missing"), 2);
	change(&t, path_of(&t, "1.9.7"), 140, "xxxxxxx");
	check_finding(&t, FINDING_CHANGED, false);
	archive_exec(&t, "UPDATE instance SET InstanceNumber = '77'"
			 " WHERE SOPInstanceUID = '1.9.8'");
	check_finding(&t, FINDING_ROW, true);
	archive_exec(&t, "UPDATE instance SET size = size + 0, syntax = '1.2'"
			 " WHERE SOPInstanceUID = '1.9.8'");
	check_finding(&t, FINDING_ROW, false);
	archive_exec(&t, "UPDATE study SET NumberOfStudyRelatedInstances = 99"
			 " WHERE StudyInstanceUID = '1.8.0'");
	check_finding(&t, FINDING_COUNTS, false);
	archive_exec(&t, "UPDATE series SET bytes = 1 WHERE id ="
			 " (SELECT min(id) FROM series)");
	check_finding(&t, FINDING_COUNTS, false);
	archive_exec(&t, "UPDATE study SET ModalitiesInStudy = 'XA'"
			 " WHERE StudyInstanceUID = '1.8.0'");
	check_finding(&t, FINDING_COUNTS, false);
	archive_exec(&t, "UPDATE patient SET PatientBirthDate = '19000101'"
			 " WHERE PatientID = '1.8.1'");
	check_finding(&t, FINDING_ROW, true);
	archive_exec(&t, "UPDATE study SET patient = (SELECT id FROM patient"
			 " WHERE PatientID = '1.8.0')"
			 " WHERE StudyInstanceUID = '1.8.1'");
	check_finding(&t, FINDING_ROW, true);
	archive_exec(&t, "UPDATE study SET StudyDate = ''"
			 " WHERE StudyInstanceUID = '1.8.1'");
	check_finding(&t, FINDING_ROW, true);
	archive_exec(&t, "UPDATE series SET SeriesDate = '20200101' WHERE id ="
			 " (SELECT min(id) FROM series)");
	check_finding(&t, FINDING_ROW, true);
	archive_exec(&t, "DELETE FROM word WHERE kind = 2");
	check_finding(&t, FINDING_WORDS, false);
	archive_exec(&t, "INSERT INTO word_text (word_text, rowid, patient,"
			 " referring, description, patient_id, accession)"
			 " SELECT 'delete', id, '', '', value, '', '' FROM"
			 " word WHERE kind = 2 LIMIT 1");
	check_finding(&t, FINDING_WORDS, true);
	fd = openat(t.store->tmp_fd, "x", O_CREAT | O_WRONLY, 0600);
	close(fd);
	check_finding(&t, FINDING_LEFTOVER, false);
	archive_end(&t);
}

static bool
delete_one(struct upsert *u, void *ctx, struct err *e)
{
	struct existing x;

	return existing_find(upsert_db(u), str_from(ctx), &x, e) &&
	       upsert_delete(u, x.id, e);
}

TEST(orphans_are_indexed)
{
	/* No value of the rows above it came from this one. */
	char uid[] = "1.9.11", *before, *after;
	struct archive t;

	if (!fill(&t))
		return;
	CHECK(archive_reopen(&t));
	before = archive_dump(&t);
	CHECK(commit_run(t.store->commit, true, delete_one, uid, &t.e) ==
	      COMMIT_DONE);
	check_finding(&t, FINDING_ORPHAN, true);
	after = archive_dump(&t);
	CHECK_STR(str_from(after), before);
	free(before);
	free(after);
	archive_end(&t);
}

TEST(deleting_all_leaves_no_rows)
{
	struct archive t;
	char uid[16];
	int i;

	if (!fill(&t))
		return;
	for (i = 0; i < OBJECTS; i++) {
		snprintf(uid, sizeof(uid), "1.9.%d", (i * 5) % OBJECTS);
		if (!CHECK(commit_run(t.store->commit, true, delete_one, uid,
			       &t.e) == COMMIT_DONE))
			printf("%s\n", t.e.text);
	}
	CHECK_EQ(archive_int(&t, "SELECT (SELECT count(*) FROM patient) +"
				 " (SELECT count(*) FROM study) +"
				 " (SELECT count(*) FROM series) +"
				 " (SELECT count(*) FROM name_key)"),
	    0);
	archive_end(&t);
}

TEST_MAIN
