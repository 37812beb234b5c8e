// attack: netlink to the packet filter
// seen: most holes of the gVisor table
// claim: SYS-4
// expect: EPERM
// control: without seccomp: ok
// control: filter socket(16, 3, 12): EPERM
// evidence: seccomp system_call socket(16, 3, 12)
#include "../attempt.h"

static long attempt(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 12 /* NETLINK_NETFILTER */);
}
