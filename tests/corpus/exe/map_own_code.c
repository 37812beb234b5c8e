// attack: code in a file of its own mapped
// claim: EXE-2
// expect: EPERM
// control: without landlock: EPERM
// control: bare: ok
// evidence: none: the mount is noexec
#include "../attempt.h"

static long attempt(void)
{
    int fd = open("code", O_CREAT | O_RDWR, 0700);
    if (fd < 0 || write(fd, "\xc3", 1) != 1)
        return -1;
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0;
}
