// attack: init's memory as a file
// claim: PROC-2
// expect: ENOENT
// control: bare: EACCES
// control: root: ok
// evidence: none: hidepid hides init, so there is no such file
#include "../attempt.h"

static long attempt(void)
{
    return open("/proc/1/mem", O_RDWR);
}
