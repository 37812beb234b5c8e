// attack: pages merged with those of others
// claim: LAT-2
// expect: EPERM
// control: without seccomp: ok | EINVAL
// control: bare: ok | EINVAL
// evidence: seccomp system_call prctl(67)
#include "../attempt.h"

static long attempt(void)
{
    return prctl(67 /* PR_SET_MEMORY_MERGE */, 0, 0, 0, 0);
}
