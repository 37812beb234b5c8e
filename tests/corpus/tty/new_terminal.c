// attack: a terminal of its own making
// claim: TTY-1
// expect: ENOENT
// control: bare: ok
// evidence: none: the view does not have it
#include "../attempt.h"

static long attempt(void)
{
    return open("/dev/ptmx", O_RDWR);
}
