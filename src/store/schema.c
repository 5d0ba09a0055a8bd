/*
 * The schema of the index.
 *
 * patient, study, series and instance follow the levels of PS3.4 C.6; a column
 * that holds an attribute has the attribute's keyword (columns.def). Texts are
 * UTF-8 and never NULL: absent is ''. <keyword>_key is what a time is compared
 * by. name_key holds what names are compared by: kind (NAME_PATIENT,
 * NAME_REFERRING), folded component group or whole value, and the row that
 * has the name.
 *
 * word holds each value that can be looked into (store/index/word.h), once;
 * word_text its trigrams, word_part what they are made of.
 *
 * A patient is identified by Patient ID and issuer; without Patient ID by
 * 'identity' (name and birth date, or the study), so that two people without
 * an ID are not one.
 *
 * What the files do not hold is in tables of its own (node, setting, refusal,
 * activity, job, tombstone, writer, missing, item, hl7_journal and others),
 * which a rebuild of the index keeps. Merges and corrections of patients are
 * among them: index/person.h.
 *
 *   quarantine  files set aside: second arrivals that differ, torn files,
 *               what another was accepted instead of
 *   tombstone   files to be unlinked: the row went (flushed) before the file
 *   missing     rows whose file was found missing or changed
 *   worklist_query  what modalities asked of the worklist last
 *   writer      processes that store objects: from which folder and after
 *               which instance row on an unclean stop may have left files
 *               without rows; state holds counters by name
 *
 * user_version is the version; each step of schema_current leads to the next.
 */
#include "store/schema.h"

#include "base/log.h"

#include <unistd.h>
#include <errno.h>

