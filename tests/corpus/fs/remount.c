// attack: the root mounted again, writable
// claim: FS-3
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call mount
#include "../attempt.h"

static long attempt(void)
{
    return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL);
}
