// attack: an express data path
// claim: SYS-4
// expect: EPERM
// control: without seccomp: EPERM | EAFNOSUPPORT
// control: filter socket(44, 3, 0): EPERM
// evidence: seccomp system_call socket(44, 3, 0)
#include "../attempt.h"

static long attempt(void)
{
    return socket(AF_XDP, SOCK_RAW, 0);
}
