// attack: a directory watched
// claim: LAT-2
// expect: EPERM
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call fcntl(_, 0x402)
#include "../attempt.h"

static long attempt(void)
{
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY);
    return fd < 0 ? -1 : fcntl(fd, 1026 /* F_NOTIFY */, 1 /* DN_ACCESS */);
}
