/* SPDX-License-Identifier: MIT */
/*
 * The device side: how a device does DMA through a modelled IOMMU.
 *
 * A port is a requester (one RID) behind an IOMMU. An agent is a thread of a
 * device that does DMA; it announces itself around each batch of accesses, and
 * an invalidation that drains waits for batches that were running. Between
 * begin and end a device takes no lock and allocates nothing.
 */
#ifndef UIOMMU_DMA_H
#define UIOMMU_DMA_H

#include <uiommu/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uiommu_hw;	/* modelled IOMMU hardware, e.g. from uiommu_vtd_model_create() */
struct uiommu_port;
struct uiommu_agent;

/* Why an access was not done. reason is the hardware's code; 0 when it has none. */
struct uiommu_fault {
	uint32_t reason;
	uiommu_iova_t iova;
};

/*
 * uiommu_port_create - plug a requester into an IOMMU
 * Returns 0, -EEXIST (that RID is plugged already), -ENOMEM. The caller owns
 * *@port and must destroy it before @hw, after the last agent stopped using it.
 */
UIOMMU_API int uiommu_port_create(struct uiommu_hw *hw, uint16_t rid, struct uiommu_port **port);
UIOMMU_API void uiommu_port_destroy(struct uiommu_port *port);

/* An agent belongs to one thread at a time. Returns 0 or -ENOMEM. */
UIOMMU_API int uiommu_agent_create(struct uiommu_ctx *ctx, struct uiommu_agent **agent);
UIOMMU_API void uiommu_agent_destroy(struct uiommu_agent *agent);

/*
 * Around a batch of accesses. Not nested. A batch should be short (at most some
 * dozens of accesses): who invalidates waits for it. Inside a batch nothing that
 * invalidates may be called: none of the functions of uiommu/iommu.h.
 */
UIOMMU_API void uiommu_agent_begin(struct uiommu_agent *agent);
UIOMMU_API void uiommu_agent_end(struct uiommu_agent *agent);

/*
 * uiommu_dma_read - read @len bytes at @iova into @buf
 * @agent: inside a batch; -EINVAL outside of one, where nothing would drain the access
 * @pasid: PASID of the request, or UIOMMU_NO_PASID
 * @len: 1 to 4096; the access must not cross a 4 KiB boundary
 * @fault: filled when -EFAULT is returned; may be NULL
 *
 * One access: translated once, wholly. Aligned 8-byte words of pointer memory are
 * read singly. Returns 0; -EINVAL; -EFAULT (blocked by the IOMMU, recorded there);
 * -EIO (translated, but no memory or a failing accessor there).
 */
UIOMMU_API int uiommu_dma_read(struct uiommu_port *port, struct uiommu_agent *agent, uint32_t pasid,
			       uiommu_iova_t iova, void *buf, size_t len, struct uiommu_fault *fault);

/*
 * The same for a write. A 4-byte aligned write of 4 bytes without PASID to
 * 0xFEE00000-0xFEEFFFFF is a message-signalled interrupt and goes to the hook
 * given to the model instead of memory.
 */
UIOMMU_API int uiommu_dma_write(struct uiommu_port *port, struct uiommu_agent *agent, uint32_t pasid,
				uiommu_iova_t iova, const void *buf, size_t len, struct uiommu_fault *fault);

/*
 * uiommu_dma_translate - translate many addresses for accesses that the caller does itself
 * @agent: inside a batch; @pasid: as above; @access: UIOMMU_READ or UIOMMU_WRITE
 * @iova, @pa: @n each, at most INT_MAX; may be the same array
 * @fault: filled for the first address that is blocked; may be NULL
 *
 * One after another, each as a request of its own that begins in this call: the IOMMU may
 * change between two of them. pa[i] is the address of iova[i]; it is good up to the end of
 * its 4 KiB page, for accesses of the kind named, until uiommu_agent_end(): an invalidation
 * that drains waits for the batch. After that it must not be used. Interrupt messages are no
 * memory: they go by uiommu_dma_write(), here an address of theirs is blocked. Whether
 * memory is there is not looked at.
 *
 * No lock, no allocation. Returns how many were translated, from the first on: @n, or less
 * when the one after them is blocked (recorded by the IOMMU). -EINVAL: nothing was done.
 */
UIOMMU_API int uiommu_dma_translate(struct uiommu_port *port, struct uiommu_agent *agent, uint32_t pasid,
				    uint32_t access, const uiommu_iova_t *iova, uiommu_pa_t *pa, size_t n,
				    struct uiommu_fault *fault);

#ifdef __cplusplus
}
#endif
#endif
