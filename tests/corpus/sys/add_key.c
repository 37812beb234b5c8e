// attack: a key
// claim: SYS-1
// expect: ENOSYS
// control: without seccomp: ok
// control: bare: ok
// evidence: none: libraries ask for it and fall back, so it is a plain error number
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_add_key, "user", "x", "y", 1, -2 /* KEY_SPEC_PROCESS_KEYRING */);
}
