/* SPDX-License-Identifier: MIT */
/*
 * The seam between drivers and hardware. A driver touches hardware through these
 * operations and nothing else: registers, entry stores, loads of entries, waiting;
 * and it tells what a checker must know (lists, tags, tables). The same driver
 * code runs on a model, on a checker and could run on real registers.
 *
 * Devices reach the hardware from the other side, through ports (uiommu/dma.h).
 */
#ifndef HW_HW_H
#define HW_HW_H

#include <uiommu/dma.h>

#include "base/atomic128.h"
#include "base/quiesce.h"

/* What a driver tells about its own bookkeeping. */
enum hw_note {
	HW_NOTE_LIST_ADD,	/* a: tag, b: rid: an invalidation list now names it */
	HW_NOTE_LIST_DEL,
	HW_NOTE_TAG_FREE,	/* a: tag: may be given to another domain from now on */
	HW_NOTE_TABLE_FREE,	/* a: PA of a page: may be reused from now on */
	HW_NOTE_DONE,		/* an operation of the core returned; b: its number */
};

struct dma_req {
	uiommu_iova_t iova;
	uint32_t len;		/* stays inside a 4 KiB page */
	uint32_t pasid;		/* UIOMMU_NO_PASID: without */
	uint32_t access;	/* UIOMMU_READ or UIOMMU_WRITE */
	struct uiommu_agent *agent;	/* in whose batch; NULL: nothing is kept for it */
};

struct dma_res {
	uiommu_pa_t pa;		/* of req.iova */
	bool interrupt;		/* the write is an interrupt message, not memory */
	uint32_t reason;	/* hardware's fault reason when translate fails */
};

struct hw_ops {
	/* Registers. In the steered build other tasks may run around each access. */
	uint32_t (*read32)(struct uiommu_hw *hw, uint32_t off);
	void (*write32)(struct uiommu_hw *hw, uint32_t off, uint32_t val);
	uint64_t (*read64)(struct uiommu_hw *hw, uint32_t off);
	void (*write64)(struct uiommu_hw *hw, uint32_t off, uint64_t val);

	/*
	 * Stores to memory that hardware reads, single-copy atomic, visible in
	 * program order (x86). pa is naturally aligned. An entry is never written
	 * in another way once hardware may see it.
	 */
	void (*store64)(struct uiommu_hw *hw, uiommu_pa_t pa, uint64_t val);
	void (*store128)(struct uiommu_hw *hw, uiommu_pa_t pa, struct u128 val);
	uint64_t (*load64)(struct uiommu_hw *hw, uiommu_pa_t pa);
	/* Of words that hardware writes as 32 bits (a wait's status): a wider load would wait longer. */
	uint32_t (*load32)(struct uiommu_hw *hw, uiommu_pa_t pa);

	/* One turn of a loop that waits for the hardware. Returns at once. */
	void (*relax)(struct uiommu_hw *hw);
	void (*note)(struct uiommu_hw *hw, enum hw_note note, uint64_t a, uint64_t b);
	void (*destroy)(struct uiommu_hw *hw);

	/* Device side. */
	int (*port_create)(struct uiommu_hw *hw, uint16_t rid, struct uiommu_port **port);
	void (*port_destroy)(struct uiommu_port *port);
	/*
	 * 0: *res is valid. -EFAULT: blocked; the fault is recorded where the
	 * specification says so; res->reason tells which. Inside an agent's batch;
	 * takes no lock on a hit and allocates nothing.
	 */
	int (*translate)(struct uiommu_port *port, const struct dma_req *req, struct dma_res *res);
	/*
	 * The same for iova[0] to iova[n - 1], one after another, each a request like @req
	 * that is no interrupt message. How many were translated; the one after them is
	 * blocked, *reason tells why. NULL: not there. @pa may be @iova.
	 */
	size_t (*translate_list)(struct uiommu_port *port, const struct dma_req *req,
				 const uiommu_iova_t *iova, uiommu_pa_t *pa, size_t n, uint32_t *reason);
};

/* First member of every model. */
struct uiommu_hw {
	const struct hw_ops *ops;
	struct uiommu_ctx *ctx;
	/* Host address width: in no register, firmware tables tell it. Set by the model; 0: unknown. */
	unsigned int haw;
	_Atomic bool driven;	/* by a driver, which sets and clears it: one at a time */
	/* Interrupts of the unit itself (faults, queue events); set by the driver before it enables them. */
	void (*unit_irq)(void *opaque, uint64_t address, uint32_t data);
	void *unit_irq_opaque;
	/* Interrupts of devices. */
	void (*msi)(void *opaque, uint64_t address, uint32_t data);
	void *msi_opaque;
};

/* First member of every model's port. */
struct uiommu_port {
	struct uiommu_hw *hw;
	uint16_t rid;
};

#endif
