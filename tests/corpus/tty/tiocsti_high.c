// attack: the same with the upper half of the command set, which the kernel ignores
// seen: CVE-2019-7303
// claim: TTY-1
// expect: EPERM
// control: without seccomp: ENOTTY
// control: bare: ENOTTY
// control: filter ioctl(0, 0x100005412): EPERM
// evidence: seccomp system_call ioctl(_, 0x5412)
#include "../attempt.h"

static long attempt(void)
{
    /* The kernel looks at 32 bits of the command, a filter that compares 64 lets this through. */
    return syscall(SYS_ioctl, 0, 0x100005412UL, "x");
}