static const char *const version_1[] = {
    "CREATE TABLE patient (id INTEGER PRIMARY KEY,"
    " PatientID TEXT NOT NULL, IssuerOfPatientID TEXT NOT NULL,"
    " identity TEXT NOT NULL, PatientName TEXT NOT NULL,"
    " PatientBirthDate TEXT NOT NULL, PatientSex TEXT NOT NULL,"
    " UNIQUE (PatientID, IssuerOfPatientID, identity)) STRICT",
    "CREATE INDEX patient_issuer ON patient (IssuerOfPatientID)",
    "CREATE INDEX patient_birth ON patient (PatientBirthDate)",
    "CREATE INDEX patient_sex ON patient (PatientSex)",

    "CREATE TABLE study (id INTEGER PRIMARY KEY, patient INTEGER NOT NULL,"
    " StudyInstanceUID TEXT NOT NULL UNIQUE, StudyID TEXT NOT NULL,"
    " StudyDate TEXT NOT NULL, StudyTime TEXT NOT NULL,"
    " StudyTime_key TEXT NOT NULL, AccessionNumber TEXT NOT NULL,"
    " StudyDescription TEXT NOT NULL, ReferringPhysicianName TEXT NOT NULL,"
    " InstitutionName TEXT NOT NULL, ModalitiesInStudy TEXT NOT NULL,"
    " SOPClassesInStudy TEXT NOT NULL,"
    " NumberOfStudyRelatedSeries INTEGER NOT NULL,"
    " NumberOfStudyRelatedInstances INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, changed INTEGER NOT NULL) STRICT",
    "CREATE INDEX study_patient ON study (patient)",
    "CREATE INDEX study_id ON study (StudyID)",
    "CREATE INDEX study_date ON study (StudyDate, StudyTime_key)",
    "CREATE INDEX study_time ON study (StudyTime_key)",
    "CREATE INDEX study_accession ON study (AccessionNumber)",
    "CREATE INDEX study_description ON study (StudyDescription)",
    "CREATE INDEX study_institution ON study (InstitutionName)",

    "CREATE TABLE series (id INTEGER PRIMARY KEY, study INTEGER NOT NULL,"
    " SeriesInstanceUID TEXT NOT NULL, SeriesNumber TEXT NOT NULL,"
    " Modality TEXT NOT NULL, SeriesDate TEXT NOT NULL,"
    " SeriesTime TEXT NOT NULL, SeriesTime_key TEXT NOT NULL,"
    " SeriesDescription TEXT NOT NULL, BodyPartExamined TEXT NOT NULL,"
    " StationName TEXT NOT NULL,"
    " PerformedProcedureStepStartDate TEXT NOT NULL,"
    " NumberOfSeriesRelatedInstances INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, UNIQUE (SeriesInstanceUID, study)) STRICT",
    "CREATE INDEX series_study ON series (study)",
    "CREATE INDEX series_modality ON series (Modality, study)",
    "CREATE INDEX series_number ON series (SeriesNumber)",
    "CREATE INDEX series_date ON series (SeriesDate)",
    "CREATE INDEX series_time ON series (SeriesTime_key)",
    "CREATE INDEX series_description ON series (SeriesDescription)",
    "CREATE INDEX series_body ON series (BodyPartExamined)",
    "CREATE INDEX series_station ON series (StationName)",
    "CREATE INDEX series_step ON series (PerformedProcedureStepStartDate)",

    "CREATE TABLE instance (id INTEGER PRIMARY KEY, series INTEGER NOT NULL,"
    " SOPInstanceUID TEXT NOT NULL UNIQUE, SOPClassUID TEXT NOT NULL,"
    " InstanceNumber TEXT NOT NULL, syntax TEXT NOT NULL,"
    " size INTEGER NOT NULL, sha256 BLOB NOT NULL, path TEXT NOT NULL,"
    " arrived INTEGER NOT NULL) STRICT",
    "CREATE INDEX instance_series ON instance (series)",
    "CREATE INDEX instance_class ON instance (SOPClassUID)",
    "CREATE INDEX instance_number ON instance (InstanceNumber)",

    "CREATE TABLE name_key (kind INTEGER NOT NULL, value TEXT NOT NULL,"
    " owner INTEGER NOT NULL, PRIMARY KEY (kind, value, owner))"
    " STRICT, WITHOUT ROWID",
    "CREATE INDEX name_key_owner ON name_key (kind, owner)",

    "CREATE TABLE quarantine (id INTEGER PRIMARY KEY,"
    " path TEXT NOT NULL UNIQUE, reason TEXT NOT NULL,"
    " SOPInstanceUID TEXT NOT NULL, source TEXT NOT NULL,"
    " size INTEGER NOT NULL, sha256 BLOB NOT NULL,"
    " arrived INTEGER NOT NULL) STRICT",
    "CREATE INDEX quarantine_uid ON quarantine (SOPInstanceUID)",
    "CREATE TABLE tombstone (path TEXT PRIMARY KEY,"
    " SOPInstanceUID TEXT NOT NULL, since INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID",
    "CREATE TABLE missing (id INTEGER PRIMARY KEY,"
    " SOPInstanceUID TEXT NOT NULL, StudyInstanceUID TEXT NOT NULL,"
    " SeriesInstanceUID TEXT NOT NULL, path TEXT NOT NULL,"
    " size INTEGER NOT NULL, sha256 BLOB NOT NULL,"
    " found INTEGER NOT NULL) STRICT",
    "CREATE TABLE writer (id INTEGER PRIMARY KEY, folder TEXT NOT NULL,"
    " last_instance INTEGER NOT NULL, since INTEGER NOT NULL) STRICT",
    "CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID",

    "CREATE TABLE node (ae TEXT PRIMARY KEY, host TEXT NOT NULL,"
    " port INTEGER NOT NULL, tls INTEGER NOT NULL, name TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID",
    "CREATE TABLE refusal (id INTEGER PRIMARY KEY, calling TEXT NOT NULL,"
    " called TEXT NOT NULL, address TEXT NOT NULL, reason TEXT NOT NULL,"
    " first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,"
    " UNIQUE (calling, called, address, reason)) STRICT",
    "CREATE INDEX refusal_last ON refusal (last)",
    "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID",
    "CREATE TABLE activity (id INTEGER PRIMARY KEY, protocol TEXT NOT NULL,"
    " calling TEXT NOT NULL, called TEXT NOT NULL, address TEXT NOT NULL,"
    " began INTEGER NOT NULL, ended INTEGER NOT NULL,"
    " bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL,"
    " echoes INTEGER NOT NULL, stores INTEGER NOT NULL,"
    " stores_failed INTEGER NOT NULL, finds INTEGER NOT NULL,"
    " gets INTEGER NOT NULL, moves INTEGER NOT NULL,"
    " instances_in INTEGER NOT NULL, instances_out INTEGER NOT NULL,"
    " how_ended TEXT NOT NULL, detail TEXT NOT NULL) STRICT",
    "CREATE INDEX activity_began ON activity (began)",
    NULL,
};

