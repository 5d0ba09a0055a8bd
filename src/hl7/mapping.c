/*
 * Mappings: presets, and the text they are exchanged in.
 */
#include "hl7/mapping.h"

#include "base/arena.h"

#include <ctype.h>
#include <pthread.h>

#define LINE_SHOWN 60

/* F44: one place a field, as fields.def has it. */
static const struct mapping manual = {
#define FIELD(id, name, type, room, segment, position, component)              \
	.at[FIELD_##id][0] = {segment, position, component, 0, 0},             \
	.count[FIELD_##id] = (position) > 0,
#include "hl7/fields.def"
#undef FIELD
};

/* The others as text: what a site would write, and read once. */

/* IHE RAD-4/RAD-13 with ORM^O01 of HL7 2.3.1. */
#define PATIENT_ROWS                                                           \
	"PatientID = PID 3 1\nIssuerOfPatientID = PID 3 4\n"                   \
	"PatientName = PID 5 0\nPatientBirthDate = PID 7 1\n"                  \
	"PatientSex = PID 8 1\nPatientAddress = PID 11 0\n"                    \
	"PatientMotherBirthName = PID 6 0\n"                                   \
	"AdmissionID = PV1 19 1, PID 18 1\n"                                   \
	"CurrentPatientLocation = PV1 3 0\n"                                   \
	"ReferringPhysicianName = PV1 8 0\nPregnancyStatus = PV1 15 1\n"       \
	"PatientState = OBR 12 1\nMedicalAlerts = OBR 13 1\n"                  \
	"PlacerOrderNumber = ORC 2 1, OBR 2 1\n"                               \
	"FillerOrderNumber = ORC 3 1, OBR 3 1\n"                               \
	"RequestingPhysician = OBR 16 0, ORC 12 0\n"                           \
	"ScheduledPerformingPhysicianName = OBR 34 0\n"                        \
	"ReasonForTheRequestedProcedure = OBR 31 2, OBR 31 1\n"                \
	"PatientTransportArrangements = OBR 30 1\n"                            \
	"ScheduledProcedureStepStatus = ORC 5 1\n"                             \
	"Allergies = AL1 3 2, AL1 3 1\n"

static const char ihe_orm[] = PATIENT_ROWS
    "AccessionNumber = OBR 18 1\nRequestedProcedureID = OBR 19 1\n"
    "ScheduledProcedureStepID = OBR 20 1, OBR 19 1\n"
    "StudyInstanceUID = ZDS 1 1\nModality = OBR 24 1\n"
    "ScheduledProtocolCode = OBR 4 4, OBR 4 1\n"
    "ScheduledProcedureStepDescription = OBR 4 5, OBR 4 2\n"
    "RequestedProcedureDescription = OBR 44 2, OBR 4 2\n"
    "RequestedProcedureCode = OBR 44 1, OBR 4 1\n"
    "ScheduledProcedureStepStartDate = ORC 7 4, OBR 27 4, OBR 36 1\n"
    "ScheduledProcedureStepStartTime = ORC 7 4, OBR 27 4, OBR 36 1\n"
    "RequestedProcedurePriority = ORC 7 6, OBR 27 6\n"
    "ScheduledStationAETitle = OBR 21 1, ORC 18 1\n"
    "RequestedProcedureComments = NTE 3 0\n"
    "ConfidentialityConstraint = ORC 28 1\n";

/* OMI^O23 of HL7 2.5.1, with IPC segments. */
static const char ihe_omi[] = PATIENT_ROWS
    "AccessionNumber = IPC 1 1, OBR 18 1\n"
    "RequestedProcedureID = IPC 2 1, OBR 19 1\n"
    "ScheduledProcedureStepID = IPC 4 1, OBR 20 1\n"
    "StudyInstanceUID = IPC 3 1, ZDS 1 1\nModality = IPC 5 1, OBR 24 1\n"
    "ScheduledProtocolCode = IPC 6 1\n"
    "ScheduledProcedureStepDescription = IPC 6 2, OBR 4 2\n"
    "RequestedProcedureDescription = OBR 44 2, OBR 4 2\n"
    "RequestedProcedureCode = OBR 44 1, OBR 4 1\n"
    "ScheduledStationName = IPC 7 1\nScheduledProcedureStepLocation = IPC 8 1\n"
    "ScheduledStationAETitle = IPC 9 1\n"
    "ScheduledProcedureStepStartDate = TQ1 7 1, ORC 7 4, OBR 27 4\n"
    "ScheduledProcedureStepStartTime = TQ1 7 1, ORC 7 4, OBR 27 4\n"
    "RequestedProcedurePriority = TQ1 9 1, ORC 7 6, OBR 27 6\n"
    "RequestedProcedureComments = NTE 3 0\n"
    "ConfidentialityConstraint = ORC 28 1\n"
    "InstitutionName = ORC 21 1\nRequestingService = ORC 17 2\n";

/* What dcm4chee-arc does by default. */
static const char dcm4chee[] = PATIENT_ROWS
    "AccessionNumber = IPC 1 1, OBR 18 1\n"
    "RequestedProcedureID = IPC 2 1, OBR 19 1\n"
    "ScheduledProcedureStepID = IPC 4 1, OBR 20 1, IPC 2 1, OBR 19 1\n"
    "StudyInstanceUID = IPC 3 1, ZDS 1 1\nModality = IPC 5 1, OBR 24 1\n"
    "ScheduledProtocolCode = IPC 6 1, OBR 4 4, OBR 4 1\n"
    "ScheduledProcedureStepDescription = IPC 6 2, OBR 4 5, OBR 4 2\n"
    "RequestedProcedureDescription = OBR 44 2, OBR 4 2\n"
    "RequestedProcedureCode = OBR 44 1, OBR 4 1\n"
    "ScheduledStationName = IPC 7 1\nScheduledProcedureStepLocation = IPC 8 1\n"
    "ScheduledStationAETitle = IPC 9 1, ORC 18 1\n"
    "ScheduledProcedureStepStartDate = TQ1 7 1, ORC 7 4, OBR 27 4\n"
    "ScheduledProcedureStepStartTime = TQ1 7 1, ORC 7 4, OBR 27 4\n"
    "RequestedProcedurePriority = TQ1 9 1, ORC 7 6, OBR 27 6\n"
    "RequestedProcedureComments = NTE 3 0\nPatientComments = NTE 3 0\n"
    "ConfidentialityConstraint = ORC 28 1\n"
    "InstitutionName = ORC 17 2, MSH 4 1\nRequestingService = ORC 13 9\n";

/* The HL7 tags of the table WorkList in Conquest's dicom.sql, which counts
 * components from 0 (its OBR.4.1 is OBR 4 2 here). What it has no tag for but
 * an order cannot do without stands where ORM^O01 has it. */
static const char conquest[] =
    "PatientID = PID 4 1, PID 3 1\nPatientName = PID 5 0\n"
    "PatientBirthDate = PID 7 1\nPatientSex = PID 8 1\n"
    "AccessionNumber = OBR 3 1\nRequestingPhysician = OBR 16 0\n"
    "RequestedProcedureDescription = OBR 4 2\nModality = OBR 21 1\n"
    "ScheduledProcedureStepStartDate = OBR 7 1\n"
    "ScheduledProcedureStepStartTime = OBR 7 1\n"
    "ScheduledProcedureStepID = OBR 4 0\nScheduledStationName = OBR 24 1\n"
    "RequestedProcedureID = OBR 4 1\nRequestedProcedurePriority = OBR 27 1\n"
    "StudyInstanceUID = ZDS 1 0\nScheduledProcedureStepStatus = ORC 5 1\n"
    "PlacerOrderNumber = ORC 2 1, OBR 2 1\n"
    "FillerOrderNumber = ORC 3 1, OBR 3 1\n";

const char *const mapping_presets[] = {
    "manual", "ihe-orm", "ihe-omi", "dcm4chee", "conquest", NULL};
static const char *const texts[] = {NULL, ihe_orm, ihe_omi, dcm4chee, conquest};
static struct mapping read_presets[ARRAY_LEN(texts)];
static pthread_once_t presets_once = PTHREAD_ONCE_INIT;

static void
read_all(void)
{
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i] != NULL)
			must(mapping_read(
			    str_from(texts[i]), &read_presets[i], &e));
}

