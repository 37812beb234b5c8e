// attack: an echo request
// claim: NET-1
// expect: EPERM
// control: filter socket(2, 2, 1): EPERM
// evidence: seccomp system_call socket(2, 2, 1)
#include "../attempt.h"

static long attempt(void)
{
    return socket(AF_INET, SOCK_DGRAM, 1 /* ICMP */);
}
