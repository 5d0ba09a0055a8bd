/*
 * README.TXT of a medium: in plain words what is there and how to open it.
 * ASCII, lines that end as Windows wants them.
 */
#ifndef SERVICE_README_H
#define SERVICE_README_H

#include "base/buf.h"

struct readme {
	uint64_t patients, studies, series, files;
	/* Files in transfer syntaxes that no general purpose profile has. */
	uint64_t others;
	struct buf other_lines; /* and which these are */
};

void readme_build(struct buf *out, const struct readme *r);

#endif
