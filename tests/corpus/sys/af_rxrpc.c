// attack: a remote procedure call socket
// seen: CVE-2026-43500 "Dirty Frag"
// claim: SYS-4
// expect: EPERM
// control: filter socket(33, 2, 0): EPERM
// evidence: seccomp system_call socket(33, 2, 0)
#include "../attempt.h"

static long attempt(void)
{
    return socket(33 /* AF_RXRPC */, SOCK_DGRAM, 0);
}
