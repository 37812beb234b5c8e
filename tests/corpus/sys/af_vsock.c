// attack: a socket to the hypervisor
// seen: CVE-2025-21756; isolate 2.4
// claim: SYS-4
// expect: EPERM
// control: filter socket(40, 1, 0): EPERM
// evidence: seccomp system_call socket(40, 1, 0)
#include "../attempt.h"

static long attempt(void)
{
    return socket(AF_VSOCK, SOCK_STREAM, 0);
}
