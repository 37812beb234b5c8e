// attack: another root, the first step of the old way out
// claim: FS-3
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call chroot
#include "../attempt.h"

static long attempt(void)
{
    return chroot(".");
}
