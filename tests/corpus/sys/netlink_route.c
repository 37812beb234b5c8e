// attack: netlink to routes
// claim: SYS-4
// expect: EPERM
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call socket(16, 3, 0)
#include "../attempt.h"

static long attempt(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0 /* NETLINK_ROUTE */);
}
