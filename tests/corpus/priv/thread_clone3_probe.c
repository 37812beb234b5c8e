// attack: what libc asks first for every thread: must be ENOSYS so that it falls back
// claim: PRIV-3
// expect: ENOSYS
// control: without seccomp: EINVAL
// control: bare: EINVAL
// evidence: none: libraries ask for it and fall back, so it is a plain error number
#include "../attempt.h"

static long attempt(void)
{
    /* What libc does first for every thread: must be ENOSYS so that it falls back, not a failure. */
    return syscall(SYS_clone3, NULL, 0);
}