/* The job queue: see table/job.c. */
static const char *const version_2[] = {
    "CREATE TABLE job (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " kind TEXT NOT NULL, node TEXT NOT NULL, detail TEXT NOT NULL,"
    " state INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " created INTEGER NOT NULL, next INTEGER NOT NULL,"
    " ended INTEGER NOT NULL, total INTEGER NOT NULL,"
    " done INTEGER NOT NULL, failed INTEGER NOT NULL,"
    " listed INTEGER NOT NULL, error TEXT NOT NULL) STRICT",
    "CREATE INDEX job_waiting ON job (node, next) WHERE state = 0",
    "CREATE INDEX job_state ON job (state, ended)",
    "CREATE TABLE job_item (job INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " name TEXT NOT NULL, state INTEGER NOT NULL,"
    " expected INTEGER NOT NULL, got INTEGER NOT NULL,"
    " error TEXT NOT NULL, PRIMARY KEY (job, seq), UNIQUE (job, name))"
    " STRICT, WITHOUT ROWID",
    NULL,
};

static const char *const version_3[] = {
    "CREATE TABLE word (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " value TEXT NOT NULL, whole INTEGER NOT NULL, UNIQUE (kind, value))"
    " STRICT",
    "CREATE INDEX word_rest ON word (kind) WHERE whole = 0",
    "CREATE VIEW word_part AS SELECT id,"
    " iif(kind = 0, value, '') AS patient,"
    " iif(kind = 1, value, '') AS referring,"
    " iif(kind = 2, value, '') AS description,"
    " iif(kind = 3, value, '') AS patient_id,"
    " iif(kind = 4, value, '') AS accession"
    " FROM word WHERE whole = 1",
    "CREATE VIRTUAL TABLE word_text USING fts5 (patient, referring,"
    " description, patient_id, accession, content = 'word_part',"
    " content_rowid = 'id', tokenize = 'trigram case_sensitive 1',"
    " detail = column, columnsize = 0)",
    "INSERT INTO word (kind, value, whole)"
    " SELECT DISTINCT kind, value, word_whole(value) FROM name_key",
    "INSERT INTO word (kind, value, whole)"
    " SELECT DISTINCT 2, StudyDescription, word_whole(StudyDescription)"
    " FROM study WHERE StudyDescription <> ''",
    "INSERT INTO word (kind, value, whole)"
    " SELECT DISTINCT 3, PatientID, word_whole(PatientID)"
    " FROM patient WHERE PatientID <> ''",
    "INSERT INTO word (kind, value, whole)"
    " SELECT DISTINCT 4, AccessionNumber, word_whole(AccessionNumber)"
    " FROM study WHERE AccessionNumber <> ''",
    "INSERT INTO word_text (word_text) VALUES ('rebuild')",
    NULL,
};

/* Storage commitments: 'told' is when the peer got our answer, or, of those
 * that are ours, when the job took its. */
static const char *const version_4[] = {
    "CREATE TABLE commitment (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " ours INTEGER NOT NULL, ae TEXT NOT NULL, title TEXT NOT NULL,"
    " address TEXT NOT NULL, transaction_uid TEXT NOT NULL,"
    " job INTEGER NOT NULL, asked INTEGER NOT NULL, known INTEGER NOT NULL,"
    " sent INTEGER NOT NULL, told INTEGER NOT NULL, items TEXT NOT NULL,"
    " UNIQUE (ae, transaction_uid, ours)) STRICT",
    "CREATE INDEX commitment_untold ON commitment (ae, id) WHERE told = 0",
    "CREATE INDEX commitment_told ON commitment (told, asked)",
    "CREATE INDEX commitment_job ON commitment (job, id)",
    NULL,
};

/* The certificate that a node must show in TLS. */
static const char *const version_5[] = {
    "ALTER TABLE node ADD COLUMN certificate TEXT NOT NULL DEFAULT ''",
    NULL,
};

