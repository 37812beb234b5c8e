// attack: the one core limit that starts no handler taken away
// claim: RES-11
// expect: EPERM
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call prlimit64(0, 4)
#include "../attempt.h"

static long attempt(void)
{
    struct rlimit none = { 0, 0 };
    return setrlimit(RLIMIT_CORE, &none);
}
