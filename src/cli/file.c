/* SPDX-License-Identifier: MIT */
/*
 * Files that are copied through DMA. Sums are libmd's SHA-256.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/file.h"

int file_largest(const char *root, size_t max, char *path, size_t path_len)
{
	char *start = strdup(root), *roots[] = { start, NULL };
	off_t best = 0;
	FTSENT *e;
	FTS *fts = start ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL) : NULL;

	if (!fts) {
		free(start);
		return -ENOENT;
	}
	while ((e = fts_read(fts))) {
		if (e->fts_info != FTS_F || e->fts_statp->st_size <= best ||
		    (size_t)e->fts_statp->st_size > max)
			continue;
		if (e->fts_pathlen >= path_len || access(e->fts_path, R_OK))
			continue;
		best = e->fts_statp->st_size;
		memcpy(path, e->fts_path, (size_t)e->fts_pathlen + 1);
	}
	fts_close(fts);
	free(start);
	return best ? 0 : -ENOENT;
}

static int read_all(int fd, char *data, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, data + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, data + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int file_read(const char *path, size_t max, void **data, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	struct stat st;

	*data = NULL;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (S_ISDIR(st.st_mode))
		err = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else if (!st.st_size)
		err = -ENODATA;
	else if ((size_t)st.st_size > max)
		err = -EFBIG;
	if (!err) {
		*len = (size_t)st.st_size;
		*data = malloc(*len);
		err = *data ? read_all(fd, *data, *len) : -ENOMEM;
	}
	if (err) {
		free(*data);
		*data = NULL;
	}
	close(fd);
	return err;
}

int file_can_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

const char *file_error(int err)
{
	return err == -EINVAL ? "it is not a regular file" : err == -ENODATA ? "it is empty" : strerror(-err);
}

void file_sum(const void *data, size_t len, char sum[SHA256_TEXT])
{
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, data, len);
	SHA256End(&ctx, sum);
}

int file_write_and_sum(const char *path, const void *data, size_t len, char sum[SHA256_TEXT])
{
	char name[] = "/tmp/uiommu-XXXXXX";
	int fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : mkostemp(name, O_CLOEXEC);
	char *back = NULL;
	int err;

	if (fd < 0)
		return -errno;
	if (!path)
		unlink(name);
	err = write_all(fd, data, len);
	if (!err && lseek(fd, 0, SEEK_SET) < 0)
		err = -errno;
	if (!err) {
		back = malloc(len);
		err = back ? read_all(fd, back, len) : -ENOMEM;
	}
	if (!err)
		file_sum(back, len, sum);
	free(back);
	if (close(fd) && !err)
		err = -errno;
	return err;
}
