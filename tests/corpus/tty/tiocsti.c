// attack: a key pushed into the terminal
// seen: CVE-2017-5226
// claim: TTY-1
// expect: EPERM
// control: without seccomp: ENOTTY
// control: bare: ENOTTY
// control: filter ioctl(0, 0x5412): EPERM
// evidence: seccomp system_call ioctl(_, 0x5412)
#include "../attempt.h"

static long attempt(void)
{
    return ioctl(0, 0x5412, "x");
}
