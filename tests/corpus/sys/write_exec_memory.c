// attack: memory that is writable and executable, where the policy takes that away
// claim: SYS-5
// expect: EPERM
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call mmap(_, _, 6, 32)
// policy: syscalls: {profile: standard, remove: ["@memory-exec"]}
#include "../attempt.h"

static long attempt(void)
{
    void *page = mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -1 : 0;
}
