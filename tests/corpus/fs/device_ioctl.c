// attack: an ioctl on a device that may be opened
// claim: FS-4
// expect: EACCES
// control: without landlock: ENOTTY
// control: bare: ENOTTY
// evidence: landlock ioctl /dev/null
// before abi 5: ENOTTY
#include "../attempt.h"

static long attempt(void)
{
    int fd = open("/dev/null", O_RDWR);
    return fd < 0 ? -1 : ioctl(fd, 0x1260 /* BLKGETSIZE */, 0);
}
