/*
 * Mappings: the default table, presets, the exchange format.
 */
#include "hl7/mapping.h"

#include "test.h"

static bool
equal(const struct mapping *a, const struct mapping *b)
{
	size_t f, i;

	for (f = 0; f < FIELD_COUNT; f++) {
		if (a->count[f] != b->count[f])
			return false;
		for (i = 0; i < a->count[f]; i++) {
			const struct mapping_place *x = &a->at[f][i],
						   *y = &b->at[f][i];

			if (strcmp(x->segment, y->segment) != 0 ||
			    x->position != y->position ||
			    x->component != y->component ||
			    x->subcomponent != y->subcomponent ||
			    x->repetition != y->repetition)
				return false;
		}
	}
	return true;
}

TEST(default_table)
{
	static const char want[] = "PATIENT ID = PID 3 1\n"
				   "PATIENT NAME = PID 5 0\n"
				   "PATIENT BIRTHDATE = PID 7 1\n"
				   "PATIENT SEX = PID 8 1\n"
				   "ACCESSION NUMBER = ORC 2 1\n"
				   "STUDY INSTANCE UID = ZDS 1 0\n"
				   "REQUESTING PHYSICIAN NAME = OBR 16 1\n";
	struct buf out;

	buf_init(&out, 10000);
	mapping_write(mapping_preset("manual"), &out);
	CHECK(str_starts(buf_str(&out), STR(want)));
	buf_fini(&out);
}

TEST(presets_come_back)
{
	struct mapping again;
	struct buf out;
	struct err e;
	size_t i;

	buf_init(&out, 20000);
	for (i = 0; mapping_presets[i] != NULL; i++) {
		const struct mapping *m = mapping_preset(mapping_presets[i]);

		buf_clear(&out);
		mapping_write(m, &out);
		CHECK(mapping_read(buf_str(&out), &again, &e));
		CHECK(equal(m, &again));
		CHECK(m->count[FIELD_PatientID] > 0);
		CHECK(m->count[FIELD_PatientName] > 0);
	}
	CHECK(mapping_preset("nothing") == NULL);
	buf_fini(&out);
}

TEST(format)
{
	struct mapping m;
	struct err e;

	CHECK(mapping_read(STR("# mine\r\n\r\nModality = obr-24[2] 1.2, IPC 5\n"
			       "PATIENT ID=PID 3 1"),
	    &m, &e));
	CHECK_EQ(m.count[FIELD_Modality], 2);
	CHECK_EQ(m.at[FIELD_Modality][0].repetition, 2);
	CHECK_EQ(m.at[FIELD_Modality][0].subcomponent, 2);
	CHECK_EQ(m.at[FIELD_Modality][1].component, 0);
	CHECK(strcmp(m.at[FIELD_Modality][0].segment, "OBR") == 0);
	CHECK(!mapping_read(STR("Nothing = PID 3 1"), &m, &e));
	CHECK(strstr(e.text, "Nothing") != NULL);
	CHECK(!mapping_read(STR("\nModality = PI 3 1"), &m, &e));
	CHECK(strstr(e.text, "line 2") != NULL);
	CHECK(!mapping_read(STR("Modality = PID 0 1"), &m, &e));
	CHECK(!mapping_read(STR("Modality = PID 3 1 x"), &m, &e));
	CHECK(!mapping_read(STR("Modality"), &m, &e));
	CHECK(!mapping_read(
	    STR("Modality = PID 3 1\nMODALITY = PID 3 1"), &m, &e));
	CHECK(!mapping_read(
	    STR("Modality = A01 1,A01 1,A01 1,A01 1,A01 1"), &m, &e));
}

TEST_MAIN
