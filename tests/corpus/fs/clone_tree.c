// attack: the tree of mounts cloned
// claim: FS-3
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call open_tree
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */);
}
