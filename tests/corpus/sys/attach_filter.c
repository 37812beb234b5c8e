// attack: a packet filter, whose memory no control group counts
// claim: RES-10
// expect: EPERM
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call setsockopt(_, 1, 26)
#include "../attempt.h"

static long attempt(void)
{
    struct sock_filter accept_all = { 0x06, 0, 0, 0xffff };
    struct sock_fprog program = { 1, &accept_all };
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    return setsockopt(fd, SOL_SOCKET, 26 /* SO_ATTACH_FILTER */, &program, sizeof program);
}
