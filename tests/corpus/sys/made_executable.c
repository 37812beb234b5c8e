// attack: memory that was written made executable, where the policy takes that away
// claim: SYS-5
// expect: EPERM
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call mprotect(_, _, 5)
// policy: syscalls: {profile: standard, remove: ["@memory-exec"]}
#include "../attempt.h"

static long attempt(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 0xc3, 4096);
    return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}
