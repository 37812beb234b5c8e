// attack: root mapped into the job's user namespace
// claim: PRIV-2
// expect: EACCES
// control: without landlock: EPERM
// evidence: landlock write /proc/PID/uid_map
#include "../attempt.h"

static long attempt(void)
{
    int fd = open("/proc/self/uid_map", O_WRONLY);
    return fd < 0 ? -1 : write(fd, "0 0 1", 5);
}
