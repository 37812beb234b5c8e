// attack: memory that cannot be taken away
// claim: RES-1
// expect: EPERM | ENOMEM
// control: bare: ok
// evidence: none: a limit of the process's own
#include "../attempt.h"

static long attempt(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mlock(page, 4096);
}
