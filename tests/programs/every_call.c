/*
 * Makes every system call from 0 to 470 with all arguments zero, each in a process of its own, and prints for each its
 * number and what became of it: an error number, 0 for success, -N for a process that signal N ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    for (long number = 0; number <= 470; number++) {
        pid_t child = fork();
        if (child == 0) {
            /* Some of them wait for ever. */
            struct itimerval soon = { { 0, 0 }, { 0, 100000 } };
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
