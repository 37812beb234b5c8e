// attack: files watched
// claim: LAT-2
// expect: EPERM
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call inotify_add_watch
#include "../attempt.h"

static long attempt(void)
{
    return inotify_add_watch(inotify_init1(0), "/tmp", IN_OPEN);
}