static const char *const version_6[] = {
    /* The columns named like fields of hl7/fields.def hold those. */
    "CREATE TABLE item (id INTEGER PRIMARY KEY, status INTEGER NOT NULL,"
    " PatientID TEXT NOT NULL, PatientName TEXT NOT NULL,"
    " PatientBirthDate TEXT NOT NULL, PatientSex TEXT NOT NULL,"
    " AccessionNumber TEXT NOT NULL, MedicalAlerts TEXT NOT NULL,"
    " Allergies TEXT NOT NULL, StudyInstanceUID TEXT NOT NULL,"
    " RequestingPhysician TEXT NOT NULL,"
    " RequestedProcedureDescription TEXT NOT NULL,"
    " Modality TEXT NOT NULL, RequestedContrastAgent TEXT NOT NULL,"
    " ScheduledStationAETitle TEXT NOT NULL,"
    " ScheduledProcedureStepStartDate TEXT NOT NULL,"
    " ScheduledProcedureStepStartTime TEXT NOT NULL,"
    " ScheduledPerformingPhysicianName TEXT NOT NULL,"
    " ScheduledProcedureStepDescription TEXT NOT NULL,"
    " ScheduledProcedureStepID TEXT NOT NULL,"
    " ScheduledStationName TEXT NOT NULL,"
    " ScheduledProcedureStepLocation TEXT NOT NULL,"
    " PreMedication TEXT NOT NULL,"
    " CommentsOnTheScheduledProcedureStep TEXT NOT NULL,"
    " ScheduledProcedureStepStatus TEXT NOT NULL,"
    " RequestedProcedureID TEXT NOT NULL, RequestedTiming TEXT NOT NULL,"
    " RequestedProcedurePriority TEXT NOT NULL,"
    " IssuerOfPatientID TEXT NOT NULL, OtherPatientIDs TEXT NOT NULL,"
    " PatientAddress TEXT NOT NULL, PatientMotherBirthName TEXT NOT NULL,"
    " PatientWeight TEXT NOT NULL, PatientSize TEXT NOT NULL,"
    " PregnancyStatus TEXT NOT NULL, PatientState TEXT NOT NULL,"
    " SpecialNeeds TEXT NOT NULL, PatientComments TEXT NOT NULL,"
    " ConfidentialityConstraint TEXT NOT NULL, AdmissionID TEXT NOT NULL,"
    " CurrentPatientLocation TEXT NOT NULL,"
    " ReferringPhysicianName TEXT NOT NULL,"
    " RequestingService TEXT NOT NULL, PlacerOrderNumber TEXT NOT NULL,"
    " FillerOrderNumber TEXT NOT NULL,"
    " RequestedProcedureCode TEXT NOT NULL,"
    " ScheduledProtocolCode TEXT NOT NULL,"
    " ReasonForTheRequestedProcedure TEXT NOT NULL,"
    " RequestedProcedureComments TEXT NOT NULL,"
    " PatientTransportArrangements TEXT NOT NULL,"
    " InstitutionName TEXT NOT NULL,"
    " name_key TEXT NOT NULL, application TEXT NOT NULL,"
    " facility TEXT NOT NULL, created INTEGER NOT NULL,"
    " changed INTEGER NOT NULL) STRICT",
    "CREATE INDEX item_start ON item (ScheduledProcedureStepStartDate,"
    " ScheduledProcedureStepStartTime, id)",
    "CREATE INDEX item_station ON item (ScheduledStationAETitle,"
    " ScheduledProcedureStepStartDate, ScheduledProcedureStepStartTime, id)",
    "CREATE INDEX item_patient ON item (PatientID)",
    "CREATE INDEX item_accession ON item (AccessionNumber)",
    "CREATE INDEX item_placer ON item (PlacerOrderNumber)",
    "CREATE INDEX item_filler ON item (FillerOrderNumber)",
    "CREATE INDEX item_study ON item (StudyInstanceUID)",
    "CREATE INDEX item_procedure ON item (RequestedProcedureID)",
    "CREATE INDEX item_step ON item (ScheduledProcedureStepID)",
    "CREATE INDEX item_name ON item (name_key)",
    "CREATE TABLE hl7_journal (id INTEGER PRIMARY KEY, sent INTEGER NOT NULL,"
    " at INTEGER NOT NULL, source TEXT NOT NULL, application TEXT NOT NULL,"
    " facility TEXT NOT NULL, control TEXT NOT NULL, type TEXT NOT NULL,"
    " outcome TEXT NOT NULL, reason TEXT NOT NULL, hash BLOB NOT NULL,"
    " raw BLOB NOT NULL) STRICT",
    "CREATE INDEX hl7_journal_hash ON hl7_journal (hash)",
    "CREATE INDEX hl7_journal_at ON hl7_journal (at)",
    "CREATE INDEX hl7_journal_failed ON hl7_journal (at)"
    " WHERE outcome IN ('refused', 'rejected')",
    "CREATE TABLE hl7_node (name TEXT PRIMARY KEY, host TEXT NOT NULL,"
    " port INTEGER NOT NULL, application TEXT NOT NULL,"
    " facility TEXT NOT NULL, tls INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE hl7_mapping (application TEXT NOT NULL,"
    " facility TEXT NOT NULL, mapping TEXT NOT NULL,"
    " PRIMARY KEY (application, facility)) STRICT, WITHOUT ROWID",
    NULL,
};

