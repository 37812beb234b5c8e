// attack: a service of the host's by its abstract name, such as X11
// claim: NET-10
// expect: ECONNREFUSED | EPERM
// control: without landlock: ECONNREFUSED
// control: bare: ok
// evidence: none: the network namespace has no such name
#include "../attempt.h"

static long attempt(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    memcpy(to.sun_path, "\0stockade-corpus", 16);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to.sun_family + 16);
}
