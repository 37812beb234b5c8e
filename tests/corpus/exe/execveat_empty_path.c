// attack: a program that is not listed, by execveat(2) with a flag that says there is no path
// claim: EXE-1
// expect: ENOENT | EACCES
// control: bare: ok
// evidence: view execute /usr/bin/env
#include "../attempt.h"

static long attempt(void)
{
    pid_t child = fork();
    if (child == 0) {
        char *argv[] = { "env", "true", NULL };
        syscall(SYS_execveat, AT_FDCWD, "/usr/bin/env", argv, environ, AT_EMPTY_PATH);
        _exit(errno);
    }
    int status = 0;
    waitpid(child, &status, 0);
    errno = WEXITSTATUS(status);
    return errno ? -1 : 0;
}
