/* SPDX-License-Identifier: MIT */
/*
 * One thread, one client at a time. A snapshot is made in memory, then sent: a client
 * that does not read holds up nothing but other clients, and not the end of the run.
 *
 * The socket is reached through /proc/self/fd: names of any length work, and the
 * directory that was checked is the one that is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/serve.h"
#include "cli/state.h"

enum { SEND_TIMEOUT_MS = 10000 };

struct serve {
	const char *command;
	pthread_t thread;
	int dir, fd, stop;
	pthread_mutex_t lock;		/* iommu; held while it is looked at */
	struct uiommu_iommu *iommu;
};

static void dir_name(char *name, size_t len)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (runtime && runtime[0] == '/' && !stat(runtime, &st) && S_ISDIR(st.st_mode))
		snprintf(name, len, "%s/uiommu", runtime);
	else
		snprintf(name, len, "/tmp/uiommu-%u", (unsigned int)geteuid());
}

int serve_dir(char *name, size_t len)
{
	struct stat st;
	int dir;

	dir_name(name, len);
	if (mkdir(name, 0700) && errno != EEXIST)
		return -errno;
	dir = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	if (fstat(dir, &st) || st.st_uid != geteuid() || (st.st_mode & 077)) {
		close(dir);
		return -EPERM;
	}
	return dir;
}

static struct sockaddr_un address(int dir, pid_t pid)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%ld", dir, (long)pid);
	return addr;
}

int serve_connect(int dir, pid_t pid)
{
	struct sockaddr_un addr = address(dir, pid);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Others than the user cannot even enter the directory; this is for who passes descriptors on. */
static bool is_allowed(int client)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static char *snapshot(struct serve *s)
{
	json_t *state;
	char *text;

	pthread_mutex_lock(&s->lock);
	state = state_json(s->command, s->iommu);
	pthread_mutex_unlock(&s->lock);
	text = state ? json_dumps(state, JSON_INDENT(1)) : NULL;
	json_decref(state);
	return text;
}

/* All of it, unless the client goes away, sleeps, or the run ends. */
static void send_all(struct serve *s, int client, const char *text)
{
	struct pollfd wait[2] = { { client, POLLOUT, 0 }, { s->stop, POLLIN, 0 } };
	size_t len = strlen(text), done = 0;
	ssize_t n;

	while (done < len) {
		n = send(client, text + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			done += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			return;
		else if (poll(wait, 2, SEND_TIMEOUT_MS) <= 0 || wait[1].revents)
			return;
	}
}

static void answer(struct serve *s, int client)
{
	char *text;

	if (!is_allowed(client))
		return;
	text = snapshot(s);
	if (text)
		send_all(s, client, text);
	free(text);
}

static void *serve(void *arg)
{
	struct serve *s = arg;
	struct pollfd wait[2] = { { s->fd, POLLIN, 0 }, { s->stop, POLLIN, 0 } };
	int client;

	for (;;) {
		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (wait[1].revents)
			return NULL;
		client = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		if (client < 0)
			continue;
		answer(s, client);
		close(client);
	}
}

static int start_thread(struct serve *s)
{
	struct sockaddr_un addr = address(s->dir, getpid());

	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	s->stop = eventfd(0, EFD_CLOEXEC);
	/* What is there under our number is what a process left that was killed. */
	unlink(addr.sun_path);
	if (s->fd < 0 || s->stop < 0 || bind(s->fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(s->fd, 8))
		return -errno;
	return -pthread_create(&s->thread, NULL, serve, s);
}

static void close_all(struct serve *s)
{
	struct sockaddr_un addr = address(s->dir, getpid());

	if (s->dir >= 0) {
		unlink(addr.sun_path);
		close(s->dir);
	}
	if (s->fd >= 0)
		close(s->fd);
	if (s->stop >= 0)
		close(s->stop);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct serve *serve_start(const char *command, const char **why)
{
	struct serve *s = calloc(1, sizeof(*s));
	char name[4096];
	int err = -ENOMEM;

	if (!s) {
		*why = strerror(ENOMEM);
		return NULL;
	}
	s->command = command;
	s->fd = s->stop = -1;
	pthread_mutex_init(&s->lock, NULL);
	s->dir = serve_dir(name, sizeof(name));
	err = s->dir < 0 ? s->dir : start_thread(s);
	if (!err)
		return s;
	*why = err == -EPERM ? "the directory for its socket belongs to others" : strerror(-err);
	close_all(s);
	return NULL;
}

void serve_stop(struct serve *s)
{
	uint64_t one = 1;

	if (!s)
		return;
	if (write(s->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(s->thread, NULL);
	close_all(s);
}

void serve_iommu(void *opaque, struct uiommu_iommu *iommu)
{
	struct serve *s = opaque;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->iommu = iommu;
	pthread_mutex_unlock(&s->lock);
}
