/*
 * What services share and how they are negotiated: titles, the choice of a
 * transfer syntax, which service serves what, statuses, the gate.
 */
#include "service/service.h"

#include "base/limit.h"
#include "service/gate.h"
#include "service/negotiate.h"
#include "test.h"

TEST(called_titles)
{
	CHECK(negotiate_called("FILEROOM", "FILEROOM"));
	CHECK(negotiate_called("FILEROOM", "FILEROOM_E"));
	CHECK(negotiate_called("FILEROOM", "FILEROOM_P"));
	CHECK(negotiate_called("FILEROOM", "FILEROOM_TE"));
	CHECK(negotiate_called("FILEROOM", "FILEROOM_TP"));
	CHECK(negotiate_called("FILEROOM", " FILEROOM "));
	CHECK(!negotiate_called("FILEROOM", "FILEROOM_X"));
	CHECK(!negotiate_called("FILEROOM", "FILEROOM_"));
	CHECK(!negotiate_called("FILEROOM", "FILEROOM_EE"));
	CHECK(!negotiate_called("FILEROOM", "fileroom"));
	CHECK(!negotiate_called("FILEROOM", "FILEROO"));
	CHECK(!negotiate_called("FILEROOM", ""));
}

static int
pick(const struct service *service, const char *const *uids, size_t n)
{
	struct str syntaxes[8];
	struct pdu_context context = {.syntaxes = syntaxes, .syntax_count = n};
	size_t i;

	for (i = 0; i < n; i++)
		syntaxes[i] = str_from(uids[i]);
	return negotiate_syntax(service, &context);
}

