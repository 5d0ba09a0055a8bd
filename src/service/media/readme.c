#include "service/media/readme.h"

static const char *const begin =
    "MEDICAL IMAGES (DICOM)\r\n"
    "\r\n"
    "These folders hold medical images, and what belongs to them, as files\r\n"
    "of the DICOM standard.\r\n"
    "\r\n";

static const char *const open =
    "\r\n"
    "How to open them\r\n"
    "\r\n"
    "You need a program for DICOM images (a \"DICOM viewer\"). None is\r\n"
    "included. Any will do; free ones are easily found.\r\n"
    "\r\n"
    "1. If this came as a zip file, unpack all of it into a folder first.\r\n"
    "2. Start the viewer, and in it open the file DICOMDIR, which lists\r\n"
    "   everything. If it asks for a folder, give it the one in which\r\n"
    "   DICOMDIR lies.\r\n"
    "3. To import everything into another archive, give that the same\r\n"
    "   file or folder.\r\n"
    "\r\n"
    "The images themselves are in the folder DICOM. Their names have no\r\n"
    "extension and say nothing of what they are: the standard wants them\r\n"
    "so. A double click does not open them. Do not rename or move single\r\n"
    "files: DICOMDIR would not find them any more.\r\n"
    "\r\n"
    "How they are stored\r\n"
    "\r\n";

static const char *const regular =
    "All files are in forms that general purpose DICOM media allow (PS3.11\r\n"
    "of the standard), which most viewers read.\r\n";

static const char *const others =
    "These files are stored in forms (transfer syntaxes) that general\r\n"
    "purpose DICOM media do not allow (PS3.11 of the standard). They are\r\n"
    "whole, and DICOMDIR lists them too, but some viewers do not show\r\n"
    "them:\r\n"
    "\r\n";

static const char *const end =
    "\r\n"
    "These are personal health data. Keep them safe, and hand them only to\r\n"
    "who is to have them.\r\n";

static void
put_count(struct buf *out, uint64_t n, const char *one, const char *many)
{
	buf_printf(
	    out, "  %llu %s\r\n", (unsigned long long)n, n == 1 ? one : many);
}

void
readme_build(struct buf *out, const struct readme *r)
{
	buf_text(out, begin);
	put_count(out, r->patients, "patient", "patients");
	put_count(out, r->studies, "study", "studies");
	put_count(out, r->series, "series", "series");
	put_count(out, r->files, "file", "files");
	buf_text(out, open);
	if (r->others == 0) {
		buf_text(out, regular);
	} else {
		buf_text(out, others);
		buf_add(out, buf_str(&r->other_lines));
	}
	buf_text(out, end);
}
