// attack: the same mapped to be read, then made executable
// claim: EXE-2
// expect: EACCES
// control: without landlock: EACCES
// control: bare: ok
// evidence: none: the mount is noexec
#include "../attempt.h"

static long attempt(void)
{
    int fd = open("code", O_CREAT | O_RDWR, 0700);
    if (fd < 0 || write(fd, "\xc3", 1) != 1)
        return -1;
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    return page == MAP_FAILED ? -1 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}
