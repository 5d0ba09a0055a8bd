/*
 * Replays a recorded run of the server to a prefix of its file changes, loses
 * what was not flushed, opens the archive on what is left and checks the two
 * sentences that matter: every instance whose success was sent before the cut
 * is there byte for byte, and no index row lacks its file.
 *
 *   powercut LOG MANIFEST WORKDIR STATES SEED
 *
 * MANIFEST: lines "SOP-Instance-UID sha256-of-the-data-set".
 *
 * The same for orders: each whose AA was sent before the cut is there, once.
 * The control ID "o7" stands for the order of accession number "A7".
 *
 * What a cut leaves, chosen at random for each state:
 *   data   of each file what was flushed, and of the writes after it none,
 *          all, a prefix or any subset (in pages of 4 KiB);
 *   names  either as a journal keeps them (a flush makes every earlier change
 *          of names durable, later ones survive as a prefix) or as a
 *          log-structured file system does (a flush makes the names of that
 *          file and its folders durable, of the others any may be lost).
 */
#include "record.h"
#include "base/log.h"
#include "base/os.h"
#include "base/rd.h"
#include "dicom/dict.h"
#include "store/index/index.h"
#include "store/object.h"
#include "store/worklist/item.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <unistd.h>

struct entry {
	struct record r;
	const char *a, *b; /* not NUL-terminated: see r.a_n, r.b_n */
	const uint8_t *data;
};

struct node {
	uint64_t inode;
	size_t *writes; /* indices of log entries: writes and truncations */
	size_t n, room, flushed;
	char folder[512]; /* path of a folder that was opened, with a slash */
	bool is_folder;
	size_t flush_begin[8]; /* by descriptor modulo: writes seen then */
	size_t name_begin[8];
};

struct change {            /* of names */
	size_t at;         /* log index */
	struct node *node; /* of a create; NULL else */
	bool durable;
};

struct name {
	char *path;
	struct node *node; /* NULL: a folder */
};

struct names {
	struct name *v;
	size_t n, room;
};

static struct entry *entries;
static size_t entry_count;
static uint64_t random_state;

static uint64_t
rnd(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % below;
}

