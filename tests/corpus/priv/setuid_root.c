// attack: root's id
// claim: PRIV-2
// expect: EINVAL
// control: bare: EPERM
// control: root: ok
// evidence: none: the user namespace has no such id, the call itself is harmless
#include "../attempt.h"

static long attempt(void)
{
    return setresuid(0, 0, 0);
}
