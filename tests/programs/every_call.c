/*
 * Makes every system call from 0 to 470 with all arguments zero, each in a process of its own, and prints for each its
 * number and what became of it: an error number, 0 for success, -N for a process that signal N ended. What waits for ever is
 * ended after as many milliseconds as the only argument says.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long patience = argc > 1 ? atol(argv[1]) : 0;
    for (long number = 0; number <= 470; number++) {
        pid_t child = fork();
        if (child == 0) {
            struct itimerval soon = { { 0, 0 }, { patience / 1000, patience % 1000 * 1000 } };
            setitimer(ITIMER_REAL, &soon, NULL);
            errno = 0;
            long result = syscall(number, 0L, 0L, 0L, 0L, 0L, 0L);
            _exit(result == -1 ? errno : 0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        printf("%ld %d\n", number, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
        fflush(stdout);
    }
    return 0;
}
