// attack: the host's clock
// claim: SYS-2
// expect: EPERM
// control: without seccomp: EPERM
// control: filter settimeofday(0, 0): EPERM
// evidence: seccomp system_call settimeofday
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_settimeofday, NULL, &(struct timezone){ 0, 0 });
}
