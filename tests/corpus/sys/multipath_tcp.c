// attack: a multipath TCP socket, which rules on TCP may not see
// seen: Landlock erratum 1
// claim: SYS-4
// expect: EPERM
// control: filter socket(2, 1, 262): EPERM
// evidence: seccomp system_call socket(2, 1, 262)
#include "../attempt.h"

static long attempt(void)
{
    return socket(AF_INET, SOCK_STREAM, 262);
}