/* Performed procedure steps: see worklist/mpps.c. */
static const char *const version_7[] = {
    "CREATE TABLE mpps (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " SOPInstanceUID TEXT NOT NULL UNIQUE, ae TEXT NOT NULL,"
    " state INTEGER NOT NULL, wrong INTEGER NOT NULL,"
    " revision INTEGER NOT NULL, PatientID TEXT NOT NULL,"
    " PatientName TEXT NOT NULL, Modality TEXT NOT NULL,"
    " charset TEXT NOT NULL, data BLOB NOT NULL,"
    " created INTEGER NOT NULL, changed INTEGER NOT NULL) STRICT",
    "CREATE INDEX mpps_created ON mpps (created)",
    "CREATE TABLE mpps_step (mpps INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " StudyInstanceUID TEXT NOT NULL, AccessionNumber TEXT NOT NULL,"
    " RequestedProcedureID TEXT NOT NULL,"
    " ScheduledProcedureStepID TEXT NOT NULL, matched INTEGER NOT NULL,"
    " PRIMARY KEY (mpps, seq)) STRICT, WITHOUT ROWID",
    "CREATE INDEX mpps_step_study ON mpps_step (StudyInstanceUID)"
    " WHERE matched = 0",
    "CREATE INDEX mpps_step_accession ON mpps_step (AccessionNumber)"
    " WHERE matched = 0",
    "CREATE TABLE mpps_item (item INTEGER NOT NULL, mpps INTEGER NOT NULL,"
    " PRIMARY KEY (item, mpps)) STRICT, WITHOUT ROWID",
    "CREATE INDEX mpps_item_mpps ON mpps_item (mpps)",
    "CREATE TRIGGER mpps_gone AFTER DELETE ON mpps BEGIN"
    " DELETE FROM mpps_step WHERE mpps = old.id;"
    " DELETE FROM mpps_item WHERE mpps = old.id; END",
    "CREATE TRIGGER item_gone AFTER DELETE ON item BEGIN"
    " DELETE FROM mpps_item WHERE item = old.id; END",
    NULL,
};

/* CRC-32 of the data set, for zip files; -1 unknown. */
static const char *const version_8[] = {
    "ALTER TABLE instance ADD COLUMN crc32 INTEGER NOT NULL DEFAULT -1",
    NULL,
};

/* Merges and corrections of patients: see index/person.h. */
static const char *const version_9[] = {
    "CREATE TABLE patient_alias (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " prior_id TEXT NOT NULL, prior_issuer TEXT NOT NULL,"
    " PatientID TEXT NOT NULL, IssuerOfPatientID TEXT NOT NULL,"
    " ended_by INTEGER NOT NULL, at INTEGER NOT NULL,"
    " journal INTEGER NOT NULL) STRICT",
    "CREATE INDEX patient_alias_prior ON patient_alias (prior_id,"
    " prior_issuer, id)",
    "CREATE INDEX patient_alias_into ON patient_alias (PatientID,"
    " IssuerOfPatientID)",
    "CREATE INDEX patient_alias_ended ON patient_alias (ended_by)"
    " WHERE ended_by <> 0",
    "CREATE TABLE patient_edit (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " PatientID TEXT NOT NULL, IssuerOfPatientID TEXT NOT NULL,"
    " given INTEGER NOT NULL, PatientName TEXT NOT NULL,"
    " PatientBirthDate TEXT NOT NULL, PatientSex TEXT NOT NULL,"
    " at INTEGER NOT NULL, journal INTEGER NOT NULL,"
    " UNIQUE (PatientID, IssuerOfPatientID)) STRICT",
    "CREATE TABLE patient_said (id INTEGER PRIMARY KEY,"
    " PatientID TEXT NOT NULL, IssuerOfPatientID TEXT NOT NULL,"
    " PatientName TEXT NOT NULL, PatientBirthDate TEXT NOT NULL,"
    " PatientSex TEXT NOT NULL, UNIQUE (PatientID, IssuerOfPatientID))"
    " STRICT",
    "ALTER TABLE study ADD COLUMN said INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX study_said ON study (said) WHERE said <> 0",
    /* Under which ID an item came, where that was merged into another. */
    "ALTER TABLE item ADD COLUMN said_id TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE item ADD COLUMN said_issuer TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX item_said ON item (said_id) WHERE said_id <> ''",
    NULL,
};

