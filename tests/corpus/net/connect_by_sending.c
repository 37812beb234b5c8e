// attack: a connection opened by its first bytes
// seen: Landlock erratum 1
// claim: NET-1
// expect: ENETUNREACH | EACCES
// control: without landlock: ENETUNREACH
// control: bare: ok
// evidence: network connect 127.0.0.1:61999
#include "../attempt.h"

static long attempt(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(61999) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? -1 : sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to);
}
