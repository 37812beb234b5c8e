// attack: getpid with the x32 bit
// seen: firejail 2016
// claim: SYS-3
// expect: killed SIGSYS
// control: filter 0x40000027(): kill
// evidence: seccomp system_call call 1073741863 of architecture 0xc000003e, which kills
#include "../attempt.h"

static long attempt(void)
{
    return syscall(0x40000000L | SYS_getpid);
}
