// attack: a priority above everybody's
// claim: RES-3
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: none: the call passes, the limit on priorities refuses it
#include "../attempt.h"

static long attempt(void)
{
    struct sched_param first = { 1 };
    return sched_setscheduler(0, SCHED_FIFO, &first);
}
