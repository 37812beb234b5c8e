// attack: a vsock socket through the 32-bit table's socketcall
// seen: moby had to take a rule back for it
// claim: SYS-3
// expect: killed SIGSYS
// control: without seccomp: EFAULT
// control: bare: EFAULT
// evidence: seccomp system_call call 102 of architecture 0x40000003, which kills
#include "../attempt.h"

static long attempt(void)
{
    /* socketcall(SYS_SOCKET, NULL): the door opens before it looks at the arguments. */
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(102L), "b"(1L), "c"(0L) : "memory");
    errno = result < 0 ? (int)-result : 0;
    return result < 0 ? -1 : 0;
}
