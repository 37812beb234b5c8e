// attack: root mapped into the job's user namespace
// claim: PRIV-2
// expect: EACCES
// control: without landlock: EPERM
// evidence: none: it is opened as a library or refused by its mode before Landlock is asked
#include "../attempt.h"

static long attempt(void)
{
    int fd = open("/proc/self/uid_map", O_WRONLY);
    return fd < 0 ? -1 : write(fd, "0 0 1", 5);
}
