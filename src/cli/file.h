/* SPDX-License-Identifier: MIT */
/* Files that are copied through DMA: choosing, reading, writing, summing. */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include <stddef.h>

#define SHA256_TEXT 65

/* The largest regular file under root of at most max bytes, into path. 0 or -ENOENT. */
int file_largest(const char *root, size_t max, char *path, size_t path_len);
/*
 * The whole file, at most max bytes; *data is malloc'ed. 0 or -errno: -EISDIR, -ENODATA
 * (empty), -EINVAL (no regular file), -EFBIG.
 */
int file_read(const char *path, size_t max, void **data, size_t *len);
/* Writes a file, or with path NULL an unlinked temporary one, reads it back and sums what came back. */
int file_write_and_sum(const char *path, const void *data, size_t len, char sum[SHA256_TEXT]);
/* Whether path can be written: opens it for that, creating it. 0 or -errno. */
int file_can_write(const char *path);
/* What -errno of file_read() means. */
const char *file_error(int err);
void file_sum(const void *data, size_t len, char sum[SHA256_TEXT]);

#endif
