// attack: its own program opened for writing
// seen: CVE-2019-5736
// claim: PROC-3
// expect: EACCES
// control: none: mode, mount and use of the file say no as well; own_memory_file shows the layer
// evidence: none: its mode refuses it before Landlock is asked
#include "../attempt.h"

static long attempt(void)
{
    return open("/proc/self/exe", O_WRONLY);
}
