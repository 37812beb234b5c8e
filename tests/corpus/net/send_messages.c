// attack: datagrams whose destinations lie in a list of message headers
// claim: NET-1
// expect: ENETUNREACH
// control: bare: ok
// evidence: network connect 127.0.0.1:9
#include "../attempt.h"

static long attempt(void)
{
    /* The first that cannot be sent ends the call: the second is never tried. */
    struct sockaddr_in to[2] = { { .sin_family = AF_INET, .sin_port = htons(9) }, { .sin_family = AF_INET, .sin_port = htons(10) } };
    struct iovec bytes = { .iov_base = "x", .iov_len = 1 };
    struct mmsghdr messages[2] = { 0 };
    for (int number = 0; number < 2; number++) {
        to[number].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        messages[number].msg_hdr.msg_name = &to[number];
        messages[number].msg_hdr.msg_namelen = sizeof to[number];
        messages[number].msg_hdr.msg_iov = &bytes;
        messages[number].msg_hdr.msg_iovlen = 1;
    }
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return fd < 0 ? -1 : sendmmsg(fd, messages, 2, 0);
}
