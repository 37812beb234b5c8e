// attack: every capability, by capset(2)
// claim: PRIV-1
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: none: the call passes, the kernel refuses it for want of a capability
#include "../attempt.h"

static long attempt(void)
{
    struct __user_cap_header_struct self = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct sets[2] = { { 1U << CAP_CHOWN, 1U << CAP_CHOWN, 0 }, { 0, 0, 0 } };
    return syscall(SYS_capset, &self, sets);
}
