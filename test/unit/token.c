/*
 * Study tokens: their letters, permanence, the key file and its loss, several
 * processes, what is on disk.
 */
#include "archive.h"

#include "store/table/token.h"

#define STUDIES 5200

/* Study n (from 1 on) as a row alone: "1.2.3.n" of patient P, or of patient Q
 * for every hundredth. */
static void
fill(struct archive *t, int studies)
{
	char sql[1024];

	archive_exec(t,
	    "INSERT INTO patient (id, PatientID, IssuerOfPatientID, identity,"
	    " PatientName, PatientBirthDate, PatientSex) VALUES"
	    " (1, 'P', '', '', 'A', '', ''), (2, 'P', 'X', '', 'B', '', ''),"
	    " (3, 'Q', '', '', 'C', '', '')");
	snprintf(sql, sizeof(sql),
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < %d) INSERT INTO study (patient, StudyInstanceUID,"
	    " StudyID, StudyDate, StudyTime, StudyTime_key, AccessionNumber,"
	    " StudyDescription, ReferringPhysicianName, InstitutionName,"
	    " ModalitiesInStudy, SOPClassesInStudy, NumberOfStudyRelatedSeries,"
	    " NumberOfStudyRelatedInstances, bytes, changed) SELECT"
	    " iif(i %% 100 = 0, 3, 1), '1.2.3.' || i, '',"
	    " iif(i = 7, '', printf('%%08d', 20200101 + i %% 28)), '', '', '',"
	    " 'THORAX ' || i, '', '', 'CT', '', 1, 1, 1, 0 FROM n",
	    studies);
	archive_exec(t, sql);
}

static bool
ask(struct archive *t, const char *study, struct token_study *out)
{
	return token_of_study(t->store, str_from(study), &t->arena, out, &t->e);
}

static bool
resolves(struct archive *t, const char *token, const char *study)
{
	struct token_study found;

	return token_resolve(
		   t->store, str_from(token), &t->arena, &found, &t->e) &&
	       strcmp(found.study, study) == 0;
}

static void
key_path(struct archive *t, char out[128])
{
	snprintf(out, 128, "%s/token.key", t->folder);
}

static size_t
read_whole(const char *path, char *out, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : os_read_full(fd, out, room);

	if (fd >= 0)
		os_close(&fd);
	return n < 0 ? 0 : (size_t)n;
}

static void
write_whole(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && os_write_all(fd, str_from(text)));
	os_close(&fd);
}

TEST(permanent)
{
	struct token_study a, again, other;
	struct archive t;
	char path[128];
	struct stat st;
	size_t i;

	if (!archive_begin(&t))
		return;
	CHECK(!ask(&t, "1.2.3.1", &a));
	CHECK_EQ(t.e.code, ERR_MISSING);
	key_path(&t, path);
	CHECK(access(path, F_OK) != 0);
	fill(&t, 7);
	CHECK(ask(&t, "1.2.3.1", &a));
	CHECK_EQ(strlen(a.token), 64);
	for (i = 0; i < 64; i++)
		CHECK((a.token[i] >= '0' && a.token[i] <= '9') ||
		      (a.token[i] >= 'A' && a.token[i] <= 'Z') ||
		      (a.token[i] >= 'a' && a.token[i] <= 'z'));
	CHECK_STR(str_from(a.date), "20200102");
	CHECK_STR(a.description, "THORAX 1");
	CHECK(a.issued_ms > 1500000000000);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
	CHECK_EQ(st.st_size, 65);
	CHECK(ask(&t, "1.2.3.7", &other));
	CHECK_STR(str_from(other.date), "");
	CHECK(strcmp(a.token, other.token) != 0);
	CHECK(archive_reopen(&t));
	CHECK(ask(&t, "1.2.3.1", &again));
	CHECK(strcmp(a.token, again.token) == 0);
	CHECK_EQ(again.issued_ms, a.issued_ms);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM token"), 2);
	/* The clock of a machine without battery. */
	archive_exec(&t, "UPDATE token SET issued = 0");
	CHECK(ask(&t, "1.2.3.1", &again));
	CHECK(strcmp(a.token, again.token) == 0);
	archive_end(&t);
}

