// attack: getpid through the 32-bit table, where 20 is another call
// seen: moby #42681
// claim: SYS-3
// expect: killed SIGSYS
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call call 20 of architecture 0x40000003, which kills
#include "../attempt.h"

static long attempt(void)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
    return result;
}
