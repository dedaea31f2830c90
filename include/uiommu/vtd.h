/* SPDX-License-Identifier: MIT */
/*
 * Intel VT-d: a model of the remapping hardware and a driver for it.
 * Specification: Intel Virtualization Technology for Directed I/O, rev 4.1.
 */
#ifndef UIOMMU_VTD_H
#define UIOMMU_VTD_H

#include <uiommu/dma.h>
#include <uiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How weak the model is; docs/architecture.md lists what each one relaxes. */
enum uiommu_preset {
	UIOMMU_PRESET_WEAKEST,		/* default: all that the specification allows */
	UIOMMU_PRESET_ANY_ORDER,	/* beyond it: entry granules fetched in any order */
	UIOMMU_PRESET_IN_ORDER,		/* granules and commands in order */
	UIOMMU_PRESET_QEMU,		/* whole entries at once, no stale state */
};

struct uiommu_vtd_model_opts {
	size_t size;			/* sizeof(struct uiommu_vtd_model_opts) */
	enum uiommu_preset preset;
	bool no_scalable;		/* ECAP.SMTS = 0 */
	bool no_pass_through;		/* ECAP.PT = 0 */
	bool no_first_stage;		/* ECAP.FSTS = 0 */
	bool own_thread;		/* the invalidation queue is served by a thread of the model */
	unsigned int haw;		/* host address width; 0: 46 */
	unsigned int fault_records;	/* FRCD registers; 0: 8 */
	/*
	 * Message-signalled interrupts: the unit's own and those of devices.
	 * Called in the thread that raised it, also one inside a DMA batch: must
	 * not block and must not call attach, replace or unmap. A driver made by
	 * uiommu_vtd_create() gets the unit's own itself; NULL: others are dropped.
	 */
	void (*msi)(void *opaque, uint64_t address, uint32_t data);
	void *msi_opaque;
};

/*
 * uiommu_vtd_model_create - a remapping unit out of reset
 * @opts: read during the call only; NULL for defaults
 * The caller owns *@hw and ends it with uiommu_hw_destroy(). 0, -EINVAL, -ENOMEM.
 */
UIOMMU_API int uiommu_vtd_model_create(struct uiommu_ctx *ctx, const struct uiommu_vtd_model_opts *opts,
				       struct uiommu_hw **hw);
/* Ports and driver must be gone. NULL is ignored. */
UIOMMU_API void uiommu_hw_destroy(struct uiommu_hw *hw);

enum uiommu_vtd_mode {
	UIOMMU_VTD_SCALABLE,
	UIOMMU_VTD_LEGACY,
};

struct uiommu_vtd_opts {
	size_t size;			/* sizeof(struct uiommu_vtd_opts) */
	enum uiommu_vtd_mode mode;
	bool no_store128;		/* pretend that the CPU has no 128-bit store */
	bool any_order;			/* do not rely on P being read first (UIOMMU_PRESET_ANY_ORDER) */
};

/*
 * uiommu_vtd_create - program a remapping unit and hand it to the core
 * Turns translation on with every requester blocked. The caller owns *@iommu and
 * ends it with uiommu_iommu_destroy(). @hw stays the caller's.
 * 0, -EINVAL, -ENOMEM, -EOPNOTSUPP (the unit lacks the mode or something else that
 * the driver needs: the log says what), -EBUSY (it has a driver), -ETIMEDOUT (hardware).
 */
UIOMMU_API int uiommu_vtd_create(struct uiommu_ctx *ctx, struct uiommu_hw *hw,
				 const struct uiommu_vtd_opts *opts, struct uiommu_iommu **iommu);

#ifdef __cplusplus
}
#endif
#endif
