// attack: a copy of itself started by vfork(2) from a thread
// claim: EXE-2
// expect: EACCES
// control: without landlock: EACCES
// control: bare: ok
// evidence: mount execute /job/copy
#include "../attempt.h"

static void *start(void *answer)
{
    char *argv[] = { "copy", "nothing", NULL };
    pid_t child = vfork();
    if (child == 0) {
        execv("./copy", argv);
        _exit(errno);
    }
    int status = 0;
    waitpid(child, &status, 0);
    *(int *)answer = WEXITSTATUS(status);
    return NULL;
}

static long attempt(void)
{
    char bytes[65536];
    ssize_t len;
    int answer = 0;
    int from = open("/proc/self/exe", O_RDONLY), to = open("copy", O_CREAT | O_WRONLY, 0700);
    while ((len = read(from, bytes, sizeof bytes)) > 0)
        if (write(to, bytes, (size_t)len) != len)
            return -1;
    close(to);
    pthread_t thread;
    pthread_create(&thread, NULL, start, &answer);
    pthread_join(thread, NULL);
    errno = answer;
    return answer ? -1 : 0;
}
