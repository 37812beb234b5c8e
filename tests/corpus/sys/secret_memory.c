// attack: memory that the kernel itself cannot read
// claim: RES-10
// expect: EPERM | ENOSYS
// control: filter memfd_secret(0): EPERM | ENOSYS
// evidence: seccomp system_call memfd_secret
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_memfd_secret, 0);
}
