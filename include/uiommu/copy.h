/* SPDX-License-Identifier: MIT */
/*
 * The copy engine: a PCI function that does DMA. It fetches descriptors from a
 * ring in memory, copies, fills or sums IOVA ranges in threads of its own, writes
 * completion records and raises MSIs. Every access, the ring's too, goes through
 * the IOMMU, and none is larger than 4 KiB.
 *
 * As load generator (uiommu/copy.h's probe part) it judges every access that it makes.
 */
#ifndef UIOMMU_COPY_H
#define UIOMMU_COPY_H

#include <uiommu/dma.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Registers, 64 bits each, offsets in bytes. */
enum uiommu_copy_reg {
	UIOMMU_COPY_RING = 0x00,	/* IOVA of the descriptor ring, 64-byte aligned */
	UIOMMU_COPY_DONE = 0x08,	/* IOVA of the completion ring, 32-byte aligned */
	UIOMMU_COPY_SIZE = 0x10,	/* log2 of the entries of both rings, 1 to 16 */
	UIOMMU_COPY_TAIL = 0x18,	/* producer index (free running, 32 bits); writing it starts work */
	UIOMMU_COPY_HEAD = 0x20,	/* RO: descriptors completed */
	UIOMMU_COPY_MSI_ADDR = 0x28,
	UIOMMU_COPY_MSI_DATA = 0x30,
	UIOMMU_COPY_CTRL = 0x38,	/* bit 0 enable, bit 1 MSI enable, bit 2 retry blocked accesses */
	UIOMMU_COPY_STATUS = 0x40,	/* RO: bit 0 running, bit 1 stopped by an error on a ring */
	UIOMMU_COPY_PASID = 0x48,	/* PASID for all accesses; bit 63: none (reset value) */
	UIOMMU_COPY_BLOCKED = 0x50,	/* RO: accesses that the IOMMU blocked, retries included */
	UIOMMU_COPY_ACCESSES = 0x58,	/* RO: accesses made */
};

enum {
	UIOMMU_COPY_CTRL_ENABLE = 1,
	UIOMMU_COPY_CTRL_MSI = 2,
	UIOMMU_COPY_CTRL_RETRY = 4,
};

enum uiommu_copy_op {
	UIOMMU_COPY_OP_NOP,
	UIOMMU_COPY_OP_COPY,
	UIOMMU_COPY_OP_FILL,
	UIOMMU_COPY_OP_CRC32C,
};

struct uiommu_copy_desc {		/* 64 bytes, little endian */
	uint32_t op;
	uint32_t flags;			/* bit 0: MSI when done */
	uint64_t src, dst;		/* IOVAs */
	uint64_t len;			/* bytes, any alignment */
	uint64_t pattern;		/* fill */
	uint64_t cookie;		/* comes back in the completion */
	uint64_t reserved[2];		/* must be zero */
};

enum uiommu_copy_status {
	UIOMMU_COPY_OK = 1,		/* 0: not written yet */
	UIOMMU_COPY_FAULT,		/* an access was blocked: iova says where */
	UIOMMU_COPY_BAD_DESC,
	UIOMMU_COPY_BUS_ERROR,
};

struct uiommu_copy_done {		/* 32 bytes, little endian */
	uint64_t cookie;
	uint64_t iova;			/* of the failed access */
	uint32_t status;
	uint32_t crc;
	uint64_t bytes;			/* done before it failed or ended */
};

struct uiommu_copy;

/*
 * uiommu_copy_create - plug a copy engine in at @rid
 * @threads: engine threads, 1 to 16
 * The caller owns *@copy. 0, -EEXIST, -EINVAL, -ENOMEM.
 */
UIOMMU_API int uiommu_copy_create(struct uiommu_ctx *ctx, struct uiommu_hw *hw, uint16_t rid,
				  unsigned int threads, struct uiommu_copy **copy);
/* Stops its threads. NULL is ignored. */
UIOMMU_API void uiommu_copy_destroy(struct uiommu_copy *copy);
/* Register accesses; unknown offsets read 0 and ignore writes. Any thread. */
UIOMMU_API uint64_t uiommu_copy_read(struct uiommu_copy *copy, unsigned int reg);
UIOMMU_API void uiommu_copy_write(struct uiommu_copy *copy, unsigned int reg, uint64_t val);
/* The port, for accesses of the same requester by other agents (probes). */
UIOMMU_API struct uiommu_port *uiommu_copy_port(struct uiommu_copy *copy);

#ifdef __cplusplus
}
#endif
#endif