static void
load(const char *path)
{
	struct stat st;
	const uint8_t *p;
	size_t at = 0, room = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct entry en;

	must(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	must(p != MAP_FAILED);
	while (at + sizeof(struct record) <= (size_t)st.st_size) {
		memcpy(&en.r, p + at, sizeof(en.r));
		at += sizeof(en.r);
		en.a = (const char *)p + at;
		at += en.r.a_n;
		en.b = (const char *)p + at;
		at += en.r.b_n;
		en.data = p + at;
		at += en.r.data_n;
		must(at <= (size_t)st.st_size);
		if (entry_count == room) {
			room = room * 2 + 1024;
			entries = must_realloc(entries, room * sizeof(en));
		}
		entries[entry_count++] = en;
	}
	close(fd);
}

/* The state of the disk while the log is gone through. */
struct disk {
	struct node **nodes;
	size_t node_count, node_room;
	struct change *changes;
	size_t change_count, change_room;
	struct names live;
	bool journal;
};

static struct name *
name_find(struct names *v, const char *p, size_t n)
{
	size_t i;

	for (i = v->n; i-- > 0;)
		if (strlen(v->v[i].path) == n &&
		    memcmp(v->v[i].path, p, n) == 0)
			return &v->v[i];
	return NULL;
}

static void
name_put(struct names *v, const char *p, size_t n, struct node *node)
{
	struct name *old = name_find(v, p, n);

	if (old != NULL) {
		old->node = node;
		return;
	}
	if (v->n == v->room) {
		v->room = v->room * 2 + 64;
		v->v = must_realloc(v->v, v->room * sizeof(*v->v));
	}
	v->v[v->n].path = must_alloc(n + 1);
	memcpy(v->v[v->n].path, p, n);
	v->v[v->n].path[n] = '\0';
	v->v[v->n++].node = node;
}

static void
name_drop(struct names *v, struct name *which)
{
	free(which->path);
	*which = v->v[--v->n];
}

static struct node *
node_of(struct disk *d, uint64_t inode)
{
	size_t i;

	for (i = d->node_count; i-- > 0;)
		if (d->nodes[i]->inode == inode)
			return d->nodes[i];
	return NULL;
}

static struct node *
node_add(struct disk *d, uint64_t inode)
{
	if (d->node_count == d->node_room) {
		d->node_room = d->node_room * 2 + 64;
		d->nodes =
		    must_realloc(d->nodes, d->node_room * sizeof(*d->nodes));
	}
	d->nodes[d->node_count] = must_zalloc(sizeof(struct node));
	d->nodes[d->node_count]->inode = inode;
	return d->nodes[d->node_count++];
}

static void
change_add(struct disk *d, size_t at, struct node *node)
{
	if (d->change_count == d->change_room) {
		d->change_room = d->change_room * 2 + 64;
		d->changes = must_realloc(
		    d->changes, d->change_room * sizeof(*d->changes));
	}
	d->changes[d->change_count++] = (struct change){.at = at, .node = node};
}

static void
apply(struct names *v, const struct change *c)
{
	const struct entry *en = &entries[c->at];
	struct name *found;
	struct node *node;

	switch (en->r.op) {
	case RECORD_CREATE:
	case RECORD_MKDIR:
		name_put(v, en->a, en->r.a_n, c->node);
		break;
	case RECORD_RENAME:
		found = name_find(v, en->a, en->r.a_n);
		if (found == NULL)
			break;
		node = found->node;
		name_drop(v, found);
		name_put(v, en->b, en->r.b_n, node);
		break;
	case RECORD_UNLINK:
		found = name_find(v, en->a, en->r.a_n);
		if (found != NULL)
			name_drop(v, found);
		break;
	default:
		break;
	}
}

/* Does this change give a name to the node, or make a folder above one? */
static bool
concerns(const struct change *c, const struct node *node, const char *path)
{
	const struct entry *en = &entries[c->at];

	if (c->node == node && node != NULL)
		return true;
	if (path == NULL)
		return false;
	if (en->r.op == RECORD_RENAME)
		return strlen(path) == en->r.b_n &&
		       memcmp(path, en->b, en->r.b_n) == 0;
	return en->r.op == RECORD_MKDIR && strlen(path) > en->r.a_n &&
	       memcmp(path, en->a, en->r.a_n) == 0 && path[en->r.a_n] == '/';
}

/* Does this change stand in that folder, not deeper? */
static bool
stands_in(const struct change *c, const char *folder)
{
	const struct entry *en = &entries[c->at];
	bool renamed = en->r.op == RECORD_RENAME;
	const char *name = renamed ? en->b : en->a;
	size_t n = renamed ? en->r.b_n : en->r.a_n, above = strlen(folder);

	return n > above && memcmp(name, folder, above) == 0 &&
	       memchr(name + above, '/', n - above) == NULL;
}

static void
flush(struct disk *d, struct node *node, size_t writes, size_t names)
{
	const char *path = NULL;
	size_t i;

	if (node->is_folder) {
		for (i = 0; i < names && i < d->change_count; i++)
			if (d->journal ||
			    stands_in(&d->changes[i], node->folder))
				d->changes[i].durable = true;
		return;
	}

	if (node->flushed < writes)
		node->flushed = writes;
	for (i = 0; i < d->live.n; i++)
		if (d->live.v[i].node == node)
			path = d->live.v[i].path;
	for (i = 0; i < names && i < d->change_count; i++)
		if (d->journal || concerns(&d->changes[i], node, path))
			d->changes[i].durable = true;
}

static void
node_write(struct node *node, size_t at)
{
	if (node->n == node->room) {
		node->room = node->room * 2 + 16;
		node->writes = must_realloc(
		    node->writes, node->room * sizeof(*node->writes));
	}
	node->writes[node->n++] = at;
}

static void
step(struct disk *d, size_t at)
{
	const struct entry *en = &entries[at];
	struct node *node = NULL;
	size_t slot = (size_t)en->r.at % 8;

	if (en->r.op == RECORD_CREATE ||
	    (en->r.op == RECORD_OPEN && node_of(d, en->r.inode) == NULL))
		node = node_add(d, en->r.inode);
	else if (en->r.inode != 0 && en->r.op != RECORD_SEND)
		node = node_of(d, en->r.inode);
	switch (en->r.op) {
	case RECORD_CREATE:
	case RECORD_MKDIR:
	case RECORD_RENAME:
	case RECORD_UNLINK:
		change_add(d, at, node);
		apply(&d->live, &d->changes[d->change_count - 1]);
		break;
	case RECORD_WRITE:
	case RECORD_TRUNCATE:
		if (node != NULL)
			node_write(node, at);
		break;
	case RECORD_FLUSH_BEGIN:
		if (node != NULL) {
			node->flush_begin[slot] = node->n;
			node->name_begin[slot] = d->change_count;
		}
		break;
	case RECORD_FLUSH_END:
		if (node != NULL)
			flush(d, node, node->flush_begin[slot],
			    node->name_begin[slot]);
		break;
	case RECORD_OPEN:
		/* A file keeps the name it was made with; what was there
		 * before the recording began is a folder. */
		if (name_find(&d->live, en->a, en->r.a_n) != NULL &&
		    name_find(&d->live, en->a, en->r.a_n)->node != NULL)
			break;
		node->is_folder = true;
		snprintf(node->folder, sizeof(node->folder), "%.*s%s",
		    (int)en->r.a_n, en->a, en->r.a_n > 0 ? "/" : "");
		break;
	default:
		break;
	}
}

static void
write_out(const struct node *node, const char *path)
{
	const struct entry *en;
	uint64_t mode = rnd(4);
	size_t i, page, n, keep;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0);
	keep = node->n > node->flushed
		   ? node->flushed + (size_t)rnd(node->n - node->flushed + 1)
		   : node->n;
	for (i = 0; i < node->n; i++) {
		en = &entries[node->writes[i]];
		if (i >= node->flushed) {
			if (mode == 0 || (mode == 1 && i >= keep) ||
			    (mode == 2 && rnd(2) == 0))
				continue;
		}
		if (en->r.op == RECORD_TRUNCATE) {
			must(ftruncate(fd, en->r.at) == 0);
			continue;
		}
		for (page = 0; page < en->r.data_n; page += n) {
			n = en->r.data_n - page;
			if (n > 4096)
				n = 4096;
			if (i >= node->flushed && mode == 2 && rnd(3) == 0)
				continue;
			must(pwrite(fd, en->data + page, n,
				 en->r.at + (off_t)page) == (ssize_t)n);
		}
	}
	close(fd);
}

