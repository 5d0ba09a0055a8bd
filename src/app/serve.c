/*
 * The server process: the archive, its settings, the DICOM server, the HL7
 * port; runs in the foreground until a signal ends it.
 *
 * stdout gets exactly one line, "ready dicom=HOST:PORT dicom-tls=HOST:PORT
 * hl7=HOST:PORT http=HOST:PORT", once everything listens (closed ports are left
 * out). The log goes to stderr.
 * SIGTERM and SIGINT stop cleanly, a second one at once. Settings changed by
 * other processes take effect within about a second; pinned ones stay.
 */
#include "app/client_settings.h"
#include "app/dicom_tls.h"
#include "app/settings.h"
#include "app/verb.h"
#include "app/web_settings.h"
#include "app/worklist/keeper.h"
#include "base/clock.h"
#include "base/log.h"
#include "service/hl7/port.h"
#include "service/job/runner.h"
#include "service/scp.h"
#include "store/table/setting.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often the version of the stored settings is asked for. */
#define WAIT_SETTINGS_MS 500
/* What running exchanges get to finish at a stop. */
#define WAIT_STOP_MS 10000
/* And jobs after them: they have been asked to end by then. */
#define WAIT_STOP_JOBS_MS 2000

#define TROUBLE_ROOM sizeof(((struct err *)0)->text)

/* Of the server, in the order in which they take their settings. */
enum { PART_CERTIFICATE, PART_DICOM, PART_HL7, PART_WEB, PARTS };

struct server {
	struct store *store;
	struct scp *scp;
	struct hl7_port *hl7;
	struct worklist_keeper worklist;
	struct runner *runner;
	struct web *web;
	struct settings settings;
	struct dicom_tls tls;
	int64_t version; /* of the stored settings in effect */
	/* Logged already: with all settings, and with those of a part. */
	char trouble[TROUBLE_ROOM], part_trouble[PARTS][TROUBLE_ROOM];
	bool json; /* each line on stderr is an object */
};

struct serve_options {
	const char *data, *config, *log_format;
	struct words set;
};

static void
port_of(const struct setting_value *v, uint16_t *port, bool *automatic)
{
	*automatic = v->number == SETTING_PORT_AUTO;
	*port = *automatic ? 0 : (uint16_t)v->number;
}

static void
copy_text(char *out, size_t room, const struct settings *s, enum setting_id id)
{
	(void)str_copy(out, room, str_from(s->at[id].text));
}

static void
worklist_config_of(const struct settings *s, struct arrival_config *c)
{
	c->then = (enum arrival_then)s->at[SETTING_WORKLIST_ON_IMAGES].number;
	c->quiet_s = (int)s->at[SETTING_WORKLIST_IMAGES_QUIET_S].number;
	copy_text(
	    c->notify.to, sizeof(c->notify.to), s, SETTING_WORKLIST_NOTIFY);
	copy_text(c->notify.application, sizeof(c->notify.application), s,
	    SETTING_HL7_SENDING_APPLICATION);
	copy_text(c->notify.facility, sizeof(c->notify.facility), s,
	    SETTING_HL7_SENDING_FACILITY);
}

/* Until client_fini(&c->client). */
static bool
scp_config_of(const struct settings *s, struct store *store, struct tls *tls,
    struct scp_config *c, struct err *e)
{
	const struct setting_value *at = s->at;

