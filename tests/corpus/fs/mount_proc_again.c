// attack: another /proc, without what ours leaves out
// claim: FS-3
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call mount
#include "../attempt.h"

static long attempt(void)
{
    mkdir("p", 0700);
    return mount("proc", "p", "proc", 0, NULL);
}
