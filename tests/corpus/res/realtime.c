// attack: a priority above everybody's
// claim: RES-3
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp sched_setscheduler
#include "../attempt.h"

static long attempt(void)
{
    struct sched_param first = { 1 };
    return sched_setscheduler(0, SCHED_FIFO, &first);
}
