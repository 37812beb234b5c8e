// attack: a memory policy, likewise
// claim: RES-10
// expect: ENOSYS
// control: without seccomp: ok
// control: bare: ok
// evidence: none: libraries ask for it and fall back, so it is a plain error number
#include "../attempt.h"

static long attempt(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return syscall(SYS_mbind, page, 4096UL, 0 /* MPOL_DEFAULT */, NULL, 0UL, 0);
}
