/* SPDX-License-Identifier: MIT */
/*
 * The device side of every model: ports and the two kinds of access. An access is
 * translated once; until it lands, anything may happen to the translation, and
 * only a drain waits for it.
 */
#include <errno.h>
#include <limits.h>
#include <uiommu/vtd.h>

#include "base/choice.h"
#include "base/ctx.h"
#include "hw/hw.h"

#define MAX_PASID 0xFFFFFu

int uiommu_port_create(struct uiommu_hw *hw, uint16_t rid, struct uiommu_port **port)
{
	return hw->ops->port_create(hw, rid, port);
}

void uiommu_port_destroy(struct uiommu_port *port)
{
	if (port)
		port->hw->ops->port_destroy(port);
}

void uiommu_hw_destroy(struct uiommu_hw *hw)
{
	if (hw)
		hw->ops->destroy(hw);
}

static int check(struct uiommu_agent *agent, const struct dma_req *req, size_t len)
{
	/* Outside of a batch no drain would wait for it. */
	if (!agent || !agent_in_batch(agent))
		return -EINVAL;
	if (!len || len > UIOMMU_PAGE_SIZE || len > UIOMMU_PAGE_SIZE - req->iova % UIOMMU_PAGE_SIZE)
		return -EINVAL;
	if (req->pasid != UIOMMU_NO_PASID && req->pasid > MAX_PASID)
		return -EINVAL;
	return 0;
}

static int translate(struct uiommu_port *port, struct uiommu_agent *agent, const struct dma_req *req,
		     struct dma_res *res, struct uiommu_fault *fault)
{
	int err = port->hw->ops->translate(port, req, res);

	if (err == -EFAULT && fault)
		*fault = (struct uiommu_fault) { .reason = res->reason, .iova = req->iova };
	if (err)
		return err;
	/* From here to agent_landed() only a drain of its kind waits for it. */
	agent_translated(agent, req->access == UIOMMU_WRITE ? QUIESCE_WRITES : QUIESCE_READS);
	choice_interleave(CHOICE_LAND);
	return 0;
}

int uiommu_dma_read(struct uiommu_port *port, struct uiommu_agent *agent, uint32_t pasid, uiommu_iova_t iova,
		    void *buf, size_t len, struct uiommu_fault *fault)
{
	struct dma_req req = {
		.iova = iova, .len = (uint32_t)len, .pasid = pasid, .access = UIOMMU_READ, .agent = agent
	};
	struct dma_res res;
	int err = check(agent, &req, len);

	if (!err)
		err = translate(port, agent, &req, &res, fault);
	if (err)
		return err;
	err = mem_read(port->hw->ctx->mem, res.pa, buf, len);
	agent_landed(agent);
	return err;
}

int uiommu_dma_write(struct uiommu_port *port, struct uiommu_agent *agent, uint32_t pasid, uiommu_iova_t iova,
		     const void *buf, size_t len, struct uiommu_fault *fault)
{
	struct dma_req req = {
		.iova = iova, .len = (uint32_t)len, .pasid = pasid, .access = UIOMMU_WRITE, .agent = agent
	};
	struct uiommu_hw *hw = port->hw;
	struct dma_res res;
	const uint8_t *b = buf;
	int err = check(agent, &req, len);

	if (!err)
		err = translate(port, agent, &req, &res, fault);
	if (err)
		return err;
	if (!res.interrupt)
		err = mem_write(hw->ctx->mem, res.pa, buf, len);
	else if (hw->msi)
		hw->msi(hw->msi_opaque, res.pa,
			b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24);
	agent_landed(agent);
	return err;
}

static size_t translate_singly(struct uiommu_port *port, struct dma_req *req, const uiommu_iova_t *iova,
			       uiommu_pa_t *pa, size_t n, uint32_t *reason)
{
	struct dma_res res;
	size_t i;

	for (i = 0; i < n; i++) {
		req->iova = iova[i];
		if (port->hw->ops->translate(port, req, &res)) {
			*reason = res.reason;
			break;
		}
		pa[i] = res.pa;
	}
	return i;
}

int uiommu_dma_translate(struct uiommu_port *port, struct uiommu_agent *agent, uint32_t pasid,
			 uint32_t access, const uiommu_iova_t *iova, uiommu_pa_t *pa, size_t n,
			 struct uiommu_fault *fault)
{
	/* No length: of 1 byte, which no interrupt message has. */
	struct dma_req req = { .len = 1, .pasid = pasid, .access = access, .agent = agent };
	uint32_t reason = 0;
	size_t done;

	if (n > INT_MAX || (access != UIOMMU_READ && access != UIOMMU_WRITE) || check(agent, &req, 1))
		return -EINVAL;
	/* Who translates holds it till the end of the batch, whatever lands meanwhile. */
	agent_holds(agent, access == UIOMMU_WRITE ? QUIESCE_WRITES : QUIESCE_READS);
	if (port->hw->ops->translate_list)
		done = port->hw->ops->translate_list(port, &req, iova, pa, n, &reason);
	else
		done = translate_singly(port, &req, iova, pa, n, &reason);
	if (done < n && fault)
		*fault = (struct uiommu_fault) { .reason = reason, .iova = iova[done] };
	choice_interleave(CHOICE_LAND);
	return (int)done;
}