TEST(not_in_the_database)
{
	static const char *const files[] = {"fileroom.db", "fileroom.db-wal"};
	char path[128], *bytes;
	bool described = false;
	struct token_study a;
	struct archive t;
	size_t i, n;

	if (!archive_begin(&t))
		return;
	bytes = must_alloc(8 * MIB);
	fill(&t, 1);
	CHECK(ask(&t, "1.2.3.1", &a));
	for (i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", t.folder, files[i]);
		n = read_whole(path, bytes, 8 * MIB);
		described |= memmem(bytes, n, "THORAX 1", 8) != NULL;
		CHECK(memmem(bytes, n, a.token, 16) == NULL);
	}
	CHECK(described);
	free(bytes);
	archive_end(&t);
}

TEST(resolved)
{
	struct token_study a, b, found;
	struct archive t;
	char text[80];

	if (!archive_begin(&t))
		return;
	fill(&t, 3);
	CHECK(ask(&t, "1.2.3.1", &a) && ask(&t, "1.2.3.2", &b));
	CHECK(
	    token_resolve(t.store, str_from(a.token), &t.arena, &found, &t.e));
	CHECK_STR(str_from(found.study), "1.2.3.1");
	CHECK_STR(found.description, "THORAX 1");
	CHECK(strcmp(found.token, a.token) == 0);
	CHECK_EQ(found.issued_ms, a.issued_ms);
	snprintf(text, sizeof(text), "%s", a.token);
	text[63] ^= 1;
	CHECK(!resolves(&t, text, "1.2.3.1"));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(strstr(t.e.text, text) == NULL);
	text[63] = '\0';
	CHECK(!resolves(&t, text, "1.2.3.1"));
	snprintf(text, sizeof(text), "%sx", a.token);
	CHECK(!resolves(&t, text, "1.2.3.1"));
	CHECK(!resolves(&t, "", ""));
	CHECK(!resolves(&t, "' OR 1=1 --", ""));
	CHECK_EQ(t.e.code, ERR_MISSING);
	/* Revoked: gone at once, and another comes. */
	CHECK(token_revoke(t.store, STR("1.2.3.1"), &t.e));
	CHECK(!resolves(&t, a.token, "1.2.3.1"));
	CHECK(!token_revoke(t.store, STR("1.2.3.1"), &t.e));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(ask(&t, "1.2.3.1", &found));
	CHECK(strcmp(found.token, a.token) != 0);
	CHECK(resolves(&t, found.token, "1.2.3.1"));
	CHECK(resolves(&t, b.token, "1.2.3.2"));
	archive_end(&t);
}

TEST(study_goes_and_comes_back)
{
	struct sample s = {.instance = "1.2.1",
	    .sop_class = UID_CTImageStorage,
	    .study = "1.2.9",
	    .series = "1.2.9.1",
	    .patient = "P1",
	    .date = "20190603",
	    .description = "THORAX"};
	struct token_study a, again, *list;
	struct object_result result;
	struct archive t;
	size_t n;

	if (!archive_begin(&t))
		return;
	CHECK(archive_put(&t, &s, &result));
	CHECK(ask(&t, "1.2.9", &a));
	CHECK_STR(str_from(a.date), "20190603");
	archive_exec(&t, "DELETE FROM study");
	CHECK(!resolves(&t, a.token, "1.2.9"));
	CHECK(!ask(&t, "1.2.9", &again));
	CHECK_EQ(t.e.code, ERR_MISSING);
	CHECK(token_list(t.store, STR(""), &t.arena, &list, &n, &t.e));
	CHECK_EQ(n, 1);
	CHECK(!list[0].there);
	CHECK_STR(str_from(list[0].token), "");
	{
		struct rebuild_result made;

		CHECK(store_reindex(t.store, NULL, NULL, &made, &t.e));
	}
	CHECK(resolves(&t, a.token, "1.2.9"));
	CHECK(ask(&t, "1.2.9", &again));
	CHECK(strcmp(a.token, again.token) == 0);
	archive_end(&t);
}

