// attack: a service of the host's by its path, such as Docker
// claim: NET-10
// expect: ENOENT
// control: bare: ok
// evidence: none: the view does not have it
#include "../attempt.h"

static long attempt(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    strcpy(to.sun_path, "/tmp/stockade-corpus.sock");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to);
}
