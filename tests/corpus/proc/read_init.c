// attack: its memory read
// claim: PROC-2
// expect: EPERM
// control: without seccomp: EPERM
// control: root: EFAULT | ok
// evidence: seccomp system_call process_vm_readv
#include "../attempt.h"

static long attempt(void)
{
    char byte;
    struct iovec local = { &byte, 1 }, remote = { (void *)0x400000, 1 };
    return process_vm_readv(1, &local, 1, &remote, 1, 0);
}
