/* Knocks at Unix sockets, and says what each answers; the first is one of its own making. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return address;
}

static void knock(const char *path) {
    struct sockaddr_un address = at(path);
    int knocking = socket(AF_UNIX, SOCK_STREAM, 0);
    int answer = connect(knocking, (struct sockaddr *)&address, sizeof address);
    printf("%s: %s\n", path, answer == 0 ? "opened" : strerror(errno));
}

int main(int count, char **paths) {
    struct sockaddr_un own = at("/job/own");
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listening, (struct sockaddr *)&own, sizeof own) != 0 || listen(listening, 1) != 0) {
        perror("/job/own");
        return 1;
    }
    knock("/job/own");
    for (int index = 1; index < count; index++) knock(paths[index]);
    return 0;
}
