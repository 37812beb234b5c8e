// attack: a capability in the ambient set
// claim: PRIV-1
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call prctl(47)
#include "../attempt.h"

static long attempt(void)
{
    struct __user_cap_header_struct self = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct sets[2] = { { 0 } };
    syscall(SYS_capget, &self, sets);
    sets[0].inheritable |= 1U << CAP_CHOWN;
    syscall(SYS_capset, &self, sets);
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
}
