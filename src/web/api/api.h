/*
 * The handlers of all routes, one file a resource. What each takes and answers
 * stands in the route table.
 */
#ifndef WEB_API_API_H
#define WEB_API_API_H

#include "web/http/call.h"

typedef bool route_fn(struct call *c, struct reply *r, struct err *e);

/* status.c */
route_fn status_alive, status_ready, status_metrics;
/* session.c */
route_fn session_show, session_begin, session_end, session_form, session_portal;
/* people.c */
route_fn users_list, users_add, users_show, users_change, users_delete,
    users_password, users_reset, users_second_off;
/* account.c */
route_fn account_show, account_change, account_password, account_second_new,
    account_second_on, account_second_off, account_keys, account_key_add,
    account_key_delete;
/* search.c */
route_fn search_patients, search_studies, search_series;
/* study.c */
route_fn study_show, study_series, study_of_patient;
/* report.c */
route_fn report_index, report_show;
/* token.c */
route_fn token_show, token_end, token_enter, token_page, token_answer,
    token_archive;
/* upload.c */
route_fn upload_take;
/* activity.c */
route_fn activity_rows, activity_row, activity_now, activity_delete;
/* openapi.c */
route_fn openapi;
/* first.c */
route_fn first_page, first_form, reset_page, reset_form;
/* archive.c */
route_fn archive_study, archive_series, archive_series_alone, archive_patient,
    archive_selection;

/* archive.c: the zip of a study that the viewer sees, as the query wants it. */
bool archive_send_study(
    struct call *c, struct reply *r, struct str uid, struct err *e) MUST_USE;

#endif
