// attack: kernel cryptography by socket
// seen: CVE-2026-31431
// claim: SYS-4
// expect: EPERM
// control: filter socket(38, 5, 0): EPERM
// evidence: seccomp system_call socket(38, 5, 0)
#include "../attempt.h"

static long attempt(void)
{
    return socket(AF_ALG, SOCK_SEQPACKET, 0);
}
