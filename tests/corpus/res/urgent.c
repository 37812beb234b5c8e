// attack: more than its share by nice(2)
// claim: RES-3
// expect: EPERM | EACCES
// control: root: ok
// evidence: none: a limit of the process's own
#include "../attempt.h"

static long attempt(void)
{
    errno = 0;
    return setpriority(PRIO_PROCESS, 0, -20);
}