/* The study is no foreign key: it may go and come back. */
static const char *const version_10[] = {
    "CREATE TABLE token (study TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE,"
    " sealed BLOB NOT NULL, issued INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    NULL,
};

/* Reports: see worklist/report.h. */
static const char *const version_11[] = {
    "CREATE TABLE report (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " StudyInstanceUID TEXT NOT NULL, AccessionNumber TEXT NOT NULL,"
    " PatientID TEXT NOT NULL, IssuerOfPatientID TEXT NOT NULL,"
    " application TEXT NOT NULL, facility TEXT NOT NULL,"
    " filler TEXT NOT NULL, title TEXT NOT NULL, status TEXT NOT NULL,"
    " at INTEGER NOT NULL, journal INTEGER NOT NULL, text TEXT NOT NULL,"
    " pdf BLOB NOT NULL) STRICT",
    "CREATE INDEX report_study ON report (StudyInstanceUID)",
    "CREATE INDEX report_accession ON report (AccessionNumber)",
    "CREATE INDEX report_filler ON report (filler)",
    NULL,
};

/* Users of the portal; state counts their changes under 'users'. */
static const char *const version_12[] = {
    "CREATE TABLE user (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL, name_key TEXT NOT NULL UNIQUE,"
    " hash TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1,"
    " admin INTEGER NOT NULL DEFAULT 0, rights INTEGER NOT NULL DEFAULT 0,"
    " only_own INTEGER NOT NULL DEFAULT 0,"
    " second BLOB NOT NULL DEFAULT x'',"
    " generation INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL,"
    " login INTEGER NOT NULL DEFAULT 0, reset BLOB NOT NULL DEFAULT x'',"
    " reset_until INTEGER NOT NULL DEFAULT 0,"
    " salute TEXT NOT NULL DEFAULT '', first_name TEXT NOT NULL DEFAULT '',"
    " last_name TEXT NOT NULL DEFAULT '', email TEXT NOT NULL DEFAULT '',"
    " phone TEXT NOT NULL DEFAULT '', institution TEXT NOT NULL DEFAULT '',"
    " department TEXT NOT NULL DEFAULT '',"
    " only_institution TEXT NOT NULL DEFAULT '',"
    " only_referring TEXT NOT NULL DEFAULT '',"
    " only_modality TEXT NOT NULL DEFAULT '') STRICT",
    "CREATE INDEX user_reset ON user (reset) WHERE reset_until > 0",
    "CREATE TABLE api_key (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " user INTEGER NOT NULL, name TEXT NOT NULL,"
    " hash BLOB NOT NULL UNIQUE, created INTEGER NOT NULL,"
    " used INTEGER NOT NULL DEFAULT 0) STRICT",
    "CREATE INDEX api_key_user ON api_key (user)",
    "CREATE TABLE upload (user INTEGER NOT NULL, study TEXT NOT NULL,"
    " at INTEGER NOT NULL, PRIMARY KEY (user, study))"
    " STRICT, WITHOUT ROWID",
    NULL,
};

/* The orders of the portal's lists. */
static const char *const version_13[] = {
    "CREATE INDEX patient_name ON patient (PatientName)",
    "CREATE INDEX patient_id ON patient (PatientID)",
    NULL,
};

/* Control IDs come in their order, hashes do not: an entry of the index by the
 * hash alone was a page of its own for each message. */
static const char *const version_14[] = {
    "DROP INDEX hl7_journal_hash",
    "CREATE INDEX hl7_journal_control ON hl7_journal (control, hash)",
    NULL,
};

