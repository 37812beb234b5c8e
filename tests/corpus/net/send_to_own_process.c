// attack: messages without a destination, between sockets of its own
// claim: served
// expect: ok
// control: bare: ok
// evidence: none: they go where the socket is connected
#include "../attempt.h"

static long attempt(void)
{
    int pair[2];
    char byte;
    struct iovec bytes = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };
    struct mmsghdr messages[2] = { { .msg_hdr = message }, { .msg_hdr = message } };
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0 || sendmsg(pair[0], &message, 0) < 0)
        return -1;
    return sendmmsg(pair[0], messages, 2, 0) == 2 ? 0 : -1;
}
