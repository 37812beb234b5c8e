// attack: a node of the host's first disk
// claim: FS-4
// expect: EACCES
// control: root: ok
// evidence: landlock make_device /job
#include "../attempt.h"

static long attempt(void)
{
    return mknod("disk", S_IFBLK | 0600, 8 << 8);
}
