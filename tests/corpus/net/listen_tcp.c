// attack: a port of its own
// claim: NET-1
// expect: EACCES
// control: without landlock: ok
// control: bare: ok
// evidence: landlock bind port 61998
// before abi 4: ok
#include "../attempt.h"

static long attempt(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(61998) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&at, sizeof at);
}
