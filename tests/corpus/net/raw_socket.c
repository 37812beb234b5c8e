// attack: raw packets
// claim: NET-1
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call socket(2, 3, 1)
#include "../attempt.h"

static long attempt(void)
{
    return socket(AF_INET, SOCK_RAW, 1 /* ICMP */);
}
