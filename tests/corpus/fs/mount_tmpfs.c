// attack: a file system mounted
// claim: FS-3
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call mount
#include "../attempt.h"

static long attempt(void)
{
    return mount("none", "/tmp", "tmpfs", 0, NULL);
}
