// attack: a BPF map
// claim: SYS-1
// expect: EPERM
// control: without seccomp: EINVAL
// control: bare: EINVAL
// evidence: seccomp system_call bpf
#include "../attempt.h"

static long attempt(void)
{
    char attr[64] = { 0 };
    return syscall(SYS_bpf, 0, attr, sizeof attr);
}