	*c = (struct scp_config){0};
	(void)str_copy(c->service.ae_title, sizeof(c->service.ae_title),
	    str_from(at[SETTING_DICOM_AE_TITLE].text));
	(void)str_copy(
	    c->bind, sizeof(c->bind), str_from(at[SETTING_DICOM_BIND].text));
	c->service.access_open =
	    str_eq_text(str_from(at[SETTING_DICOM_ACCESS].text), "open");
	c->service.check_called_ae =
	    at[SETTING_DICOM_CHECK_CALLED_AE].number != 0;
	c->service.timeout_ms = (int)at[SETTING_DICOM_TIMEOUT_S].number * 1000;
	c->service.debug = at[SETTING_DICOM_DEBUG].number != 0;
	c->service.worklist.calling_ae_as_station =
	    at[SETTING_WORKLIST_CALLING_AE_AS_STATION].number != 0;
	c->service.worklist.hide_without_ae =
	    str_eq_text(str_from(at[SETTING_WORKLIST_WITHOUT_AE].text), "hide");
	(void)str_copy(c->service.worklist.uid_root,
	    sizeof(c->service.worklist.uid_root),
	    str_from(at[SETTING_WORKLIST_UID_ROOT].text));
	(void)str_copy(c->service.worklist.uid_for,
	    sizeof(c->service.worklist.uid_for),
	    str_from(at[SETTING_WORKLIST_UID_FOR].text));
	c->service.worklist.log_queries =
	    at[SETTING_WORKLIST_LOG_QUERIES].number != 0;
	port_of(&at[SETTING_DICOM_PORT], &c->port, &c->port_auto);
	port_of(&at[SETTING_DICOM_TLS_PORT], &c->tls_port, &c->tls_port_auto);
	worklist_config_of(s, &c->service.arrival);
	c->tls = tls;
	c->max_outgoing = (unsigned)at[SETTING_DICOM_MAX_OUTGOING].number;
	if (!client_settings(s, store_folder(store), &c->client, e))
		return false;
	c->client.store = store;
	return true;
}

static struct hl7_config
hl7_config_of(const struct settings *s, struct tls *tls)
{
	const struct setting_value *at = s->at;
	struct hl7_config c = {
	    .access_open =
		str_eq_text(str_from(at[SETTING_HL7_ACCESS].text), "open"),
	    .token_access_open = str_eq_text(
		str_from(at[SETTING_HL7_TOKEN_ACCESS].text), "open"),
	    .token_answer_2023 = str_eq_text(
		str_from(at[SETTING_HL7_TOKEN_ANSWER].text), "2023"),
	    .send_ack = at[SETTING_HL7_SEND_ACK].number != 0,
	    .rules.uid_for = at[SETTING_WORKLIST_UID_FOR].text,
	    .tls = at[SETTING_HL7_TLS].number != 0 ? tls : NULL,
	};

	copy_text(c.rules.uid_root, sizeof(c.rules.uid_root), s,
	    SETTING_WORKLIST_UID_ROOT);
	port_of(&at[SETTING_HL7_PORT], &c.port, &c.port_auto);
	copy_text(c.bind, sizeof(c.bind), s, SETTING_HL7_BIND);
	copy_text(c.application, sizeof(c.application), s,
	    SETTING_HL7_SENDING_APPLICATION);
	copy_text(
	    c.facility, sizeof(c.facility), s, SETTING_HL7_SENDING_FACILITY);
	copy_text(c.charset, sizeof(c.charset), s, SETTING_HL7_CHARSET);
	copy_text(c.notify, sizeof(c.notify), s, SETTING_WORKLIST_NOTIFY);
	return c;
}

/* The jobs call as the moves do. */
static struct runner_config
runner_config_of(const struct scp_config *c)
{
	return (struct runner_config){
	    .client = c->client, .max_outgoing = c->max_outgoing};
}

static void
apply_log(const struct settings *s)
{
	log_level_set(
	    s->at[SETTING_DICOM_DEBUG].number != 0 ? LOG_DEBUG : LOG_INFO);
}

