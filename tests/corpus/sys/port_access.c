// attack: the processor's ports
// claim: SYS-2
// expect: EPERM
// control: filter iopl(3): EPERM
// evidence: seccomp system_call iopl
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_iopl, 3);
}
