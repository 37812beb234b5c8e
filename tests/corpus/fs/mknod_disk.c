// attack: a node of the host's first disk
// claim: FS-4
// expect: EACCES
// control: root: ok
// evidence: none: Landlock's refusals of files are not told
#include "../attempt.h"

static long attempt(void)
{
    return mknod("disk", S_IFBLK | 0600, 8 << 8);
}
