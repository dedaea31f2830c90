/* SPDX-License-Identifier: MIT */
/*
 * How `uiommu show` reaches a run: a Unix socket named by the process's number in a
 * directory of the user's own. Whoever connects, and is the same user or root, gets the
 * state of the IOMMU as JSON, once.
 */
#ifndef CLI_SERVE_H
#define CLI_SERVE_H

#include <stddef.h>
#include <sys/types.h>
#include <uiommu/iommu.h>

struct serve;

/*
 * Starts a thread that answers. NULL: there is nowhere to put the socket, or no thread:
 * the run goes on without; *why says what (static).
 */
struct serve *serve_start(const char *command, const char **why);
/* Unlinks the socket and ends the thread; waits for an answer under way. NULL is ignored. */
void serve_stop(struct serve *s);
/*
 * What is shown from now on; NULL: nothing. The former one is not looked at any more when
 * this returns. @s: NULL is ignored; void * to be a callback.
 */
void serve_iommu(void *s, struct uiommu_iommu *iommu);

/*
 * serve_dir - open the directory of the sockets
 * $XDG_RUNTIME_DIR/uiommu, or /tmp/uiommu-UID: made if it is not there (mode 0700), and
 * refused (-EPERM) if it belongs to somebody else or others may enter it. A file
 * descriptor, or -errno. @name: what it is called, for messages.
 */
int serve_dir(char *name, size_t len);
/* Connects to the socket of a process in that directory. A file descriptor, or -errno. */
int serve_connect(int dir, pid_t pid);

#endif