/* Every connection and every object being read or written needs one. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_warning("serve", "cannot raise the limit of open files");
	if (limit.rlim_cur < 4096)
		log_warning("serve", "only %llu files may be open at once",
		    (unsigned long long)limit.rlim_cur);
}

static bool
pinned_settings(
    struct settings *s, const struct serve_options *o, struct err *e)
{
	size_t i;

	settings_init(s);
	if (o->config != NULL && !settings_load_file(s, o->config, e))
		return false;
	if (!settings_load_environment(s, environ, e))
		return false;
	for (i = 0; i < o->set.n; i++)
		if (!settings_set_pair(s, o->set.at[i], e))
			return false;
	return true;
}

static bool
set_up_log(const char *format, struct err *e)
{
	if (format == NULL || !strcmp(format, "text"))
		log_setup(LOG_TEXT, LOG_INFO);
	else if (!strcmp(format, "json"))
		log_setup(LOG_JSON, LOG_INFO);
	else
		return fail(e, ERR_USAGE,
		    "--log-format: '%s' is not allowed; allowed: text or json",
		    format);
	return true;
}

static void
note_changes(const struct settings *before, const struct settings *now)
{
	unsigned i;

	for (i = 0; i < SETTING_COUNT; i++)
		if (strcmp(before->at[i].text, now->at[i].text) != 0)
			log_info("settings", "%s is now '%s'",
			    settings_info((enum setting_id)i)->key,
			    now->at[i].text);
}

static bool
take_dicom(struct server *s, const struct settings *next, struct err *e)
{
	struct runner_config jobs;
	struct scp_config config;
	bool ok;

	if (!scp_config_of(next, s->store, s->tls.tls, &config, e))
		return false;
	ok = scp_configure(s->scp, &config, e);
	jobs = runner_config_of(&config);
	if (ok)
		runner_configure(s->runner, &jobs);
	client_fini(&config.client);
	return ok;
}

static bool
take_certificate(struct server *s, const struct settings *next, struct err *e)
{
	return dicom_tls_take(&s->tls, next, store_folder(s->store), e);
}

static bool
take_hl7(struct server *s, const struct settings *next, struct err *e)
{
	struct hl7_config config = hl7_config_of(next, s->tls.tls);

	return hl7_port_configure(s->hl7, &config, e);
}

static bool
take_web(struct server *s, const struct settings *next, struct err *e)
{
	struct web_config config;

	web_settings(next, &config);
	worklist_config_of(next, &config.arrival);
	return web_configure(s->web, &config, e);
}

/* What is taken one after the other, and which of its settings may be of no
 * use here (a port that is taken, a file that is not there): first those
 * without which the rest mostly can be taken, then all. */
struct server_part {
	bool (*take)(struct server *, const struct settings *, struct err *);
	enum setting_id doubtful[9];
	size_t first, n;
};

static const struct server_part parts[PARTS] = {
    [PART_CERTIFICATE] = {take_certificate,
	{SETTING_DICOM_TLS_CERT, SETTING_DICOM_TLS_KEY, SETTING_DICOM_TLS_CA,
	    SETTING_DICOM_TLS_PORT, SETTING_HL7_TLS,
	    SETTING_DICOM_TLS_CLIENT_CERT},
	5, 6},
    [PART_DICOM] = {take_dicom,
	{SETTING_DICOM_TLS_PORT, SETTING_DICOM_PORT, SETTING_DICOM_BIND}, 1, 3},
    [PART_HL7] = {take_hl7, {SETTING_HL7_PORT, SETTING_HL7_BIND}, 2, 2},
    [PART_WEB] = {take_web,
	{SETTING_HTTP_TLS_CERT, SETTING_HTTP_TLS_KEY, SETTING_HTTP_TLS,
	    SETTING_HTTP_PORT, SETTING_HTTP_BIND, SETTING_HTTP_SERVER_NAME,
	    SETTING_HTTP_OUTSIDE_ADDRESS, SETTING_HTTP_TRUSTED_PROXIES},
	5, 8},
};

static void
hold(struct settings *next, const struct settings *before,
    const enum setting_id *ids, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		next->at[ids[i]] = before->at[ids[i]];
}

