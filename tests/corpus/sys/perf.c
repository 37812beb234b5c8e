// attack: a performance counter
// claim: SYS-1
// expect: EPERM
// control: without seccomp: EACCES
// control: bare: EACCES
// evidence: seccomp system_call perf_event_open
#include "../attempt.h"

static long attempt(void)
{
    char attr[128] = { 0 };
    return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0);
}
