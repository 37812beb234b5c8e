// attack: fsconfig(2), where a heap overflow was
// seen: CVE-2022-0185
// claim: FS-3
// expect: EPERM
// control: filter fsconfig(3, 0, 0, 0, 0): EPERM
// evidence: seccomp system_call fsconfig
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_fsconfig, 0, 0, NULL, NULL, 0);
}
