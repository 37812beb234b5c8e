// attack: a message queue, memory that outlives its maker
// claim: RES-10
// expect: EMFILE | ENOSYS | EPERM
// control: bare: ok
// evidence: none: a limit of the process's own
#include "../attempt.h"

static long attempt(void)
{
    errno = 0;
    return syscall(SYS_mq_open, "stockade-corpus", O_CREAT | O_RDWR, 0600, NULL);
}
