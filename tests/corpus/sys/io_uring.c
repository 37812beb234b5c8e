// attack: io_uring, with which calls are made that no filter sees
// seen: nsjail #341; the io_uring holes of 2022 to 2025
// claim: SYS-1
// expect: ENOSYS
// control: without seccomp: ok | ENOMEM
// control: bare: ok
// evidence: seccomp system_call io_uring_setup
#include "../attempt.h"

static long attempt(void)
{
    char params[120] = { 0 };
    return syscall(SYS_io_uring_setup, 8, params);
}
