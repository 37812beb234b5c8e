/* Takes back what it has printed between init's look at the stream and its read of it, until init waits for it; then uses
   up more processor time than it may have, in processes none of which does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void doze(long ms) {
    struct timespec time = {0, ms * 1000000};
    nanosleep(&time, 0);
}

int main(void) {
    static char bytes[8192];
    char byte;
    int out = open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK), err = open("/proc/self/fd/2", O_RDONLY | O_NONBLOCK);
    if (out < 0 || err < 0) return 3;
    memset(bytes, 'A', sizeof bytes);
    int waits = 0, left;
    double began = now(CLOCK_MONOTONIC);
    while (!waits && now(CLOCK_MONOTONIC) - began < 3) {
        if (write(1, bytes, sizeof bytes) < 0) return 4;
        do ioctl(out, FIONREAD, &left); while (left > 0);
        /* Both are ready when it looks next. */
        if (write(1, bytes, sizeof bytes) < 0 || write(2, "x", 1) < 0) return 4;
        do ioctl(out, FIONREAD, &left); while (left > 0);
        if (read(err, &byte, 1) != 1) continue;
        doze(20);
        if (write(1, "?", 1) < 0) return 4;
        for (int look = 0; look < 10; look++) {
            doze(50);
            ioctl(out, FIONREAD, &left);
            if (left == 0) break;
        }
        waits = left > 0;
    }
    FILE *result = fopen("/job/result.json", "w");
    if (!result) return 5;
    fprintf(result, "{\"waits\": %d}", waits);
    fclose(result);
    for (;;) {
        pid_t child = fork();
        if (child == 0) {
            while (now(CLOCK_PROCESS_CPUTIME_ID) < 1) {}
            _exit(0);
        }
        waitpid(child, 0, 0);
    }
}
