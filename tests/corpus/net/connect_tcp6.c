// attack: a connection to loopback by IPv6
// claim: NET-1
// expect: EACCES
// control: without landlock: EADDRNOTAVAIL | ENETUNREACH
// evidence: network connect [::1]:9
// before abi 4: EADDRNOTAVAIL | ENETUNREACH
#include "../attempt.h"

static long attempt(void)
{
    struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to);
}
