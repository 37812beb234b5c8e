// attack: a program of the host's opened for writing
// claim: FS-2
// expect: ENOENT
// control: bare: EACCES
// evidence: none: the view does not have it
#include "../attempt.h"

static long attempt(void)
{
    int fd = open("/usr/bin/python3.11", O_WRONLY);
    return fd;
}
