// attack: a connection to loopback
// claim: NET-1
// expect: EACCES
// control: without landlock: ENETUNREACH
// control: bare: ECONNREFUSED
// evidence: network connect 127.0.0.1:9
// before abi 4: ENETUNREACH
#include "../attempt.h"

static long attempt(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to);
}
