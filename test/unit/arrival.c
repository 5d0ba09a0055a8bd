/*
 * Images that arrive, and the order while they do.
 */
#include "worklist.h"

#include "base/clock.h"
#include "service/worklist/arrival.h"

#define STUDY "1.2.77.1"

TEST(an_order_that_comes_between_images)
{
	const struct arrival_config config = {.then = ARRIVAL_HIDE};
	struct arrival_seen seen = {0};

	if (!archive_begin(&t))
		return;
	archive_exec(&t,
	    "INSERT INTO patient (id, PatientID, IssuerOfPatientID, identity,"
	    " PatientName, PatientBirthDate, PatientSex)"
	    " VALUES (1, 'ID1', '', '', 'DOE^JANE', '', '')");
	archive_exec(&t,
	    "INSERT INTO study (patient, StudyInstanceUID, StudyID, StudyDate,"
	    " StudyTime, StudyTime_key, AccessionNumber, StudyDescription,"
	    " ReferringPhysicianName, InstitutionName, ModalitiesInStudy,"
	    " SOPClassesInStudy, NumberOfStudyRelatedSeries,"
	    " NumberOfStudyRelatedInstances, bytes, changed) VALUES (1,"
	    " '" STUDY "', '', '', '', '', 'A1', '', '', '', 'CT', '', 1, 1,"
	    " 1, 1)");
	arrival_note(t.store, &config, &seen, STUDY);
	CHECK(take(HEAD("1") PATIENT
	    "ORC|NW|P1\rOBR|1|P1||X^Hand||||||||||||||A1||||||CT\r"));
	CHECK_EQ(only_status(), STATUS_SCHEDULED);
	/* Not for each image: looked at just now. */
	seen.looked_ms[0] = clock_mono_ms() + 600000;
	arrival_note(t.store, &config, &seen, STUDY);
	CHECK_EQ(only_status(), STATUS_SCHEDULED);
	seen.looked_ms[0] = clock_mono_ms() - 60000;
	arrival_note(t.store, &config, &seen, STUDY);
	CHECK_EQ(only_status(), STATUS_COMPLETED);
	CHECK_EQ(seen.next, 1);
	archive_end(&t);
}

TEST_MAIN
