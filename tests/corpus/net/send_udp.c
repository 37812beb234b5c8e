// attack: a datagram to loopback
// claim: NET-1
// expect: ENETUNREACH
// control: bare: ok
// evidence: network connect 127.0.0.1:9
#include "../attempt.h"

static long attempt(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return fd < 0 ? -1 : sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
}