/* One part with what can be taken of its settings: the others stay as they
 * were, and *e says why (ERR_NONE: all were taken). */
static void
take_part(struct server *s, const struct server_part *part,
    struct settings *next, struct err *e)
{
	struct err again;

	if (part->take(s, next, e)) {
		e->code = ERR_NONE;
		return;
	}
	hold(next, &s->settings, part->doubtful, part->first);
	if (part->take(s, next, &again))
		return;
	hold(next, &s->settings, part->doubtful, part->n);
	(void)part->take(s, next, &again);
}

/* What a setting that cannot be taken stands for stays as it was, and holds up
 * nothing else: least of all who is let in. False: nothing was taken. */
static bool
take_settings(struct server *s, struct err why[PARTS], struct err *e)
{
	struct settings next = s->settings;
	size_t i;

	if (!settings_load_stored(&next, s->store, e))
		return false;
	apply_log(&next);
	settings_apply_store(&next, s->store);
	for (i = 0; i < PARTS; i++)
		take_part(s, &parts[i], &next, &why[i]);
	worklist_keeper_configure(&s->worklist, s->store, &next);
	note_changes(&s->settings, &next);
	s->settings = next;
	return true;
}

/* The same error again is not news: the change is tried every round. */
static void
trouble(char told[TROUBLE_ROOM], const struct err *e)
{
	if (e->code == ERR_NONE) {
		told[0] = '\0';
		return;
	}
	if (strcmp(told, e->text) != 0)
		log_error("settings", "%s", e->text);
	memcpy(told, e->text, TROUBLE_ROOM);
}

static void
say_moved(const char *what, const char *before, const char *now)
{
	if (strcmp(before, now) != 0)
		log_info("serve", "%s listens on %s now", what,
		    now[0] != '\0' ? now : "no port");
}

static void
follow_settings(struct server *s)
{
	char before[300], before_tls[300], before_hl7[300];
	char before_http[300];
	struct err why[PARTS], e;
	bool all = true;
	int64_t version;
	size_t i;

	if (!setting_version(s->store, &version, &e)) {
		trouble(s->trouble, &e);
		return;
	}
	if (version == s->version)
		return;
	snprintf(before, sizeof(before), "%s", scp_address(s->scp));
	snprintf(before_tls, sizeof(before_tls), "%s", scp_tls_address(s->scp));
	snprintf(
	    before_hl7, sizeof(before_hl7), "%s", hl7_port_address(s->hl7));
	snprintf(before_http, sizeof(before_http), "%s", web_address(s->web));
	if (!take_settings(s, why, &e)) {
		trouble(s->trouble, &e);
		return;
	}
	s->trouble[0] = '\0';
	for (i = 0; i < PARTS; i++) {
		trouble(s->part_trouble[i], &why[i]);
		all = all && why[i].code == ERR_NONE;
	}
	if (all)
		s->version = version;
	say_moved("DICOM", before, scp_address(s->scp));
	say_moved("DICOM over TLS", before_tls, scp_tls_address(s->scp));
	say_moved("HL7", before_hl7, hl7_port_address(s->hl7));
	say_moved("HTTP", before_http, web_address(s->web));
}

static void
say_certificate(const char *what, const struct err *e)
{
	if (e->code == ERR_NONE)
		log_info("tls", "the certificate %s is in use now", what);
	else
		log_error("tls",
		    "%s; connections go on with what was there before",
		    e->text);
}

/* New connections get what the files hold now; if that is no use, what they
 * held before. */
static void
follow_certificates(struct server *s)
{
	bool dicom = dicom_tls_changed(&s->tls);
	bool web = web_certificate_changed(s->web);
	struct err why[PARTS], e;

	if (!dicom && !web)
		return;
	if (!take_settings(s, why, &e)) {
		trouble(s->trouble, &e);
		return;
	}
	if (dicom)
		say_certificate(s->tls.files.cert, &why[PART_CERTIFICATE]);
	if (web)
		say_certificate("of the portal", &why[PART_WEB]);
}

