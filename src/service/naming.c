/*
 * What people look for: names, dates, numbers.
 */
#include "service/naming.h"

#include "base/filename.h"
#include "dicom/value.h"

void
naming_patient(struct buf *path, const struct index_row *row)
{
	const struct str *v = row->value;
	size_t from = path->n;

	filename_add(path, from, pn_alphabetic(v[COLUMN_PatientName]), 40);
	filename_add(path, from, v[COLUMN_PatientID], 32);
	filename_end(path, from, "patient");
}

void
naming_study(struct buf *path, const struct index_row *row)
{
	size_t from = path->n;

	filename_add(path, from, row->value[COLUMN_StudyDate], 8);
	filename_add(path, from, row->value[COLUMN_StudyDescription], 40);
	filename_end(path, from, "study");
}

void
naming_series(struct buf *path, const struct index_row *row)
{
	size_t from = path->n;

	filename_number(path, from, row->value[COLUMN_SeriesNumber], 3);
	filename_add(path, from, row->value[COLUMN_SeriesDescription], 40);
	filename_end(path, from, "series");
}

void
naming_instance(struct buf *path, const struct index_row *row)
{
	size_t from = path->n;

	filename_number(path, from, row->value[COLUMN_InstanceNumber], 4);
	filename_end(path, from, "image");
}