#define PICK(service, ...)                                                     \
	pick(service, (const char *const[]){__VA_ARGS__},                      \
	    ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

TEST(syntax_first_proposed)
{
	CHECK_EQ(PICK(&service_store, UID_JPEGBaseline8Bit,
		     UID_ExplicitVRLittleEndian),
	    0);
	CHECK_EQ(PICK(&service_store, UID_ExplicitVRBigEndian,
		     UID_ExplicitVRLittleEndian),
	    0);
	CHECK_EQ(PICK(&service_store, UID_PrivateGEBigEndian), 0);
	CHECK_EQ(PICK(&service_store, "1.2.3.4", UID_RLELossless), 1);
	CHECK_EQ(PICK(&service_store, "1.2.3.4"), -1);
	CHECK_EQ(PICK(&service_store, UID_XMLEncoding), -1);
	CHECK_EQ(PICK(&service_store, UID_Verification), -1);
	CHECK_EQ(pick(&service_store, NULL, 0), -1);
}

TEST(syntax_explicit_before_implicit)
{
	CHECK_EQ(PICK(&service_store, UID_ImplicitVRLittleEndian,
		     UID_ExplicitVRLittleEndian),
	    1);
	CHECK_EQ(PICK(&service_find, UID_ImplicitVRLittleEndian,
		     UID_ExplicitVRBigEndian, UID_ExplicitVRLittleEndian),
	    2);
	CHECK_EQ(PICK(&service_find, UID_ImplicitVRLittleEndian,
		     UID_ExplicitVRBigEndian),
	    0);
}

TEST(syntax_of_queries_is_plain)
{
	CHECK_EQ(PICK(&service_find, UID_JPEG2000Lossless,
		     UID_DeflatedExplicitVRLittleEndian),
	    1);
	CHECK_EQ(PICK(&service_get, UID_JPEGBaseline8Bit), -1);
}

static const char *
name_for(const char *abstract)
{
	const struct service *found = service_for_abstract(str_from(abstract));

	return found != NULL ? found->name : "none";
}

TEST(abstract_syntaxes)
{
	CHECK_STR(str_from(name_for(UID_Verification)), "Verification");
	CHECK_STR(str_from(name_for(UID_CTImageStorage)), "Storage");
	/* A manufacturer's own, and one newer than the table. */
	CHECK_STR(str_from(name_for("1.2.840.113619.4.26")), "Storage");
	CHECK_STR(
	    str_from(name_for("1.2.840.10008.5.1.4.1.1.999.1")), "Storage");
	CHECK_STR(str_from(name_for(
		      UID_PatientRootQueryRetrieveInformationModelFind)),
	    "Query");
	CHECK_STR(
	    str_from(name_for(UID_StudyRootQueryRetrieveInformationModelGet)),
	    "Retrieval");
	CHECK_STR(
	    str_from(name_for(UID_StudyRootQueryRetrieveInformationModelMove)),
	    "Retrieval to others");
	CHECK_STR(str_from(name_for(
		      UID_PatientStudyOnlyQueryRetrieveInformationModelGet)),
	    "Retrieval");
	CHECK_STR(str_from(name_for(UID_ModalityWorklistInformationModelFind)),
	    "Modality Worklist");
	CHECK_STR(str_from(name_for(UID_MediaStorageDirectoryStorage)), "none");
	CHECK_STR(str_from(name_for("1.2.840.10008.9.9.9")), "none");
	CHECK_STR(str_from(name_for("")), "none");
	CHECK_STR(str_from(name_for("../../etc")), "none");
}

TEST(commands)
{
	struct str ct = str_from(UID_CTImageStorage);

	CHECK(service_for_command(C_STORE_RQ, ct) == &service_store);
	CHECK(service_for_command(C_FIND_RQ, ct) == NULL);
	CHECK(service_for_command(C_ECHO_RQ, str_from(UID_Verification)) ==
	      &service_echo);
	CHECK(service_for_command(N_GET_RQ, ct) == NULL);
}

TEST(statuses)
{
	CHECK_EQ(dimse_status(ERR_FULL), 0xa700);
	CHECK_EQ(dimse_status(ERR_MALFORMED), 0xc000);
	CHECK_EQ(dimse_status(ERR_LIMIT), 0xc000);
	CHECK_EQ(dimse_status(ERR_UNSUPPORTED), 0xa900);
	CHECK_EQ(dimse_status(ERR_CONFLICT), 0x0111);
	CHECK_EQ(dimse_status(ERR_IO), 0x0110);
	CHECK_EQ(dimse_status(ERR_CORRUPT), 0x0110);
	CHECK_EQ(dimse_status((enum err_code)99), 0x0110);
}

TEST(extended_answers)
{
	uint8_t answer[8];

	CHECK_EQ(service_store.extended(STR("\2\0\3\0\1\0"), answer, 8), 6);
	CHECK_EQ(answer[0], 2);
	CHECK_EQ(answer[4], 0);
	CHECK_EQ(service_find.extended(STR("\1\1\1\1\1\1\1\1"), answer, 8), 7);
	/* A 1 only for what is done. */
	CHECK_EQ(answer[0] & answer[1] & answer[2] & answer[5] & answer[6], 1);
	CHECK_EQ(answer[3] | answer[4], 0);
	/* PS3.4 Table K.5-2 has four bytes. */
	CHECK_EQ(service_worklist.extended(STR("\1\1\1\1\1\1"), answer, 8), 4);
	CHECK_EQ(answer[0] & answer[1], 1);
	CHECK_EQ(answer[2] | answer[3], 0);
	CHECK_EQ(service_find.extended(STR("\0\2"), answer, 8), 2);
	CHECK_EQ(answer[0] | answer[1], 0);
	CHECK_EQ(service_find.extended(STR("\1"), answer, 8), 1);
	CHECK_EQ(service_get.extended(STR("\1\1"), answer, 1), 1);
}

TEST(gate_lets_so_many_in)
{
	struct gate_pass passes[LIMIT_RUNNING_PER_ADDRESS + 3] = {0},
							    other = {0};
	struct gate g;
	size_t i, n = LIMIT_RUNNING_PER_ADDRESS;

	gate_init(&g, LIMIT_RUNNING_PER_ADDRESS);
	for (i = 0; i < n; i++)
		CHECK(gate_enter(&g, &passes[i], "192.0.2.1"));
	CHECK(!gate_wanted(&passes[0]));
	for (i = n; i < n + 3; i++)
		CHECK(!gate_enter(&g, &passes[i], "192.0.2.1"));
	CHECK(gate_wanted(&passes[0]));
	CHECK(gate_enter(&g, &other, "192.0.2.2"));
	CHECK(gate_leave(&g, &other) == NULL);
	/* In order of arrival. */
	CHECK(gate_leave(&g, &passes[0]) == &passes[n]);
	CHECK(gate_leave(&g, &passes[0]) == NULL);
	CHECK(gate_leave(&g, &passes[n]) == &passes[n + 1]);
	CHECK(gate_take_waiting(&g) == &passes[n + 2]);
	CHECK(gate_take_waiting(&g) == NULL);
	CHECK(gate_leave(&g, &passes[n + 2]) == NULL);
	for (i = 1; i < n; i++)
		CHECK(gate_leave(&g, &passes[i]) == NULL);
	CHECK(gate_leave(&g, &passes[n + 1]) == NULL);
	gate_fini(&g);
}

TEST(gate_is_left_by_those_in_line)
{
	struct gate_pass p[5] = {0};
	struct gate g;
	size_t i;

	gate_init(&g, 1);
	for (i = 0; i < 5; i++)
		CHECK(gate_enter(&g, &p[i], "DEST") == (i == 0));
	CHECK(gate_leave(&g, &p[2]) == NULL);
	CHECK(!p[2].waiting);
	CHECK(gate_leave(&g, &p[4]) == NULL);
	CHECK(gate_leave(&g, &p[0]) == &p[1]);
	CHECK(gate_leave(&g, &p[1]) == &p[3]);
	CHECK(!gate_enter(&g, &p[4], "DEST"));
	CHECK(gate_leave(&g, &p[4]) == NULL);
	CHECK(!gate_wanted(&p[3]));
	CHECK(gate_leave(&g, &p[3]) == NULL);
	gate_fini(&g);
}

TEST(gate_of_changing_width)
{
	struct gate_pass p[4] = {0};
	struct gate g;
	size_t i;

	gate_init(&g, 1);
	for (i = 0; i < 4; i++)
		CHECK(gate_enter(&g, &p[i], "DEST") == (i == 0));
	CHECK(gate_admit(&g) == NULL);
	g.most = 3;
	CHECK(gate_admit(&g) == &p[1]);
	CHECK(gate_admit(&g) == &p[2]);
	CHECK(gate_admit(&g) == NULL);
	/* Narrower again: the next gets in when there is room. */
	g.most = 1;
	CHECK(gate_leave(&g, &p[0]) == NULL);
	CHECK(gate_leave(&g, &p[1]) == NULL);
	CHECK(gate_leave(&g, &p[2]) == &p[3]);
	CHECK(gate_leave(&g, &p[3]) == NULL);
	gate_fini(&g);
}

TEST_MAIN