static void
make_parents(char *path)
{
	char *slash;

	for (slash = strchr(path + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) != 0)
			must(errno == EEXIST);
		*slash = '/';
	}
}

static void
leave(struct disk *d, const char *folder)
{
	struct names left = {0};
	char path[8192];
	uint64_t lost_after = rnd(d->change_count + 1);
	size_t i;

	for (i = 0; i < d->change_count; i++)
		if (d->changes[i].durable ||
		    (d->journal ? i < lost_after : rnd(2) == 0))
			apply(&left, &d->changes[i]);
	for (i = 0; i < left.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, left.v[i].path);
		make_parents(path);
		if (left.v[i].node == NULL) {
			if (mkdir(path, 0700) != 0)
				must(errno == EEXIST);
		} else {
			write_out(left.v[i].node, path);
		}
	}
	for (i = 0; i < left.n; i++)
		free(left.v[i].path);
	free(left.v);
}

static void
disk_free(struct disk *d)
{
	size_t i;

	for (i = 0; i < d->node_count; i++) {
		free(d->nodes[i]->writes);
		free(d->nodes[i]);
	}
	for (i = 0; i < d->live.n; i++)
		free(d->live.v[i].path);
	free(d->live.v);
	free(d->nodes);
	free(d->changes);
}

/* The SOP Instance UID of a C-STORE-RSP of success in a P-DATA-TF, or empty. */
static struct str
acknowledged(struct str pdu)
{
	bool bad = false, response = false, good = false;
	struct rd r = rd_over(pdu, &bad), command;
	struct str uid = {0}, value;
	uint32_t tag;

	if (rd_u8(&r) != 4)
		return uid;
	rd_skip(&r, 9); /* to the message control header */
	rd_skip(&r, 2);
	command = r;
	while (rd_more(&command)) {
		tag = (uint32_t)rd_u16le(&command) << 16;
		tag |= rd_u16le(&command);
		value = rd_take(&command, rd_u32le(&command));
		if (tag == 0x00000100 && value.n == 2)
			response = value.p[0] == 0x01 && value.p[1] == 0x80;
		if (tag == 0x00000900 && value.n == 2)
			good = (value.p[0] == 0 && value.p[1] == 0) ||
			       (value.p[0] == 0x07 && value.p[1] == 0xb0);
		if (tag == 0x00001000)
			uid = str_trim(value);
	}
	return response && good && !bad ? uid : (struct str){0};
}

