// attack: another kernel
// claim: SYS-2
// expect: EPERM
// control: filter kexec_load(0, 0, 0, 0): EPERM
// evidence: seccomp system_call kexec_load
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_kexec_load, 0, 0, NULL, 0);
}
