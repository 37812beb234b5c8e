// attack: a kernel module
// claim: SYS-2
// expect: EPERM
// control: filter init_module(0, 0, 0): EPERM
// evidence: seccomp system_call init_module
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_init_module, NULL, 0, "");
}
