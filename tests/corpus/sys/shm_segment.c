// attack: a shared memory segment of System V, in an ipc namespace of its own
// claim: served
// expect: ok
// control: none: it may
// evidence: none: it may
#include "../attempt.h"

static long attempt(void)
{
    return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
}