struct expected {
	char uid[65];
	uint8_t sha256[32];
};
static struct expected *manifest;
static size_t manifest_count;

static void
load_manifest(const char *path)
{
	char line[256], *space;
	FILE *f = fopen(path, "re");
	struct expected x;
	size_t i;

	must(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		space = strchr(line, ' ');
		must(space != NULL && space - line < 65);
		memset(&x, 0, sizeof(x));
		memcpy(x.uid, line, (size_t)(space - line));
		for (i = 0; i < 32; i++) {
			char hex[3] = {space[1 + 2 * i], space[2 + 2 * i], 0};

			x.sha256[i] = (uint8_t)strtoul(hex, NULL, 16);
		}
		manifest =
		    must_realloc(manifest, (manifest_count + 1) * sizeof(x));
		manifest[manifest_count++] = x;
	}
	fclose(f);
}

static const struct expected *
expect(struct str uid)
{
	size_t i;

	for (i = 0; i < manifest_count; i++)
		if (str_eq_text(uid, manifest[i].uid))
			return &manifest[i];
	return NULL;
}

static bool
is_there(struct store *s, struct str uid, struct err *e)
{
	const struct expected *x = expect(uid);
	struct object_file f;
	struct index_row row;
	struct arena a;
	bool ok;

	if (x == NULL)
		return fail(e, ERR_USAGE, "not in the manifest");
	arena_init(&a, LIMIT_EXCHANGE);
	ok = index_instance(s, uid, &a, &row, e) &&
	     object_open(s, (const char *)row.path.p, &f, e);
	if (ok) {
		ok = object_verify(&f, e);
		if (ok && memcmp(f.sha256, x->sha256, 32) != 0)
			ok = fail(e, ERR_CORRUPT, "other bytes than were sent");
		object_close(&f);
	}
	arena_fini(&a);
	return ok;
}

static int
rows_without_file(struct store *s)
{
	struct search all = {.level = LEVEL_INSTANCE};
	struct index_row *rows;
	struct object_file f;
	struct arena a;
	struct err e;
	int64_t after = 0;
	size_t i, n = 0;
	int bad = 0;

	arena_init(&a, LIMIT_EXCHANGE);
	do {
		arena_reset(&a);
		must(index_search(s, &all, after, &a, &rows, &n, &e));
		for (i = 0; i < n; i++) {
			after = rows[i].id;
			if (object_open(
				s, (const char *)rows[i].path.p, &f, &e)) {
				if (!object_verify(&f, &e))
					bad++;
				object_close(&f);
			} else {
				bad++;
			}
			if (bad > 0)
				printf("  row: %s\n", e.text);
		}
	} while (n == LIMIT_ROWS);
	arena_fini(&a);
	return bad;
}

