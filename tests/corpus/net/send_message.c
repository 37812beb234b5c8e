// attack: a datagram whose destination lies in a message header
// claim: NET-1
// expect: ENETUNREACH
// control: bare: ok
// evidence: network connect 127.0.0.1:9
#include "../attempt.h"

static long attempt(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct iovec bytes = { .iov_base = "x", .iov_len = 1 };
    struct msghdr message = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &bytes, .msg_iovlen = 1 };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return fd < 0 ? -1 : sendmsg(fd, &message, 0);
}
