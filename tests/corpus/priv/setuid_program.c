// attack: a program that is set-user-id root and on the list
// claim: PRIV-2
// expect: EPERM
// control: bare: ok
// evidence: none: nosuid and no_new_privs leave the id as it is, nothing is refused
// mode: 4755
#include "../attempt.h"

static long attempt(void)
{
    errno = EPERM;
    return geteuid() == 0 ? 0 : -1;
}
