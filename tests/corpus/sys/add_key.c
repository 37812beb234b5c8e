// attack: a key
// claim: SYS-1
// expect: ENOSYS
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call add_key
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_add_key, "user", "x", "y", 1, -2 /* KEY_SPEC_PROCESS_KEYRING */);
}
