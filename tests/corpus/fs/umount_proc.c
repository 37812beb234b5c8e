// attack: /proc unmounted, beneath which the real one might be
// claim: FS-3
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call umount2
#include "../attempt.h"

static long attempt(void)
{
    return umount2("/proc", MNT_DETACH);
}