static const char *const version_15[] = {
    "ALTER TABLE node ADD COLUMN charset TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE node ADD COLUMN worklist TEXT NOT NULL DEFAULT ''",
    /* What modalities are shown; items for several stations. */
    "CREATE INDEX item_open ON item (ScheduledStationAETitle,"
    " ScheduledProcedureStepStartDate, ScheduledProcedureStepStartTime, id)"
    " WHERE status <= 3",
    "CREATE INDEX item_open_start ON item (ScheduledProcedureStepStartDate,"
    " ScheduledProcedureStepStartTime, id) WHERE status <= 3",
    "CREATE INDEX item_stations ON item (ScheduledProcedureStepStartDate,"
    " ScheduledProcedureStepStartTime, id)"
    " WHERE instr(ScheduledStationAETitle, '\\') > 0",
    "CREATE TABLE worklist_query (id INTEGER PRIMARY KEY, ae TEXT NOT NULL,"
    " address TEXT NOT NULL, hash INTEGER NOT NULL,"
    " identifier BLOB NOT NULL, first INTEGER NOT NULL,"
    " last INTEGER NOT NULL, count INTEGER NOT NULL,"
    " answers INTEGER NOT NULL, took INTEGER NOT NULL,"
    " note TEXT NOT NULL, UNIQUE (ae, hash)) STRICT",
    "CREATE INDEX worklist_query_last ON worklist_query (last)",
    NULL,
};

/* How often patients' links were opened. */
static const char *const version_16[] = {
    "CREATE TABLE link_use (study TEXT PRIMARY KEY, opens INTEGER NOT NULL,"
    " last INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    NULL,
};

/* Associations that we opened. */
static const char *const version_17[] = {
    "ALTER TABLE activity ADD COLUMN outgoing INTEGER NOT NULL DEFAULT 0",
    NULL,
};

/* Sessions of the portal are activity, too: one row from its begin to its end.
 */
static const char *const version_18[] = {
    "ALTER TABLE activity ADD COLUMN session TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE activity ADD COLUMN browser TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE activity ADD COLUMN requests INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE activity ADD COLUMN actions TEXT NOT NULL DEFAULT ''",
    "CREATE UNIQUE INDEX activity_session ON activity (session)"
    " WHERE session <> ''",
    NULL,
};

/* Items and exams of patients who were merged: see worklist/item_merge.c. */
static const char *const version_19[] = {
    "CREATE TABLE item_told (item INTEGER NOT NULL, field TEXT NOT NULL,"
    " PatientID TEXT NOT NULL, IssuerOfPatientID TEXT NOT NULL,"
    " value TEXT NOT NULL, PRIMARY KEY (item, field, PatientID,"
    " IssuerOfPatientID)) STRICT, WITHOUT ROWID",
    "CREATE TRIGGER item_told_gone AFTER DELETE ON item BEGIN"
    " DELETE FROM item_told WHERE item = old.id; END",
    "ALTER TABLE mpps ADD COLUMN said_id TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX mpps_patient ON mpps (PatientID)",
    "CREATE INDEX mpps_said ON mpps (said_id) WHERE said_id <> ''",
    NULL,
};

/* Names are found regardless of strokes of letters: base/letters.def. Of rows
 * that are the same now one remains. */
static const char *const version_20[] = {
    "UPDATE OR REPLACE name_key SET value = fold_letters(value)"
    " WHERE fold_letters(value) <> value",
    "UPDATE item SET name_key = fold_letters(name_key)"
    " WHERE fold_letters(name_key) <> name_key",
    "CREATE TEMP TABLE folded AS SELECT id, kind, fold_letters(value) AS value"
    " FROM word WHERE kind < 2 AND fold_letters(value) <> value",
    "INSERT INTO word_text (word_text, rowid, patient, referring,"
    " description, patient_id, accession)"
    " SELECT 'delete', p.* FROM temp.folded f JOIN word_part p ON p.id = f.id",
    "DELETE FROM word WHERE id IN (SELECT id FROM temp.folded)",
    "DELETE FROM temp.folded WHERE EXISTS (SELECT 1 FROM word w"
    " WHERE w.kind = folded.kind AND w.value = folded.value)",
    "INSERT INTO word (id, kind, value, whole)"
    " SELECT min(id), kind, value, word_whole(value) FROM temp.folded"
    " GROUP BY kind, value",
    "INSERT INTO word_text (rowid, patient, referring, description,"
    " patient_id, accession)"
    " SELECT p.* FROM temp.folded f JOIN word_part p ON p.id = f.id",
    "DROP TABLE temp.folded",
    NULL,
};

/* An issuer is the name of an assigning authority, not "NAME&OID&ISO": merges
 * were told of the name alone, and found nobody. */
