/*
 * One line an event, to stderr, as text or JSON. Control bytes in values are
 * escaped, so nothing a peer sends can forge a line. Patient data and secrets
 * are never logged above LOG_DEBUG.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/attr.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum log_format format, enum log_level lowest);
void log_level_set(enum log_level lowest);
bool log_wanted(enum log_level level);
/* area: the subsystem, one word ("dicom", "store"). */
void log_line(enum log_level level, const char *area, const char *format, ...)
    PRINTF(3, 4);

#define log_debug(area, ...)                                                   \
	(log_wanted(LOG_DEBUG) ? log_line(LOG_DEBUG, area, __VA_ARGS__)        \
			       : (void)0)
#define log_info(area, ...)    log_line(LOG_INFO, area, __VA_ARGS__)
#define log_warning(area, ...) log_line(LOG_WARNING, area, __VA_ARGS__)
#define log_error(area, ...)   log_line(LOG_ERROR, area, __VA_ARGS__)

#endif