/* The control ID of the next AA in frames of MLLP. */
static bool
next_acknowledged(struct str *frames, struct str *control)
{
	static const char aa[] = "\rMSA|AA|o";
	const size_t n = sizeof(aa) - 1;
	size_t i;

	for (i = 0; i + n < frames->n; i++) {
		if (memcmp(frames->p + i, aa, n) != 0)
			continue;
		*frames = str_of(frames->p + i + n, frames->n - i - n);
		control->p = frames->p;
		for (control->n = 0; control->n < frames->n &&
				     frames->p[control->n] >= '0' &&
				     frames->p[control->n] <= '9';)
			control->n++;
		return true;
	}
	return false;
}

static bool
order_is_there(struct store *s, struct str number, struct err *e)
{
	struct item_search search = {.step_id = {0}};
	struct item *items;
	struct arena a;
	char accession[32];
	size_t n;
	bool ok;

	snprintf(accession, sizeof(accession), "A%.*s", STR_ARG(number));
	search.accession = str_from(accession);
	arena_init(&a, LIMIT_EXCHANGE);
	ok = item_list(s, &search, NULL, 10, &a, &items, &n, e);
	arena_fini(&a);
	if (!ok)
		return false;
	return n == 1 || fail(e, ERR_MISSING, "it is there %zu times", n);
}

static int
check_orders(struct store *s, size_t cut, struct str frames, uint64_t *acked)
{
	struct str number;
	struct err e;
	int bad = 0;

	while (next_acknowledged(&frames, &number)) {
		++*acked;
		if (order_is_there(s, number, &e))
			continue;
		bad++;
		if (bad < 4)
			printf("cut %zu: order %.*s: %s\n", cut,
			    STR_ARG(number), e.text);
	}
	return bad;
}

static int
check_state(const char *folder, size_t cut, uint64_t *acked)
{
	struct store_config config = {
	    .folder = folder, .server = true, .create = true};
	struct store *s;
	struct str uid, sent;
	struct err e;
	size_t i;
	int bad;

	if (!store_open(&s, &config, &e)) {
		printf("cut %zu: cannot open: %s\n", cut, e.text);
		return 1;
	}
	bad = rows_without_file(s);
	for (i = 0; i < cut; i++) {
		if (entries[i].r.op != RECORD_SEND)
			continue;
		sent = str_of(entries[i].data, entries[i].r.data_n);
		if (sent.n > 0 && sent.p[0] == 0x0b) {
			bad += check_orders(s, cut, sent, acked);
			continue;
		}
		uid = acknowledged(sent);
		if (uid.n == 0)
			continue;
		++*acked;
		if (!is_there(s, uid, &e)) {
			bad++;
			if (bad < 4)
				printf("cut %zu: %.*s: %s\n", cut, STR_ARG(uid),
				    e.text);
		}
	}
	store_close(&s);
	return bad;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *w)
{
	(void)st;
	(void)flag;
	(void)w;
	return remove(path);
}

int
main(int argc, char **argv)
{
	char folder[4096];
	uint64_t acked = 0, violations = 0;
	unsigned long state, states;
	struct disk d;
	size_t cut, i;

	must(argc == 6);
	log_setup(LOG_TEXT, LOG_ERROR);
	load(argv[1]);
	load_manifest(argv[2]);
	states = strtoul(argv[4], NULL, 10);
	random_state = strtoull(argv[5], NULL, 10) * 2654435761U + 1;
	for (state = 0; state < states; state++) {
		cut = 1 + (size_t)rnd(entry_count);
		memset(&d, 0, sizeof(d));
		d.journal = rnd(2) == 0;
		for (i = 0; i < cut; i++)
			step(&d, i);
		snprintf(folder, sizeof(folder), "%s/state", argv[3]);
		must(mkdir(folder, 0700) == 0);
		leave(&d, folder);
		if (check_state(folder, cut, &acked) > 0) {
			violations++;
			printf("%s, cut %zu\n",
			    d.journal ? "journal" : "log-structured", cut);
		}
		must(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
		disk_free(&d);
	}
	printf("states %lu entries %zu acknowledged %llu violations %llu\n",
	    states, entry_count, (unsigned long long)acked,
	    (unsigned long long)violations);
	return violations > 0 ? 1 : 0;
}