#define AUTHORITY(column)                                                      \
	"iif(" column " GLOB '?*&*&*' AND " column " NOT GLOB '&*',"           \
	" substr(" column ", 1, instr(" column ", '&') - 1), " column ")"
static const char *const version_21[] = {
    "UPDATE item SET"
    " IssuerOfPatientID = " AUTHORITY(
	"IssuerOfPatientID") ","
			     " said_issuer = " AUTHORITY(
				 "said_issuer") " WHERE IssuerOfPatientID GLOB '*&*&*' OR said_issuer GLOB '*&*&*'",
    "UPDATE OR IGNORE item_told SET"
    " IssuerOfPatientID = " AUTHORITY(
	"IssuerOfPatientID") " WHERE IssuerOfPatientID GLOB '*&*&*'",
    "UPDATE patient_alias SET"
    " IssuerOfPatientID = " AUTHORITY(
	"IssuerOfPatientID") " WHERE IssuerOfPatientID GLOB '*&*&*'",
    "UPDATE OR IGNORE patient_edit SET"
    " IssuerOfPatientID = " AUTHORITY(
	"IssuerOfPatientID") " WHERE IssuerOfPatientID GLOB '*&*&*'",
    "UPDATE report SET"
    " IssuerOfPatientID = " AUTHORITY(
	"IssuerOfPatientID") " WHERE IssuerOfPatientID GLOB '*&*&*'",
    NULL,
};

static const struct schema_step steps[] = {
    {version_1},
    {version_2},
    {version_3},
    {version_4},
    {version_5},
    {version_6},
    {version_7},
    {version_8},
    {version_9},
    {version_10},
    {version_11},
    {version_12},
    {version_13},
    {version_14},
    {version_15},
    {version_16},
    {version_17},
    {version_18},
    {version_19},
    {version_20},
    {version_21},
};

const struct schema schema_current = {
    .steps = steps,
    .version = ARRAY_LEN(steps),
};

static bool
refuse_newer(
    const char *path, int64_t found, const struct schema *schema, struct err *e)
{
	return fail(e, ERR_UNSUPPORTED,
	    "'%s' has schema version %lld, this program knows versions up to "
	    "%lld: start the newer program that wrote it, or restore the copy "
	    "made before ('%s.version-%lld')",
	    path, (long long)found, (long long)schema->version, path,
	    (long long)schema->version);
}

/* A copy that was being made when the power failed is no copy: it gets its
 * name only when it is whole. */
static bool
copy_before(struct db *db, const char *path, int64_t version, struct err *e)
{
	char name[4096], part[4200];

	snprintf(
	    name, sizeof(name), "%s.version-%lld", path, (long long)version);
	snprintf(part, sizeof(part), "%s.part", name);
	if (unlink(part) != 0 && errno != ENOENT)
		return fail_errno(e, "cannot remove '%s'", part);
	if (!db_copy(db, part, e))
		return fail_in(e, "cannot copy to '%s'", name);
	if (rename(part, name) != 0)
		return fail_errno(e, "cannot name '%s'", name);
	return true;
}

static bool
apply(struct db *db, const struct schema *schema, int64_t from, struct err *e)
{
	const char *const *sql;
	int64_t i;

	for (i = from; i < schema->version; i++)
		for (sql = schema->steps[i].sql; *sql != NULL; sql++)
			if (!db_exec(db, *sql, DB_NO_ARGS, e))
				return fail_in(
				    e, "schema version %lld", (long long)i + 1);
	return db_version_set(db, schema->version, e);
}

bool
schema_migrate(
    struct db *db, const char *path, const struct schema *schema, struct err *e)
{
	int64_t version, now;

	if (!db_version(db, &version, e))
		return false;
	if (version > schema->version)
		return refuse_newer(path, version, schema, e);
	if (version == schema->version)
		return true;
	if (version > 0 && !copy_before(db, path, version, e))
		return false;
	if (!db_begin(db, true, e))
		return false;
	/* Another process may have been faster. */
	if (!db_version(db, &now, e) ||
	    (now == version && !apply(db, schema, version, e)) ||
	    !db_commit(db, e)) {
		db_rollback(db);
		return fail_in(e, "cannot bring '%s' to schema version %lld",
		    path, (long long)schema->version);
	}
	if (version > 0)
		log_info("store", "schema version %lld is now %lld",
		    (long long)version, (long long)schema->version);
	return true;
}