const struct mapping *
mapping_preset(const char *name)
{
	size_t i;

	(void)pthread_once(&presets_once, read_all);
	for (i = 0; mapping_presets[i] != NULL; i++)
		if (!strcmp(name, mapping_presets[i]))
			return texts[i] != NULL ? &read_presets[i] : &manual;
	return NULL;
}

static struct str
skip_spaces(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_of(s.p + 1, s.n - 1);
	return s;
}

/* A number from 0 to max at the start of *s. */
static bool
take_number(struct str *s, unsigned max, unsigned *out)
{
	size_t n = 0;

	*out = 0;
	while (n < s->n && isdigit(s->p[n]) && n < 6)
		*out = 10 * *out + (s->p[n++] - '0');
	*s = str_of(s->p + n, s->n - n);
	return n > 0 && *out <= max;
}

static bool
take_char(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != (uint8_t)c)
		return false;
	*s = str_of(s->p + 1, s->n - 1);
	return true;
}

/* "PID 3[2] 1.1", where the component may be left out (0). */
static bool
parse_place(struct str s, struct mapping_place *p)
{
	unsigned position, repetition = 0, component = 0, part = 0;
	size_t i;

	s = skip_spaces(str_trim(s));
	if (s.n < 3)
		return false;
	for (i = 0; i < 3; i++) {
		if (i == 0 ? !isalpha(s.p[i]) : !isalnum(s.p[i]))
			return false;
		p->segment[i] = (char)toupper(s.p[i]);
	}
	p->segment[3] = '\0';
	s = str_of(s.p + 3, s.n - 3);
	(void)take_char(&s, '-');
	s = skip_spaces(s);
	if (!take_number(&s, 999, &position) || position == 0)
		return false;
	if (take_char(&s, '[') &&
	    (!take_number(&s, 255, &repetition) || !take_char(&s, ']')))
		return false;
	s = skip_spaces(s);
	if (s.n > 0 && !take_number(&s, 255, &component))
		return false;
	if (take_char(&s, '.') && !take_number(&s, 255, &part))
		return false;
	p->position = (uint16_t)position;
	p->repetition = (uint8_t)repetition;
	p->component = (uint8_t)component;
	p->subcomponent = (uint8_t)part;
	return skip_spaces(s).n == 0;
}

