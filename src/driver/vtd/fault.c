/* SPDX-License-Identifier: MIT */
/*
 * Faults that hardware recorded (7, Fault Logging and Reporting; 11.4.7). The unit's
 * interrupt comes in the thread whose access was blocked, inside its DMA batch: so
 * nothing here waits, allocates or takes a lock.
 */
#include <stdio.h>

#include "base/probe.h"
#include "driver/vtd/vtd.h"

/* The event's message: any address and data, since the model hands it to the driver by a hook. */
#define FAULT_VECTOR 0x30u

static uint32_t frcd(const struct vtdd_iommu *vi, unsigned int i)
{
	return (uint32_t)field_get(VTD_CAP_FRO, vi->caps.cap) * 16 + i * 16;
}

static unsigned int records(const struct vtdd_iommu *vi)
{
	return (unsigned int)field_get(VTD_CAP_NFR, vi->caps.cap) + 1;
}

static void report(struct vtdd_iommu *vi, uint64_t lo, uint64_t hi)
{
	uint16_t sid = (uint16_t)field_get(VTD_FRCD1_SID, hi);
	bool read = hi & VTD_FRCD1_T1, pasid = hi & VTD_FRCD1_PP;
	struct uiommu_event event = {
		.kind = UIOMMU_EVENT_FAULT,
		.rid = sid,
		.pasid = pasid ? (uint32_t)field_get(VTD_FRCD1_PV, hi) : UIOMMU_NO_PASID,
		.iova = lo & VTD_FRCD0_FI,
		.reason = (uint32_t)field_get(VTD_FRCD1_FR, hi),
		/* {T1,T2}: read is 10, atomic 11 */
		.access =
			read ? (hi & VTD_FRCD1_T2 ? UIOMMU_READ | UIOMMU_WRITE : UIOMMU_READ) : UIOMMU_WRITE,
	};
	char with[24] = "";

	PROBE5(io_page_fault, event.rid, event.iova, event.access, event.pasid, event.reason);
	if (pasid)
		snprintf(with, sizeof(with), " with PASID %u", event.pasid);
	core_fault(&vi->base, &event, "%s by %02x:%02x.%x%s at IOVA 0x%llx was blocked: reason 0x%02x (%s)",
		   read ? "read" : "write", sid >> 8, sid >> 3 & 31, sid & 7, with,
		   (unsigned long long)event.iova, event.reason, vtd_reason_text(event.reason));
}

/* One pass over the records from the oldest; true if there was one. */
static bool drain_records(struct vtdd_iommu *vi, unsigned int first)
{
	unsigned int n = records(vi);
	bool any = false;

	for (unsigned int k = 0; k < n; k++) {
		uint32_t off = frcd(vi, (first + k) % n);
		uint64_t lo, hi = vi->ops->read64(vi->hw, off + 8);

		/* F is set last: with it all the rest is there. */
		if (!(hi & VTD_FRCD1_F))
			continue;
		lo = vi->ops->read64(vi->hw, off);
		report(vi, lo, hi);
		vi->ops->write32(vi->hw, off + 12, (uint32_t)(VTD_FRCD1_F >> 32));
		any = true;
	}
	return any;
}

static void drain(struct vtdd_iommu *vi)
{
	for (;;) {
		uint32_t fsts = vi->ops->read32(vi->hw, VTD_REG_FSTS);
		bool any = false;

		if (fsts & VTD_FSTS_PPF)
			any = drain_records(vi, (unsigned int)field_get(VTD_FSTS_FRI, fsts));
		/*
		 * Last: while PFO stands hardware records nothing new, so a storm of
		 * faults cannot keep this loop going.
		 */
		if (fsts & VTD_FSTS_PFO) {
			struct uiommu_event event = {
				.kind = UIOMMU_EVENT_FAULT_OVERFLOW,
				.pasid = UIOMMU_NO_PASID,
			};

			vi->ops->write32(vi->hw, VTD_REG_FSTS, VTD_FSTS_PFO);
			ctx_event(vi->base.ctx, &event, "faults were lost: all %u fault records were in use",
				  records(vi));
			any = true;
		}
		/* A fault that came meanwhile raised no interrupt, as a bit was still set: look again. */
		if (!any)
			return;
	}
}

void vtdd_fault_service(struct vtdd_iommu *vi)
{
	unsigned int seen;

	/* Somebody is at it: it sees the count and looks again. */
	if (atomic_fetch_add_explicit(&vi->fault_calls, 1, memory_order_acq_rel))
		return;
	do {
		seen = atomic_load_explicit(&vi->fault_calls, memory_order_acquire);
		drain(vi);
	} while (!atomic_compare_exchange_strong_explicit(&vi->fault_calls, &seen, 0, memory_order_acq_rel,
							  memory_order_relaxed));
}

static void unit_irq(void *opaque, uint64_t address, uint32_t data)
{
	vtdd_fault_service(opaque);
}

void vtdd_fault_init(struct vtdd_iommu *vi)
{
	vi->ops->write32(vi->hw, VTD_REG_FECTL, VTD_ECTL_IM);
	vi->hw->unit_irq_opaque = vi;
	vi->hw->unit_irq = unit_irq;
	vi->ops->write32(vi->hw, VTD_REG_FEDATA, FAULT_VECTOR);
	vi->ops->write32(vi->hw, VTD_REG_FEADDR, (uint32_t)VTD_INTERRUPT_BASE);
	vi->ops->write32(vi->hw, VTD_REG_FEUADDR, 0);
	vi->ops->write32(vi->hw, VTD_REG_FSTS, (uint32_t)(VTD_FSTS_IQE | VTD_FSTS_ICE | VTD_FSTS_ITE));
	vtdd_fault_service(vi);
	vi->ops->write32(vi->hw, VTD_REG_FECTL, 0);
}

void vtdd_fault_fini(struct vtdd_iommu *vi)
{
	vi->ops->write32(vi->hw, VTD_REG_FECTL, VTD_ECTL_IM);
	vi->hw->unit_irq = NULL;
	vi->hw->unit_irq_opaque = NULL;
}
