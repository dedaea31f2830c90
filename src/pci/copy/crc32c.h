/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C (Castagnoli), as iSCSI uses it (RFC 3720 section 12.1 and B.4). Tables
 * of slicing-by-8 live in the structure, so that nothing is global; where the CPU
 * has an instruction for it, that is used instead.
 */
#ifndef PCI_COPY_CRC32C_H
#define PCI_COPY_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crc32c {
	uint32_t table[8][256];
	bool cpu;		/* the CPU's instruction; may be cleared to use the tables */
};

/* Fills the tables and looks what the CPU can do. Read-only afterwards: any thread. */
void crc32c_init(struct crc32c *crc);

/*
 * The sum of what came before (@sum, 0 at the start) and @len bytes more. All of
 * the complementing is inside: the result is final after every call.
 */
uint32_t crc32c_add(const struct crc32c *crc, uint32_t sum, const void *buf, size_t len);

#endif
