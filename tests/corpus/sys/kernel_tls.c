// attack: TLS in the kernel on a socket of its own
// seen: the TLS and ESP-in-TCP holes, CVE-2026-46300
// claim: SYS-4
// expect: EPERM | EACCES
// control: filter setsockopt(3, 6, 31): EPERM
// evidence: seccomp system_call setsockopt(_, 6, 31)
#include "../attempt.h"

static long attempt(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? -1 : setsockopt(fd, 6 /* TCP */, 31 /* TCP_ULP */, "tls", 3);
}
