// attack: its limit on descriptors raised
// claim: RES-5
// expect: EPERM
// control: bare: EPERM
// control: none: lowering it works, which every job does when it starts
// evidence: none: libraries raise their limits as far as they can
#include "../attempt.h"

static long attempt(void)
{
    struct rlimit more = { 1 << 19, 1 << 19 };
    return setrlimit(RLIMIT_NOFILE, &more);
}
