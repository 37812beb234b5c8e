// attack: it made idle
// claim: PROC-2
// expect: EPERM
// control: without seccomp: ok
// control: root: ok
// evidence: seccomp system_call sched_setscheduler(1)
#include "../attempt.h"

static long attempt(void)
{
    struct sched_param none = { 0 };
    return sched_setscheduler(1, SCHED_IDLE, &none);
}
