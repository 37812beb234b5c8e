// attack: netlink to IPsec
// seen: CVE-2026-43284
// claim: SYS-4
// expect: EPERM
// control: without seccomp: ok
// control: filter socket(16, 3, 6): EPERM
// evidence: seccomp system_call socket(16, 3, 6)
#include "../attempt.h"

static long attempt(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 6 /* NETLINK_XFRM */);
}
