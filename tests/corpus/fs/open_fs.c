// attack: a file system context opened
// seen: CVE-2022-0185
// claim: FS-3
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call fsopen
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_fsopen, "ext4", 0);
}
