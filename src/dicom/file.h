/*
 * Part 10 files (PS3.10 section 7): preamble, "DICM", file meta information in
 * explicit VR little endian, data set.
 */
#ifndef DICOM_FILE_H
#define DICOM_FILE_H

#include "dicom/dataset.h"

#define FILE_PREAMBLE 128

struct file_meta {
	struct str sop_class;       /* (0002,0002) */
	struct str sop_instance;    /* (0002,0003) */
	struct str syntax;          /* (0002,0010), padding removed */
	struct str source_ae;       /* (0002,0016) */
	struct str private_creator; /* (0002,0100) */
	struct str private_info;    /* (0002,0102) */
	bool guessed; /* no meta header: syntax was guessed from the bytes */
	uint64_t meta_offset; /* where group 2 begins; data_offset if nowhere */
	uint64_t data_offset; /* where the data set begins */
};

/* Read the header from the first bytes of a file (give LIMIT_META or the whole
 * file if shorter). The slices point into bytes. Understood besides the
 * regular form: a wrong or missing group length, elements out of order, odd
 * lengths, no preamble but group 2, no header at all (ACR-NEMA and bare data
 * sets: the syntax is guessed and 'guessed' set), a missing (0002,0010) (then
 * guessed too), a JSON or PE or ELF or TIFF preamble. ERR_MALFORMED when the
 * bytes are no data set at all; ERR_LIMIT for a meta header over LIMIT_META. */
bool file_meta_read(struct str bytes, struct file_meta *out, struct err *e);

/* Append preamble (zeros), DICM and meta header with (0002,0000), (0002,0001),
 * class, instance, syntax, our implementation UID and version name, source AE
 * and the private information if their slices are not empty. */
bool file_meta_build(
    struct buf *out, const struct file_meta *meta, struct err *e);

/* PS3.7 D.3.3.2: who we are in associations and in meta headers. */
#define IMPLEMENTATION_CLASS_UID    "2.25.303870352471849130582394816209741853"
#define IMPLEMENTATION_VERSION_NAME "FILEROOM_1"

#endif
