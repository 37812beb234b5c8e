// attack: a control group hierarchy mounted, for its release agent
// seen: CVE-2022-0492, CVE-2021-4154
// claim: CG-1
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok | EBUSY
// evidence: seccomp system_call mount
#include "../attempt.h"

static long attempt(void)
{
    mkdir("c", 0700);
    long mounted = mount("none", "c", "cgroup", 0, "memory");
    /* A host with version 2 only has no controller to mount. */
    return mounted == 0 || errno == EBUSY ? mounted : mount("none", "c", "cgroup2", 0, NULL);
}
