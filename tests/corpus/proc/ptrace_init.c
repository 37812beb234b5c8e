// attack: the sandbox's init traced
// claim: PROC-2
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call ptrace
#include "../attempt.h"

static long attempt(void)
{
    return ptrace(PTRACE_SEIZE, 1, 0, 0);
}