static void
stop_signals(sigset_t *set)
{
	struct sigaction hang_up;

	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	/* The terminal was closed; under nohup that is to be ignored. */
	if (sigaction(SIGHUP, NULL, &hang_up) == 0 &&
	    hang_up.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
}

static void
end_at_once(int number)
{
	(void)number;
	_exit(VERB_FAILED);
}

/* Blocks until a signal asks for the end; the next one is not waited for. */
static void
run_until_signal(struct server *s)
{
	struct timespec wait = {0, WAIT_SETTINGS_MS * 1000000L};
	struct sigaction action = {.sa_handler = end_at_once};
	sigset_t set;
	int number;

	stop_signals(&set);
	while ((number = sigtimedwait(&set, NULL, &wait)) < 0) {
		must(errno == EAGAIN || errno == EINTR);
		follow_settings(s);
		follow_certificates(s);
	}
	log_info("serve", "%s: stopping", strsignal(number));
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static bool
open_server(struct server *s, const char *data, struct err *e)
{
	struct store_config config = {
	    .folder = data, .server = true, .create = true};
	struct runner_config jobs;
	struct scp_config scp;
	struct hl7_config hl7;
	struct web_config web;
	bool ok;

	if (!store_open(&s->store, &config, e))
		return false;
	/* The version first: a change in between is then seen again. */
	if (!setting_version(s->store, &s->version, e) ||
	    !settings_load_stored(&s->settings, s->store, e))
		return false;
	apply_log(&s->settings);
	settings_apply_store(&s->settings, s->store);
	if (!dicom_tls_take(&s->tls, &s->settings, store_folder(s->store), e) ||
	    !scp_config_of(&s->settings, s->store, s->tls.tls, &scp, e))
		return false;
	jobs = runner_config_of(&scp);
	hl7 = hl7_config_of(&s->settings, s->tls.tls);
	web_settings(&s->settings, &web);
	worklist_config_of(&s->settings, &web.arrival);
	ok = scp_open(&s->scp, s->store, &scp, e) &&
	     hl7_port_open(&s->hl7, s->store, &hl7, e) &&
	     web_open(&s->web, s->store, &web, e) &&
	     worklist_keeper_open(&s->worklist, s->store, &s->settings, e) &&
	     runner_open(&s->runner, s->store, &jobs, e);
	client_fini(&scp.client);
	return ok;
}

/* Beside the log, which may be kept and read by others; but a reader of JSON
 * lines is given nothing else. */
static void
say_setup(struct server *s)
{
	char link[512];
	struct err e;

	if (!web_setup(s->web, link, sizeof(link), &e))
		log_error("http", "%s", e.text);
	else if (link[0] != '\0' && s->json)
		log_info("http",
		    "there is no user of the portal yet; make the first "
		    "administrator here, once: %s",
		    link);
	else if (link[0] != '\0')
		fprintf(stderr,
		    "\nThere is no user of the portal yet. Make the first "
		    "administrator here, once:\n\n    %s\n\n",
		    link);
	explicit_bzero(link, sizeof(link));
}

static void
say_ready(struct server *s)
{
	const char *dicom = scp_address(s->scp);
	const char *tls = scp_tls_address(s->scp);
	const char *hl7 = hl7_port_address(s->hl7);
	const char *http = web_address(s->web);
	const char *why = store_read_only(s->store);

	if (why != NULL)
		log_warning("store", "nothing can be stored: %s", why);
	log_info("serve", "archive in '%s'", store_folder(s->store));
	fputs("ready", stdout);
	if (dicom[0] != '\0')
		printf(" dicom=%s", dicom);
	if (tls[0] != '\0')
		printf(" dicom-tls=%s", tls);
	if (hl7[0] != '\0')
		printf(" hl7=%s", hl7);
	if (http[0] != '\0')
		printf(" http=%s", http);
	putchar('\n');
	if (fflush(stdout) != 0)
		log_warning("serve", "nobody reads the ready line");
	clearerr(stdout);
	say_setup(s);
}

/* All are told to end first, and then have the same time for it. */
static void
close_server(struct server *s)
{
	int64_t deadline = clock_mono_ms() + WAIT_STOP_MS;

	if (s->runner != NULL)
		runner_stop(s->runner);
	if (s->scp != NULL)
		scp_stop(s->scp);
	if (s->hl7 != NULL)
		hl7_port_stop(s->hl7);
	if (s->web != NULL)
		web_stop(s->web);
	web_close(&s->web, deadline);
	worklist_keeper_close(&s->worklist);
	hl7_port_close(&s->hl7, deadline);
	if (s->scp != NULL)
		scp_close(&s->scp, deadline);
	runner_close(&s->runner, WAIT_STOP_JOBS_MS);
	dicom_tls_fini(&s->tls);
	if (s->store != NULL)
		store_close(&s->store);
}

static int
cannot_serve(const struct server *s, const struct err *e)
{
	if (!s->json)
		return verb_error(e);
	log_error("serve", "%s", e->text);
	return e->code == ERR_USAGE ? VERB_USAGE : VERB_FAILED;
}

static int
serve(const struct serve_options *o, struct server *s)
{
	sigset_t set;
	struct err e;
	int status = VERB_DONE;

	if (!set_up_log(o->log_format, &e))
		return verb_error(&e);
	s->json = o->log_format != NULL && !strcmp(o->log_format, "json");
	if (!pinned_settings(&s->settings, o, &e))
		return cannot_serve(s, &e);
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	stop_signals(&set);
	/* Before any thread: all of them inherit it. */
	must(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	raise_descriptor_limit();
	if (open_server(s, verb_data(o->data), &e)) {
		say_ready(s);
		run_until_signal(s);
	} else {
		status = cannot_serve(s, &e);
	}
	close_server(s);
	if (status == VERB_DONE)
		log_info("serve", "stopped");
	return status;
}

static int
run(int argc, char **argv)
{
	struct serve_options o = {0};
	const struct option options[] = {
	    {"--data", OPTION_TEXT, &o.data},
	    {"--config", OPTION_TEXT, &o.config},
	    {"--set", OPTION_MANY, &o.set},
	    {"--log-format", OPTION_TEXT, &o.log_format},
	};
	struct server server = {0};
	struct words words = {0};
	struct err e;
	int status;

	if (options_parse(
		argc, argv, options, ARRAY_LEN(options), &words, &e) &&
	    options_words(&words, 0, 0, &e))
		status = serve(&o, &server);
	else
		status = verb_error(&e);
	words_free(&words);
	words_free(&o.set);
	return status;
}

const struct verb verb_serve = {
    .name = "serve",
    .summary = "Run the server in the foreground",
    .usage = "serve [--data DIR] [--config FILE] [--set KEY=VALUE]... "
	     "[--log-format text|json]",
    .help =
	"Prints one line on standard output once everything listens:\n"
	"    ready dicom=HOST:PORT dicom-tls=HOST:PORT hl7=HOST:PORT "
	"http=HOST:PORT\n"
	"and its log on standard error. SIGTERM or Ctrl-C stops it cleanly, a\n"
	"second one at once. Settings changed with 'fileroom settings set' take\n"
	"effect without a restart.\n\n"
	"  --config FILE       settings from an INI file; these are pinned\n"
	"  --set KEY=VALUE     one setting, pinned; may be given several times\n"
	"  --log-format FORM   text (default) or json\n\n"
	"A setting's value is, the later the stronger: its default, what\n"
	"'settings set' stored, --config, the variable FILEROOM_SECTION_KEY,\n"
	"--set.\n",
    .run = run,
};
