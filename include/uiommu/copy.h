/* SPDX-License-Identifier: MIT */
/*
 * The copy engine: a PCI function that does DMA. It fetches descriptors from a
 * ring in memory, copies, fills or sums IOVA ranges in threads of its own, writes
 * completion records and raises MSIs. Every access, the ring's too, goes through
 * the IOMMU, and none is larger than 4 KiB or crosses a 4 KiB boundary.
 *
 * How a driver works with it:
 * 1. Write RING, DONE, SIZE and PASID, then CTRL with bit 0 set. That starts a run:
 *    HEAD and TAIL are 0, the four registers are taken over (later writes to them
 *    count at the next start). A value that cannot be used sets STATUS bit 1.
 * 2. Put descriptor i into slot i modulo size of the ring, write 0 to the status of
 *    the same slot of the completion ring, write i + 1 (or more, for several at
 *    once) to TAIL. At most size descriptors may lie between HEAD and TAIL.
 * 3. Wait until that status is not 0 (load with acquire order): the device writes
 *    all else of the record, and the data of the descriptor, before. Descriptors may
 *    complete in any order; HEAD counts them in order, and slots below HEAD + size
 *    may be used again. An MSI comes after HEAD has counted its descriptor, if that
 *    was the oldest.
 * 4. Clear CTRL bit 0 to drop all work. Until STATUS bit 0 reads 0 the last accesses
 *    of dropped descriptors may still be made; a run that is started meanwhile waits
 *    for them.
 *
 * A blocked access: with CTRL.RETRY it is made again until it works or the run ends.
 * Without, an access to data completes its descriptor with UIOMMU_COPY_FAULT, and an
 * access to a ring ends the run: STATUS bit 1 is set until CTRL bit 0 is cleared. The
 * same happens, with or without RETRY, when a ring is not in memory or TAIL is out
 * of range. A blocked MSI is lost; it is counted.
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
	UIOMMU_COPY_TAIL = 0x18,	/* producer index (free running, 32 bits); a write starts work */
	UIOMMU_COPY_HEAD = 0x20,	/* RO: descriptors completed in order (free running, 32 bits) */
	UIOMMU_COPY_MSI_ADDR = 0x28,	/* multiple of 4; the MSI itself never has a PASID */
	UIOMMU_COPY_MSI_DATA = 0x30,
	UIOMMU_COPY_CTRL = 0x38,	/* bit 0 enable, bit 1 MSI enable, bit 2 retry blocked accesses */
	UIOMMU_COPY_STATUS = 0x40,	/* RO: bit 0 running or ending, bit 1 stopped by a ring error */
	UIOMMU_COPY_PASID = 0x48,	/* PASID for all accesses; bit 63: none (reset value) */
	UIOMMU_COPY_BLOCKED = 0x50,	/* RO: accesses blocked, retries too, since creation */
	UIOMMU_COPY_ACCESSES = 0x58,	/* RO: accesses made or tried, since creation */
};

enum {
	UIOMMU_COPY_CTRL_ENABLE = 1,
	UIOMMU_COPY_CTRL_MSI = 2,
	UIOMMU_COPY_CTRL_RETRY = 4,
};

enum {
	UIOMMU_COPY_STATUS_RUNNING = 1,
	UIOMMU_COPY_STATUS_ERROR = 2,
};

#define UIOMMU_COPY_PASID_NONE (UINT64_C(1) << 63)

/* Fields that an operation does not name are ignored. A length of 0 is done at once. */
enum uiommu_copy_op {
	UIOMMU_COPY_OP_NOP,
	UIOMMU_COPY_OP_COPY,		/* src, dst, len; upwards, so not memmove() when dst overlaps */
	UIOMMU_COPY_OP_FILL,		/* dst, len, pattern: byte i is byte i modulo 8 of pattern */
	UIOMMU_COPY_OP_CRC32C,		/* src, len */
};

enum {
	UIOMMU_COPY_DESC_MSI = 1,	/* flags; all other bits must be zero */
};

struct uiommu_copy_desc {		/* 64 bytes, little endian */
	uint32_t op;
	uint32_t flags;			/* UIOMMU_COPY_DESC_MSI: MSI when done, if CTRL lets it */
	uint64_t src, dst;		/* IOVAs */
	uint64_t len;			/* bytes, any alignment */
	uint64_t pattern;		/* fill */
	uint64_t cookie;		/* comes back in the completion */
	uint64_t reserved[2];		/* must be zero */
};

enum uiommu_copy_status {
	UIOMMU_COPY_OK = 1,		/* 0: not written yet */
	UIOMMU_COPY_FAULT,		/* an access was blocked: iova says where */
	UIOMMU_COPY_BAD_DESC,		/* unknown op or flag, reserved not zero, range beyond 2^64 */
	UIOMMU_COPY_BUS_ERROR,		/* translated, but no memory there: iova says where */
};

/*
 * 32 bytes, little endian. Written twice: wholly with status 0, then status and
 * crc, one aligned word, in an access of their own.
 */
struct uiommu_copy_done {
	uint64_t cookie;
	uint64_t iova;			/* start of the failed access, else 0 */
	uint32_t status;		/* visible last */
	uint32_t crc;			/* of all bytes summed, else 0 */
	uint64_t bytes;			/* done before it failed or ended */
};

struct uiommu_copy;

/*
 * uiommu_copy_create - plug a copy engine in at @rid
 * @threads: engine threads, 1 to 16
 * The caller owns *@copy and destroys it before @hw. 0, -EEXIST, -EINVAL, -ENOMEM,
 * -EAGAIN (no thread).
 */
UIOMMU_API int uiommu_copy_create(struct uiommu_ctx *ctx, struct uiommu_hw *hw, uint16_t rid,
				  unsigned int threads, struct uiommu_copy **copy);
/* Ends its run, stops its threads and unplugs it. Not from a callback of DMA. NULL is ignored. */
UIOMMU_API void uiommu_copy_destroy(struct uiommu_copy *copy);
/*
 * Register accesses; unknown offsets read 0 and ignore writes. Any thread, also in
 * an MSI hook; they do not wait for DMA.
 */
UIOMMU_API uint64_t uiommu_copy_read(struct uiommu_copy *copy, unsigned int reg);
UIOMMU_API void uiommu_copy_write(struct uiommu_copy *copy, unsigned int reg, uint64_t val);
/* The port, for accesses of the same requester by other agents (probes). */
UIOMMU_API struct uiommu_port *uiommu_copy_port(struct uiommu_copy *copy);

#ifdef __cplusplus
}
#endif
#endif
