// attack: more descriptors than the limit
// claim: RES-5
// expect: EMFILE
// control: bare: ERANGE
// evidence: none: the process sees its own limit
#include "../attempt.h"

static long attempt(void)
{
    for (int count = 0; count < 2000000; count++)
        if (open("/dev/null", O_RDONLY) < 0)
            return count < 48 ? -1 : (errno = ERANGE, -1);
    return 0;
}
