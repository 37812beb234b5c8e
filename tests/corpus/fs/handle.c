// attack: a file of the host by its handle, inode 2 guessed
// seen: the "shocker" of 2014
// claim: FS-4
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok | ESTALE | EOPNOTSUPP
// evidence: seccomp system_call open_by_handle_at
#include "../attempt.h"

static long attempt(void)
{
    struct file_handle *h = calloc(1, sizeof *h + 8);
    h->handle_bytes = 8;
    h->handle_type = 1;
    h->f_handle[0] = 2;
    return open_by_handle_at(AT_FDCWD, h, O_RDONLY);
}
