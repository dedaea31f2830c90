/* SPDX-License-Identifier: MIT */
/*
 * The tables that lead to a device's entry: root, context table, and in scalable
 * mode PASID directory and PASID table (9.1 to 9.6). Made at probe, with what
 * leads to them published last; taken down at release, with an invalidation that
 * drains between the loss of the last pointer and the reuse of the page.
 *
 * All stores here are single words that go between not present and present, so no
 * read order matters and nothing needs to be invalidated on the way up.
 */
#include <errno.h>

#include "driver/vtd/vtd.h"

static uiommu_pa_t root_word(const struct vtdd_iommu *vi, unsigned int bus, unsigned int half)
{
	return vi->root + bus * VTD_ROOT_ENTRY_SIZE + half * 8;
}

static unsigned int half_of(const struct vtdd_iommu *vi, uint16_t rid)
{
	return vi->scalable && (rid & 0x80);
}

static uiommu_pa_t context_entry(const struct vtdd_iommu *vi, uiommu_pa_t table, uint16_t rid)
{
	return vi->scalable ? table + (rid & 0x7Fu) * VTD_SM_CONTEXT_ENTRY_SIZE
			    : table + (rid & 0xFFu) * VTD_CONTEXT_ENTRY_SIZE;
}

static void free_page(struct vtdd_iommu *vi, uiommu_pa_t pa)
{
	vi->ops->note(vi->hw, HW_NOTE_TABLE_FREE, pa, 0);
	pool_put(vi->base.ctx->pool, pa);
}

/* The pages of a scalable-mode device. The directory has 128 entries (PDTS = 0); only the first is used. */
static int get_pasid_tables(struct vtdd_iommu *vi, struct vtdd_device *dd)
{
	struct pool *pool = vi->base.ctx->pool;

	dd->dir = pool_get(pool);
	if (!dd->dir)
		return -ENOMEM;
	dd->table = pool_get(pool);
	if (!dd->table) {
		pool_put(pool, dd->dir);
		return -ENOMEM;
	}
	dd->entry_pa = dd->table + VTD_PASID_TABLE_INDEX(VTDD_RID_PASID) * VTD_PASID_ENTRY_SIZE;
	return 0;
}

/* Everything is allocated: from the leaf upwards, each pointer becomes visible when what it leads to is
 * whole. */
static void publish(struct vtdd_iommu *vi, struct vtdd_device *dd, uiommu_pa_t table, bool new_table)
{
	unsigned int bus = dd->rid >> 8, half = half_of(vi, dd->rid);

	if (vi->scalable) {
		vi->ops->store64(vi->hw,
				 dd->dir + VTD_PASID_DIR_INDEX(VTDD_RID_PASID) * VTD_PASID_DIR_ENTRY_SIZE,
				 dd->table | VTD_PDE_P);
		/* RID_PASID and the words behind it are 0: one store makes the whole entry. */
		vi->ops->store64(vi->hw, context_entry(vi, table, dd->rid),
				 dd->dir | field_put(VTD_SCE0_PDTS, 0) | VTD_SCE0_P);
	}
	if (new_table)
		vi->ops->store64(vi->hw, root_word(vi, bus, half),
				 table | (vi->scalable ? VTD_SRE_P : VTD_RE0_P));
}

int vtdd_probe(struct uiommu_device *dev)
{
	struct vtdd_iommu *vi = to_vtdd(dev->iommu);
	struct vtdd_bus *bus = &vi->bus[dev->rid >> 8];
	unsigned int half = half_of(vi, dev->rid);
	uiommu_pa_t table;
	struct vtdd_device *dd = alloc_struct(&vi->base.ctx->alloc, struct vtdd_device);
	int err = -ENOMEM;

	if (!dd)
		return -ENOMEM;
	dd->dev = dev;
	dd->rid = dev->rid;
	dd->node[0].rid = dev->rid;
	dd->node[1].rid = dev->rid;
	dd->dom = to_vtdd_domain(vi->base.blocking);
	if (vi->scalable && get_pasid_tables(vi, dd))
		goto free_device;
	lock_take(&vi->tables_lock);
	table = bus->users[half] ? bus->table[half] : pool_get(vi->base.ctx->pool);
	if (!table)
		goto unlock;
	if (!vi->scalable)
		dd->entry_pa = context_entry(vi, table, dd->rid);
	publish(vi, dd, table, !bus->users[half]);
	bus->table[half] = table;
	bus->users[half]++;
	lock_drop(&vi->tables_lock);
	dev->drv = dd;
	return 0;

unlock:
	lock_drop(&vi->tables_lock);
	if (vi->scalable) {
		pool_put(vi->base.ctx->pool, dd->table);
		pool_put(vi->base.ctx->pool, dd->dir);
	}
free_device:
	alloc_free(&vi->base.ctx->alloc, dd);
	return err;
}

/* Hardware may still hold a pointer to it if the invalidation failed: then the page waits for destroy. */
static void drop_page(struct vtdd_iommu *vi, uiommu_pa_t pa, int err)
{
	if (err)
		pool_list_add(vi->base.ctx->pool, &vi->kept, pa);
	else
		free_page(vi, pa);
}

void vtdd_release(struct uiommu_device *dev)
{
	struct vtdd_iommu *vi = to_vtdd(dev->iommu);
	struct vtdd_device *dd = dev->drv;
	struct vtdd_bus *bus = &vi->bus[dd->rid >> 8];
	unsigned int half = half_of(vi, dd->rid);
	uiommu_pa_t table = bus->table[half];
	struct vtdd_inv inv;
	bool last;
	int err;

	vtdd_inv_init(&inv);
	lock_take(&vi->tables_lock);
	last = --bus->users[half] == 0;
	if (last)
		vi->ops->store64(vi->hw, root_word(vi, dd->rid >> 8, half), 0);
	/*
	 * The entry itself is not present. Present ones that led to it are cached
	 * under the SID and, for the PASID directory, under nothing that can be
	 * named: hence the global PASID-cache invalidation.
	 */
	if (vi->scalable) {
		vi->ops->store64(vi->hw, context_entry(vi, table, dd->rid), 0);
		vtdd_inv_cc_device(&inv, 0, dd->rid);
		vtdd_inv_pc_global(&inv);
	}
	if (last)
		vtdd_inv_cc_global(&inv);
	/*
	 * A request that fetched a pointer before the stores may still read the pages;
	 * the invalidations above end no walk. It has met no entry yet, so no tag can
	 * name it: the drain must be that of all requests.
	 */
	if (inv.n)
		vtdd_inv_iotlb_global(&inv);
	err = vtdd_queue_run(vi, &inv);
	if (vi->scalable) {
		drop_page(vi, dd->table, err);
		drop_page(vi, dd->dir, err);
	}
	if (last)
		drop_page(vi, table, err);
	lock_drop(&vi->tables_lock);
	alloc_free(&vi->base.ctx->alloc, dd);
	dev->drv = NULL;
}
