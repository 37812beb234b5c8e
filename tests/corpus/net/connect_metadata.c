// attack: the address that tells cloud machines their secrets
// seen: CVE-2024-29021
// claim: NET-1
// expect: EACCES
// control: without landlock: ENETUNREACH
// evidence: network connect 169.254.169.254:80
// before abi 4: ENETUNREACH
#include "../attempt.h"

static long attempt(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80) };
    to.sin_addr.s_addr = htonl(0xa9fea9fe /* 169.254.169.254 */);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to);
}
