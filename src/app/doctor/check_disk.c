/*
 * The disk under the data folder: kind of file system, room, files left, and
 * whether it flushes.
 */
#include "app/doctor/doctor.h"

#include "store/health.h"

#include <inttypes.h>
#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

/* Not in every linux/magic.h. */
#define MAGIC_XFS   0x58465342
#define MAGIC_NFS   0x6969
#define MAGIC_SMB   0x517b
#define MAGIC_CIFS  0xff534d42
#define MAGIC_SMB2  0xfe534d42
#define MAGIC_9P    0x01021997
#define MAGIC_CEPH  0x00c36400
#define MAGIC_AFS   0x5346414f
#define MAGIC_FUSE  0x65735546
#define MAGIC_ZFS   0x2fc12fc1
#define MAGIC_TMPFS 0x01021994
#define MAGIC_RAMFS 0x858458f6

#define MANY_FILES    10000
#define SLOW_FLUSH_US 50000

static const struct {
	unsigned magic;
	const char *name;
	enum sign sign;
} kinds[] = {
    {EXT4_SUPER_MAGIC, "ext4", SIGN_DISK_KIND},
    {MAGIC_XFS, "XFS", SIGN_DISK_KIND},
    {BTRFS_SUPER_MAGIC, "btrfs", SIGN_DISK_KIND},
    {MAGIC_ZFS, "ZFS", SIGN_DISK_OTHER},
    {OVERLAYFS_SUPER_MAGIC, "overlay", SIGN_DISK_OTHER},
    {MAGIC_FUSE, "FUSE", SIGN_DISK_NETWORK},
    {MAGIC_NFS, "NFS", SIGN_DISK_NETWORK},
    {MAGIC_SMB, "SMB", SIGN_DISK_NETWORK},
    {MAGIC_CIFS, "CIFS", SIGN_DISK_NETWORK},
    {MAGIC_SMB2, "SMB", SIGN_DISK_NETWORK},
    {MAGIC_9P, "9p", SIGN_DISK_NETWORK},
    {MAGIC_CEPH, "Ceph", SIGN_DISK_NETWORK},
    {MAGIC_AFS, "AFS", SIGN_DISK_NETWORK},
    {MAGIC_TMPFS, "tmpfs", SIGN_DISK_MEMORY},
    {MAGIC_RAMFS, "ramfs", SIGN_DISK_MEMORY},
};

static void
check_kind(struct doctor *d, const char *path)
{
	struct statfs fs;
	size_t i;

	if (statfs(path, &fs) != 0)
		return;
	for (i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].magic == (unsigned)fs.f_type)
			break;
	if (i < ARRAY_LEN(kinds))
		doctor_say(
		    d, kinds[i].sign, "'%s' is on %s", path, kinds[i].name);
	else
		doctor_say(d, SIGN_DISK_OTHER,
		    "'%s' is on a file system of type %x", path,
		    (unsigned)fs.f_type);
}

/* In a unit that can be read, to a tenth. */
static const char *
amount(uint64_t bytes, char out[32])
{
	static const char *const units[] = {
	    "bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)bytes;
	size_t i;

	for (i = 0; v >= 1024 && i + 1 < ARRAY_LEN(units); i++)
		v /= 1024;
	snprintf(out, 32, "%.*f %s", i == 0 ? 0 : 1, v, units[i]);
	return out;
}

static void
check_room(struct doctor *d, uint64_t room)
{
	uint64_t reserve =
	    (uint64_t)d->settings.at[SETTING_STORE_RESERVE].number;
	struct store_health h = {.week_bytes = 0};
	char a[32], b[32], c[32];
	struct err e;

	if (room < reserve) {
		doctor_say(d, SIGN_DISK_FULL,
		    "%s are free, store.reserve is %s", amount(room, a),
		    amount(reserve, b));
		return;
	}
	if (d->store != NULL && !store_health(d->store, &h, &e))
		h.week_bytes = 0;
	/* Four weeks. */
	if (h.week_bytes > 0 && (room - reserve) / 4 < h.week_bytes)
		doctor_say(d, SIGN_DISK_SOON,
		    "%s are free above the reserve of %s, %s came in the last "
		    "week",
		    amount(room - reserve, a), amount(reserve, b),
		    amount(h.week_bytes, c));
	else
		doctor_say(d, SIGN_DISK_ROOM,
		    "%s are free, %s are kept in reserve, %s came in the last "
		    "week",
		    amount(room, a), amount(reserve, b),
		    amount(h.week_bytes, c));
}

static void
check_flush(struct doctor *d)
{
	enum sign sign = SIGN_DISK_FLUSH;
	int64_t us;
	struct err e;

	if (!store_flush_time(d->store, &us, &e)) {
		doctor_say(d,
		    e.code == ERR_FULL ? SIGN_DISK_FULL : SIGN_DISK_FLUSH_FAILS,
		    "%s", e.text);
		return;
	}
	if (us > SLOW_FLUSH_US)
		sign = SIGN_DISK_FLUSH_SLOW;
	doctor_say(d, sign, "a flush takes %.1f ms", (double)us / 1000);
}

void
check_disk(struct doctor *d)
{
	const char *path = doctor_path(d, "objects");
	struct statvfs fs;

	if (statvfs(path, &fs) != 0) {
		path = d->data;
		if (statvfs(path, &fs) != 0)
			return;
	}
	check_kind(d, path);
	check_room(d, (uint64_t)fs.f_bavail * fs.f_frsize);
	/* Some file systems make them as they are wanted, and say 0. */
	if (fs.f_files > 0 && fs.f_favail < MANY_FILES)
		doctor_say(d, SIGN_DISK_INODES,
		    "%llu more files fit on the file system of '%s'",
		    (unsigned long long)fs.f_favail, path);
	if (d->store != NULL)
		check_flush(d);
}