TEST(of_a_patient)
{
	struct str issuer = STR("X");
	struct token_study *v, one;
	struct archive t;
	char before[9];
	size_t n, i;

	if (!archive_begin(&t))
		return;
	fill(&t, 99);
	archive_exec(&t, "UPDATE study SET patient = 2 WHERE id > 97");
	CHECK(ask(&t, "1.2.3.50", &one));
	CHECK(
	    token_of_patient(t.store, STR("P"), NULL, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 99);
	(void)str_copy(before, sizeof(before), STR("99999999"));
	for (i = 0; i < n; i++) {
		CHECK(strcmp(v[i].date, before) <= 0);
		memcpy(before, v[i].date, sizeof(before));
		CHECK(resolves(&t, v[i].token, v[i].study));
		if (strcmp(v[i].study, "1.2.3.50") == 0)
			CHECK(strcmp(v[i].token, one.token) == 0);
	}
	CHECK_STR(str_from(v[98].study), "1.2.3.7");
	/* Of one day in the order they came. */
	CHECK_STR(str_from(v[0].study), "1.2.3.27");
	CHECK_STR(str_from(v[1].study), "1.2.3.55");
	CHECK(token_of_patient(
	    t.store, STR("P"), &issuer, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 2);
	CHECK(
	    token_of_patient(t.store, STR("p"), NULL, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 0);
	CHECK(token_of_patient(t.store, STR(""), NULL, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 0);
	/* An ID that was merged: of one issuer, and of another one's patient.
	 */
	archive_exec(&t,
	    "INSERT INTO patient_alias (prior_id, prior_issuer, PatientID,"
	    " IssuerOfPatientID, ended_by, at, journal) VALUES"
	    " ('OLD', 'X', 'P', 'X', 0, 0, 0),"
	    " ('OLDER', 'X', 'OLD', 'X', 0, 0, 0),"
	    " ('PAST', 'X', 'P', 'X', 9, 0, 0)");
	CHECK(token_of_patient(
	    t.store, STR("OLDER"), &issuer, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 2);
	CHECK(token_of_patient(
	    t.store, STR("OLDER"), NULL, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 99);
	CHECK(token_of_patient(
	    t.store, STR("PAST"), NULL, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 0);
	archive_end(&t);
}

static int
compare_tokens(const void *a, const void *b)
{
	return strcmp(((const struct token_study *)a)->token,
	    ((const struct token_study *)b)->token);
}

/* Chi-square of 62 letters has a mean of 61 and a deviation of 11: by chance
 * 150 is never passed, and with 8 letters a quarter likelier it is 4,000. */
static double
unevenness(const struct token_study *v, size_t n, size_t from, size_t to)
{
	double expected = (double)n * (double)(to - from) / 62, sum = 0, d;
	size_t counts[256] = {0}, i, at;

	for (i = 0; i < n; i++)
		for (at = from; at < to; at++)
			counts[(uint8_t)v[i].token[at]]++;
	for (i = '0'; i <= 'z'; i++) {
		if ((i > '9' && i < 'A') || (i > 'Z' && i < 'a'))
			continue;
		d = (double)counts[i] - expected;
		sum += d * d / expected;
	}
	return sum;
}

TEST(random_and_bounded)
{
	struct token_study *v;
	struct archive t;
	size_t n, i;

	if (!archive_begin(&t))
		return;
	fill(&t, STUDIES);
	CHECK(
	    token_of_patient(t.store, STR("P"), NULL, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, LIMIT_TOKENS);
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM token"), LIMIT_TOKENS);
	CHECK(unevenness(v, n, 0, 64) < 150);
	for (i = 0; i < 64; i += 21)
		CHECK(unevenness(v, n, i, i + 1) < 170);
	qsort(v, n, sizeof(*v), compare_tokens);
	for (i = 1; i < n; i++)
		CHECK(strcmp(v[i - 1].token, v[i].token) != 0);
	CHECK(
	    token_of_patient(t.store, STR("Q"), NULL, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, STUDIES / 100);
	archive_end(&t);
}

TEST(listed)
{
	struct token_study *v;
	char after[65] = "";
	struct archive t;
	size_t n, all = 0, i;

	if (!archive_begin(&t))
		return;
	fill(&t, 1250);
	CHECK(
	    token_of_patient(t.store, STR("P"), NULL, &t.arena, &v, &n, &t.e));
	do {
		CHECK(token_list(
		    t.store, str_from(after), &t.arena, &v, &n, &t.e));
		all += n;
		for (i = 0; i < n; i++) {
			CHECK(strcmp(after, v[i].study) < 0);
			CHECK(v[i].token[0] == '\0');
			memcpy(after, v[i].study, sizeof(after));
		}
	} while (n == LIMIT_ROWS);
	CHECK_EQ(all, 1250 - 12);
	archive_end(&t);
}

TEST(key_is_lost)
{
	struct token_study a, b;
	char path[128], kept[66] = "", other[66] = "";
	struct archive t;

	if (!archive_begin(&t))
		return;
	fill(&t, 5);
	key_path(&t, path);
	CHECK(ask(&t, "1.2.3.1", &a) && ask(&t, "1.2.3.2", &b));
	CHECK(!token_new_key(t.store, &t.e));
	CHECK_EQ(t.e.code, ERR_CONFLICT);
	CHECK_EQ(read_whole(path, kept, 65), 65);
	CHECK(unlink(path) == 0);
	/* Neither shown nor made anew in silence; but they open. */
	CHECK(!ask(&t, "1.2.3.1", &b));
	CHECK_EQ(t.e.code, ERR_DENIED);
	CHECK(strstr(t.e.text, "missing") != NULL);
	CHECK(strstr(t.e.text, "token.key") != NULL);
	CHECK(!ask(&t, "1.2.3.3", &b));
	CHECK_EQ(t.e.code, ERR_DENIED);
	CHECK(access(path, F_OK) != 0);
	CHECK(resolves(&t, a.token, "1.2.3.1"));
	/* Put back, as an editor may have saved it. */
	write_whole(path, kept);
	CHECK(ask(&t, "1.2.3.1", &b));
	CHECK(strcmp(a.token, b.token) == 0);
	/* Damaged: never written over. */
	write_whole(path, "0123456789");
	CHECK(!ask(&t, "1.2.3.1", &b));
	CHECK_EQ(t.e.code, ERR_CORRUPT);
	CHECK(!token_new_key(t.store, &t.e));
	CHECK_EQ(read_whole(path, other, 65), 10);
	/* Given up. */
	CHECK(unlink(path) == 0);
	CHECK(token_new_key(t.store, &t.e));
	CHECK_EQ(read_whole(path, other, 65), 65);
	CHECK(memcmp(kept, other, 64) != 0);
	CHECK(!ask(&t, "1.2.3.1", &b));
	CHECK_EQ(t.e.code, ERR_DENIED);
	CHECK(strstr(t.e.text, "revoke") != NULL);
	CHECK(resolves(&t, a.token, "1.2.3.1"));
	CHECK(ask(&t, "1.2.3.3", &b));
	CHECK(token_revoke(t.store, STR("1.2.3.1"), &t.e));
	CHECK(ask(&t, "1.2.3.1", &b));
	CHECK(strcmp(a.token, b.token) != 0);
	/* The old file, found after all: it is not what is in force. */
	write_whole(path, kept);
	CHECK(!ask(&t, "1.2.3.4", &b));
	CHECK_EQ(t.e.code, ERR_DENIED);
	CHECK(strstr(t.e.text, "not the one") != NULL);
	archive_end(&t);
}

TEST(some_cannot_be_shown)
{
	struct token_study *v;
	struct archive t;
	size_t n, i, shown = 0;

	if (!archive_begin(&t))
		return;
	fill(&t, 4);
	CHECK(
	    token_of_patient(t.store, STR("P"), NULL, &t.arena, &v, &n, &t.e));
	/* The row of another study does not open this one. */
	archive_exec(&t,
	    "UPDATE token SET sealed = (SELECT sealed FROM token WHERE"
	    " study = '1.2.3.2') WHERE study = '1.2.3.1'");
	archive_exec(
	    &t, "UPDATE token SET sealed = x'00' WHERE study = '1.2.3.3'");
	CHECK(
	    token_of_patient(t.store, STR("P"), NULL, &t.arena, &v, &n, &t.e));
	CHECK_EQ(n, 4);
	for (i = 0; i < n; i++)
		shown += v[i].token[0] != '\0';
	CHECK_EQ(shown, 2);
	archive_end(&t);
}

#define RACERS 4
#define RACED  40

static void
race(const char *folder, int go, int out)
{
	struct store_config config = {.folder = folder};
	struct token_study one, *v;
	struct arena a;
	struct store *s;
	struct err e;
	char study[32];
	uint8_t byte;
	size_t n;
	int i;

	arena_init(&a, 64 * MIB);
	if (!store_open(&s, &config, &e) || read(go, &byte, 1) < 0)
		_exit(1);
	for (i = 1; i <= RACED; i++) {
		snprintf(study, sizeof(study), "1.2.3.%d", i);
		if (!token_of_study(s, str_from(study), &a, &one, &e) ||
		    !os_write_all(out, str_from(one.token)))
			_exit(1);
	}
	if (!token_of_patient(s, STR("P"), NULL, &a, &v, &n, &e) || n != 60)
		_exit(1);
	/* As by the power switch of the process. */
	(void)raise(SIGKILL);
}

TEST(processes_race_and_are_killed)
{
	static char got[RACERS][RACED * 64];
	int go[2], out[RACERS][2], i, status;
	struct token_study one;
	pid_t child[RACERS];
	struct archive t;
	char study[32];

	if (!archive_begin(&t))
		return;
	fill(&t, 60);
	CHECK(archive_reopen(&t));
	CHECK(pipe2(go, O_CLOEXEC) == 0);
	for (i = 0; i < RACERS; i++) {
		CHECK(pipe2(out[i], O_CLOEXEC) == 0);
		child[i] = fork();
		if (child[i] == 0) {
			os_close(&go[1]);
			race(t.folder, go[0], out[i][1]);
			_exit(1);
		}
		os_close(&out[i][1]);
	}
	os_close(&go[0]);
	os_close(&go[1]);
	for (i = 0; i < RACERS; i++) {
		CHECK_EQ(os_read_full(out[i][0], got[i], sizeof(got[i])),
		    sizeof(got[i]));
		CHECK(waitpid(child[i], &status, 0) == child[i]);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		CHECK(memcmp(got[i], got[0], sizeof(got[0])) == 0);
		os_close(&out[i][0]);
	}
	CHECK_EQ(archive_int(&t, "SELECT count(*) FROM token"), 60);
	CHECK(archive_reopen(&t));
	for (i = 1; i <= RACED; i++) {
		snprintf(study, sizeof(study), "1.2.3.%d", i);
		CHECK(ask(&t, study, &one));
		CHECK(memcmp(one.token, got[0] + 64 * (i - 1), 64) == 0);
	}
	archive_end(&t);
}

struct worker {
	struct archive *t;
	struct thread thread;
	char tokens[20][TOKEN_ROOM];
};

static void
work(void *arg)
{
	struct worker *w = arg;
	struct token_study one;
	struct arena a;
	char study[32];
	struct err e;
	int i;

	arena_init(&a, MIB);
	for (i = 0; i < 20; i++) {
		snprintf(study, sizeof(study), "1.2.3.%d", i + 1);
		if (!CHECK(token_of_study(
			w->t->store, str_from(study), &a, &one, &e))) {
			printf("%s\n", e.text);
			break;
		}
		memcpy(w->tokens[i], one.token, sizeof(one.token));
	}
	arena_fini(&a);
}

TEST(threads_race)
{
	static struct worker w[4];
	struct archive t;
	size_t i;

	if (!archive_begin(&t))
		return;
	fill(&t, 20);
	for (i = 0; i < ARRAY_LEN(w); i++) {
		w[i].t = &t;
		CHECK(thread_start(&w[i].thread, "race", work, &w[i]));
	}
	for (i = 0; i < ARRAY_LEN(w); i++)
		thread_join(&w[i].thread);
	for (i = 1; i < ARRAY_LEN(w); i++)
		CHECK(
		    memcmp(w[i].tokens, w[0].tokens, sizeof(w[0].tokens)) == 0);
	archive_end(&t);
}

TEST_MAIN
