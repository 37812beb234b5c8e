// attack: the roots of all processes changed
// claim: FS-3
// expect: EPERM
// control: without seccomp: EPERM | EINVAL
// control: filter pivot_root(0, 0): EPERM
// evidence: seccomp system_call pivot_root
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_pivot_root, ".", ".");
}
