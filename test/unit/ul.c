/*
 * The state machine against PS3.8 Table 9-10, written down here once more in
 * the table's own shape: a row an event, a column a state, "action>next".
 */
#include "net/ul.h"

#include "test.h"

static const char *const rows[19] = {
    "AE-1>4 - - - - "
    "- - - - "
    "- - - -",
    "- - - AE-2>5 - "
    "- - - - "
    "- - - -",
    "- AA-1>13 AA-8>13 - AE-3>6 "
    "AA-8>13 AA-8>13 AA-8>13 AA-8>13 "
    "AA-8>13 AA-8>13 AA-8>13 AA-6>13",
    "- AA-1>13 AA-8>13 - AE-4>1 "
    "AA-8>13 AA-8>13 AA-8>13 AA-8>13 "
    "AA-8>13 AA-8>13 AA-8>13 AA-6>13",
    "AE-5>2 - - - - "
    "- - - - "
    "- - - -",
    "- AE-6>3 AA-8>13 - AA-8>13 "
    "AA-8>13 AA-8>13 AA-8>13 AA-8>13 "
    "AA-8>13 AA-8>13 AA-8>13 AA-7>13",
    "- - AE-7>6 - - "
    "- - - - "
    "- - - -",
    "- - AE-8>13 - - "
    "- - - - "
    "- - - -",
    "- - - - - "
    "DT-1>6 - AR-7>8 - "
    "- - - -",
    "- AA-1>13 AA-8>13 - AA-8>13 "
    "DT-2>6 AR-6>7 AA-8>13 AA-8>13 "
    "AA-8>13 AA-8>13 AA-8>13 AA-6>13",
    "- - - - - "
    "AR-1>7 - - - "
    "- - - -",
    "- AA-1>13 AA-8>13 - AA-8>13 "
    "AR-2>8 AR-8>9 AA-8>13 AA-8>13 "
    "AA-8>13 AA-8>13 AA-8>13 AA-6>13",
    "- AA-1>13 AA-8>13 - AA-8>13 "
    "AA-8>13 AR-3>1 AA-8>13 AA-8>13 "
    "AR-10>12 AR-3>1 AA-8>13 AA-6>13",
    "- - - - - "
    "- - AR-4>13 AR-9>11 "
    "- - AR-4>13 -",
    "- - AA-1>13 AA-2>1 AA-1>13 "
    "AA-1>13 AA-1>13 AA-1>13 AA-1>13 "
    "AA-1>13 AA-1>13 AA-1>13 -",
    "- AA-2>1 AA-3>1 - AA-3>1 "
    "AA-3>1 AA-3>1 AA-3>1 AA-3>1 "
    "AA-3>1 AA-3>1 AA-3>1 AA-2>1",
    "- AA-5>1 AA-4>1 AA-4>1 AA-4>1 "
    "AA-4>1 AA-4>1 AA-4>1 AA-4>1 "
    "AA-4>1 AA-4>1 AA-4>1 AR-5>1",
    "- AA-2>1 - - - "
    "- - - - "
    "- - - AA-2>1",
    "- AA-1>13 AA-8>13 - AA-8>13 "
    "AA-8>13 AA-8>13 AA-8>13 AA-8>13 "
    "AA-8>13 AA-8>13 AA-8>13 AA-7>13",
};

static void
cell_text(char *out, size_t room, struct ul_step step)
{
	if (step.action == UL_NONE)
		snprintf(out, room, "-");
	else
		snprintf(out, room, "%s>%d", ul_action_name(step.action),
		    (int)step.next);
}

TEST(every_cell)
{
	struct str rest, cell;
	enum ul_event event;
	enum ul_state state;
	struct ul_step step;
	char text[16];

	for (event = UL_EVT1; event <= UL_EVT19; event++) {
		rest = str_from(rows[event - 1]);
		for (state = UL_STA1; state <= UL_STA13; state++) {
			if (!CHECK(str_split(&rest, ' ', &cell)))
				return;
			step = ul_step(state, event, true);
			cell_text(text, sizeof(text), step);
			CHECK_STR(cell, text);
			if (step.action == UL_NONE)
				CHECK_EQ(step.next, state);
		}
		CHECK(rest.p == NULL);
	}
}

TEST(release_collision_depends_on_the_side)
{
	CHECK_EQ(ul_step(UL_STA7, UL_EVT12, true).next, UL_STA9);
	CHECK_EQ(ul_step(UL_STA7, UL_EVT12, false).next, UL_STA10);
	CHECK_EQ(ul_step(UL_STA7, UL_EVT12, false).action, UL_AR_8);
}

/* However a peer behaves, each PDU it can send leads somewhere. */
TEST(every_pdu_is_answered_in_every_open_state)
{
	static const enum ul_event received[] = {UL_EVT3, UL_EVT4, UL_EVT6,
	    UL_EVT10, UL_EVT12, UL_EVT13, UL_EVT16, UL_EVT17, UL_EVT19};
	enum ul_state state;
	size_t i;

	for (state = UL_STA2; state <= UL_STA13; state++)
		for (i = 0; i < ARRAY_LEN(received) && state != UL_STA4; i++)
			CHECK(ul_step(state, received[i], true).action !=
			      UL_NONE);
}

TEST_MAIN
