// attack: userfaultfd, with which races are won
// claim: SYS-1
// expect: ENOSYS
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call userfaultfd
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */);
}
