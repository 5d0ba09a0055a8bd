/*
 * The upper layer state machine of PS3.8 9.2, looked up in ul.def.
 */
#include "net/ul.h"

#define STATES 14
#define EVENTS 20

static const struct {
	uint8_t action, next;
} table[STATES][EVENTS] = {
#define UL(state, event, action, next) [state][event] = {UL_##action, next},
#include "net/ul.def"
#undef UL
};

struct ul_step
ul_step(enum ul_state state, enum ul_event event, bool requestor)
{
	struct ul_step step;

	must(state >= UL_STA1 && state <= UL_STA13);
	must(event >= UL_EVT1 && event <= UL_EVT19);
	step.action = (enum ul_action)table[state][event].action;
	step.next = (enum ul_state)table[state][event].next;
	if (step.action == UL_NONE)
		step.next = state;
	if (step.action == UL_AR_8)
		step.next = requestor ? UL_STA9 : UL_STA10;
	return step;
}

const char *
ul_action_name(enum ul_action action)
{
	static const char *const names[] = {
	    [UL_NONE] = "none",
	    [UL_AE_1] = "AE-1",
	    [UL_AE_2] = "AE-2",
	    [UL_AE_3] = "AE-3",
	    [UL_AE_4] = "AE-4",
	    [UL_AE_5] = "AE-5",
	    [UL_AE_6] = "AE-6",
	    [UL_AE_7] = "AE-7",
	    [UL_AE_8] = "AE-8",
	    [UL_DT_1] = "DT-1",
	    [UL_DT_2] = "DT-2",
	    [UL_AR_1] = "AR-1",
	    [UL_AR_2] = "AR-2",
	    [UL_AR_3] = "AR-3",
	    [UL_AR_4] = "AR-4",
	    [UL_AR_5] = "AR-5",
	    [UL_AR_6] = "AR-6",
	    [UL_AR_7] = "AR-7",
	    [UL_AR_8] = "AR-8",
	    [UL_AR_9] = "AR-9",
	    [UL_AR_10] = "AR-10",
	    [UL_AA_1] = "AA-1",
	    [UL_AA_2] = "AA-2",
	    [UL_AA_3] = "AA-3",
	    [UL_AA_4] = "AA-4",
	    [UL_AA_5] = "AA-5",
	    [UL_AA_6] = "AA-6",
	    [UL_AA_7] = "AA-7",
	    [UL_AA_8] = "AA-8",
	};

	must((size_t)action < ARRAY_LEN(names));
	return names[action];
}
