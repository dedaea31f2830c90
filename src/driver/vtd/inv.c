/* SPDX-License-Identifier: MIT */
/*
 * Invalidation descriptors (6.5.2). A batch holds each descriptor once: devices of
 * a group on one domain share their PASID-cache and IOTLB invalidations.
 */
#include "driver/vtd/queue.h"
#include "hw/vtd/layout.h"
#include "update/mutant.h"

static void append(struct vtdd_inv *inv, uint64_t lo, uint64_t hi)
{
	for (unsigned int i = 0; i < inv->n; i++)
		if (inv->d[i].lo == lo && inv->d[i].hi == hi)
			return;
	if (inv->n == VTDD_INV_MAX) {
		inv->full = true;
		return;
	}
	inv->d[inv->n].lo = lo;
	inv->d[inv->n].hi = hi;
	inv->n++;
}

static inline uint64_t type(enum vtd_desc desc)
{
	return field_put(VTD_ID0_TYPE_LO, desc);
}

void vtdd_inv_cc_global(struct vtdd_inv *inv)
{
	append(inv, type(VTD_DESC_CC) | field_put(VTD_CC0_G, VTD_CC_G_GLOBAL), 0);
}

void vtdd_inv_cc_device(struct vtdd_inv *inv, uint32_t did, uint16_t sid)
{
	append(inv,
	       type(VTD_DESC_CC) | field_put(VTD_CC0_G, VTD_CC_G_DEVICE) | field_put(VTD_CC0_DID, did) |
		       field_put(VTD_CC0_SID, sid),
	       0);
}

void vtdd_inv_pc_global(struct vtdd_inv *inv)
{
	append(inv, type(VTD_DESC_PC) | field_put(VTD_PC0_G, VTD_PC_G_GLOBAL), 0);
}

void vtdd_inv_pc_pasid(struct vtdd_inv *inv, uint32_t did, uint32_t pasid)
{
	append(inv,
	       type(VTD_DESC_PC) | field_put(VTD_PC0_G, VTD_PC_G_PASID) | field_put(VTD_PC0_DID, did) |
		       field_put(VTD_PC0_PASID, pasid),
	       0);
}

/*
 * "Drain" makes the completion wait for accesses that were translated before the
 * invalidation; without it they may still land after the pages were given away.
 */
static uint64_t iotlb(unsigned int granularity, uint32_t did)
{
	uint64_t drain = mutant(MUTANT_NO_DRAIN) ? 0 : VTD_IOTLB0_DR | VTD_IOTLB0_DW;

	return type(VTD_DESC_IOTLB) | field_put(VTD_IOTLB0_G, granularity) | field_put(VTD_IOTLB0_DID, did) |
	       drain;
}

void vtdd_inv_iotlb_global(struct vtdd_inv *inv)
{
	append(inv, iotlb(VTD_IOTLB_G_GLOBAL, 0), 0);
}

void vtdd_inv_iotlb_domain(struct vtdd_inv *inv, uint32_t did)
{
	append(inv, iotlb(VTD_IOTLB_G_DOMAIN, did), 0);
}

void vtdd_inv_iotlb_page(struct vtdd_inv *inv, uint32_t did, uint64_t iova, unsigned int am, bool leaf)
{
	append(inv, iotlb(VTD_IOTLB_G_PAGE, did),
	       (iova & VTD_IOTLB1_ADDR) | field_put(VTD_IOTLB1_AM, am) | (leaf ? VTD_IOTLB1_IH : 0));
}

static uint64_t piotlb(unsigned int granularity, uint32_t did, uint32_t pasid)
{
	return type(VTD_DESC_PIOTLB) | field_put(VTD_PIOTLB0_G, granularity) |
	       field_put(VTD_PIOTLB0_DID, did) | field_put(VTD_PIOTLB0_PASID, pasid);
}

void vtdd_inv_piotlb_pasid(struct vtdd_inv *inv, uint32_t did, uint32_t pasid)
{
	append(inv, piotlb(VTD_PIOTLB_G_PASID, did, pasid), 0);
}

void vtdd_inv_piotlb_page(struct vtdd_inv *inv, uint32_t did, uint32_t pasid, uint64_t iova, unsigned int am,
			  bool leaf)
{
	append(inv, piotlb(VTD_PIOTLB_G_PAGE, did, pasid),
	       (iova & VTD_PIOTLB1_ADDR) | field_put(VTD_PIOTLB1_AM, am) | (leaf ? VTD_PIOTLB1_IH : 0));
}
