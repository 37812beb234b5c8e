// attack: a paste into the console
// claim: TTY-1
// expect: EPERM
// control: without seccomp: ENOTTY
// control: bare: ENOTTY
// control: filter ioctl(0, 0x541c): EPERM
// evidence: seccomp system_call ioctl(_, 0x541c)
#include "../attempt.h"

static long attempt(void)
{
    char paste = 3;
    return ioctl(0, 0x541c, &paste);
}
