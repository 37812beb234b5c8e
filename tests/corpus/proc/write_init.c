// attack: its memory written
// claim: PROC-2
// expect: EPERM
// control: without seccomp: EPERM
// control: root: EFAULT
// evidence: seccomp system_call process_vm_writev
#include "../attempt.h"

static long attempt(void)
{
    char byte = 0;
    struct iovec local = { &byte, 1 }, remote = { (void *)16, 1 };
    return process_vm_writev(1, &local, 1, &remote, 1, 0);
}