bool
mapping_place_read(struct str text, struct mapping_place *out, struct err *e)
{
	char shown[LINE_SHOWN];

	*out = (struct mapping_place){0};
	if (parse_place(text, out))
		return true;
	return fail(e, ERR_USAGE,
	    "'%s' is no place in a message; a place is a segment, a position "
	    "and a component (0: the whole field), such as PID 5 0",
	    str_printable(shown, sizeof(shown), text));
}

void
mapping_place_write(const struct mapping_place *p, struct buf *out)
{
	buf_printf(out, "%s %u", p->segment, (unsigned)p->position);
	if (p->repetition > 1)
		buf_printf(out, "[%u]", (unsigned)p->repetition);
	buf_printf(out, " %u", (unsigned)p->component);
	if (p->subcomponent > 0)
		buf_printf(out, ".%u", (unsigned)p->subcomponent);
}

static bool
read_line(struct str line, struct mapping *m, struct err *e)
{
	size_t at = str_find(line, '=');
	enum field f = field_find(str_of(line.p, at));
	char shown[LINE_SHOWN];
	struct str rest, place;

	if (at == line.n)
		return fail(e, ERR_USAGE,
		    "'%s': a line is FIELD = SEGMENT POSITION COMPONENT",
		    str_printable(shown, sizeof(shown), line));
	if (f == FIELD_COUNT)
		return fail(e, ERR_USAGE, "there is no field '%s'",
		    str_printable(
			shown, sizeof(shown), str_trim(str_of(line.p, at))));
	if (m->count[f] > 0)
		return fail(e, ERR_USAGE, "the field '%s' stands twice",
		    field_info(f)->name);
	rest = str_of(line.p + at + 1, line.n - at - 1);
	if (str_trim(rest).n == 0)
		return true;
	while (str_split(&rest, ',', &place)) {
		if (m->count[f] == MAPPING_PLACES)
			return fail(e, ERR_USAGE,
			    "'%s' has more than %d places", field_info(f)->name,
			    MAPPING_PLACES);
		if (!mapping_place_read(place, &m->at[f][m->count[f]], e))
			return false;
		m->count[f]++;
	}
	return true;
}

bool
mapping_read(struct str text, struct mapping *out, struct err *e)
{
	struct str line;
	size_t number = 0;

	*out = (struct mapping){0};
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_of(text.p + 3, text.n - 3);
	while (str_split(&text, '\n', &line)) {
		number++;
		while (line.n > 0 && (line.p[line.n - 1] == '\r' ||
					 line.p[line.n - 1] == '\t'))
			line.n--;
		line = skip_spaces(str_trim(line));
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (!read_line(line, out, e))
			return fail_in(e, "line %zu", number);
	}
	return true;
}

void
mapping_write(const struct mapping *m, struct buf *out)
{
	size_t f, i;

	for (f = 0; f < FIELD_COUNT; f++) {
		if (m->count[f] == 0)
			continue;
		buf_printf(out, "%s =", field_info((enum field)f)->name);
		for (i = 0; i < m->count[f]; i++) {
			buf_text(out, i > 0 ? ", " : " ");
			mapping_place_write(&m->at[f][i], out);
		}
		buf_u8(out, '\n');
	}
}
