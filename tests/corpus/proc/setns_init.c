// attack: the namespaces of init
// claim: PROC-2
// expect: ENOENT
// control: bare: EACCES
// control: root: ok
// evidence: none: hidepid hides init, so there is no such file
#include "../attempt.h"

static long attempt(void)
{
    int fd = open("/proc/1/ns/mnt", O_RDONLY);
    return fd < 0 ? -1 : setns(fd, 0);
}
