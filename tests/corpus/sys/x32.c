// attack: getpid with the x32 bit
// seen: firejail 2016
// claim: SYS-3
// expect: killed SIGSYS
// control: filter 0x40000027(): kill
// evidence: none: the process is killed, and that is how the job ends
#include "../attempt.h"

static long attempt(void)
{
    return syscall(0x40000000L | SYS_getpid);
}
