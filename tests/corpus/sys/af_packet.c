// attack: raw frames
// claim: SYS-4
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call socket(17, 3, 0)
#include "../attempt.h"

static long attempt(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}
