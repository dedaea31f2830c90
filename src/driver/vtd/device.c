/* SPDX-License-Identifier: MIT */
/*
 * The tables that lead to a device's entries: root, context table, and in scalable
 * mode PASID directory and PASID tables (9.1 to 9.6). Made at probe, with what
 * leads to them published last; PASID tables are added when a PASID of their 64 is
 * probed first. Taken down at release, with an invalidation that drains between the
 * loss of the last pointer and the reuse of the page.
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

/* ---- PASID directory and PASID tables (9.5, 9.6) ---- */

/* PASIDs that both can do: hardware has PSS + 1 bits of them. */
static uint32_t max_pasids(const struct vtdd_iommu *vi, uint32_t wanted)
{
	unsigned int bits = (unsigned int)field_get(VTD_ECAP_PSS, vi->caps.ecap) + 1;
	uint32_t have = bits < 20 ? 1u << bits : UIOMMU_MAX_PASIDS;

	if (!vi->scalable || !(vi->caps.ecap & VTD_ECAP_PASID))
		return 0;
	return wanted < have ? wanted : have;
}

/* 9.4: the directory has 2^(PDTS + 7) entries. */
static unsigned int pdts_for(uint32_t pasids)
{
	unsigned int pdts = 0;

	while (VTD_PASID_LIMIT(pdts) < pasids)
		pdts++;
	return pdts;
}

static uiommu_pa_t dir_entry(const struct vtdd_device *dd, uint32_t pasid)
{
	return dd->dir + VTD_PASID_DIR_INDEX(pasid) * VTD_PASID_DIR_ENTRY_SIZE;
}

/* The table of a PASID, or 0. */
static uiommu_pa_t pasid_table(const struct vtdd_iommu *vi, const struct vtdd_device *dd, uint32_t pasid)
{
	uint64_t pde = vi->ops->load64(vi->hw, dir_entry(dd, pasid));

	return pde & VTD_PDE_P ? pde & VTD_PDE_SMPTBLPTR : 0;
}

/*
 * A table appears. All its entries are not present, so nothing that hardware does
 * changes, and a directory entry that was not present is not cached (4). It stays until
 * the device goes: what leads to it can be cached under nothing that can be named, and
 * taking it out would cost everybody's PASID caches.
 */
static int add_table(struct vtdd_iommu *vi, struct vtdd_device *dd, uint32_t pasid, uiommu_pa_t *table)
{
	*table = pool_get(vi->base.ctx->pool);
	if (!*table)
		return -ENOMEM;
	vi->ops->store64(vi->hw, dir_entry(dd, pasid), *table | VTD_PDE_P);
	dd->n_tables++;
	return 0;
}

static uiommu_pa_t entry_in(uiommu_pa_t table, uint32_t pasid)
{
	return table + VTD_PASID_TABLE_INDEX(pasid) * VTD_PASID_ENTRY_SIZE;
}

static void init_att(struct vtdd_iommu *vi, struct vtdd_att *va, uint16_t rid, uint32_t pasid)
{
	va->rid = rid;
	va->pasid = pasid;
	va->node[0].rid = rid;
	va->node[1].rid = rid;
	va->dom = to_vtdd_domain(vi->base.blocking);
}

/* The directory of a device, and the table with the entry of RID_PASID. Nothing leads to them yet. */
static int get_pasid_tables(struct vtdd_iommu *vi, struct vtdd_device *dd, uint32_t pasids)
{
	struct pool *pool = vi->base.ctx->pool;
	uiommu_pa_t table;

	dd->pdts = pdts_for(pasids);
	dd->dir_lg2 = dd->pdts > 2 ? dd->pdts - 2 : 0; /* 512 entries in a page */
	dd->dir = pool_get_order(pool, dd->dir_lg2);
	if (!dd->dir)
		return -ENOMEM;
	if (add_table(vi, dd, VTDD_RID_PASID, &table)) {
		pool_put_order(pool, dd->dir, dd->dir_lg2);
		return -ENOMEM;
	}
	dd->att.entry_pa = entry_in(table, VTDD_RID_PASID);
	return 0;
}

/* Hardware may still have a pointer to it if the invalidation failed: then the page waits in kept. */
static void drop_page(struct vtdd_iommu *vi, uiommu_pa_t pa, int err)
{
	if (err)
		pool_list_add(vi->base.ctx->pool, &vi->kept, pa);
	else
		free_page(vi, pa);
}

static void put_dir(struct vtdd_iommu *vi, uiommu_pa_t dir, unsigned int lg2)
{
	for (unsigned int i = 0; i < 1u << lg2; i++)
		vi->ops->note(vi->hw, HW_NOTE_TABLE_FREE, dir + i * UIOMMU_PAGE_SIZE, 0);
	pool_put_order(vi->base.ctx->pool, dir, lg2);
}

static void drop_pasid_tables(struct vtdd_iommu *vi, struct vtdd_device *dd, int err)
{
	for (uint32_t pasid = 0; dd->n_tables; pasid += VTDD_TABLE_PASIDS) {
		uiommu_pa_t table = pasid_table(vi, dd, pasid);

		if (!table)
			continue;
		drop_page(vi, table, err);
		dd->n_tables--;
	}
	if (err) {
		pool_list_add(vi->base.ctx->pool, &vi->kept_dirs[dd->dir_lg2], dd->dir);
		return;
	}
	put_dir(vi, dd->dir, dd->dir_lg2);
}

void vtdd_put_kept(struct vtdd_iommu *vi)
{
	struct pool *pool = vi->base.ctx->pool;

	for (uiommu_pa_t pa = vi->kept.head; pa; pa = pool_desc(pool, pa)->next)
		vi->ops->note(vi->hw, HW_NOTE_TABLE_FREE, pa, 0);
	pool_put_list(pool, &vi->kept);
	for (unsigned int lg2 = 0; lg2 < VTDD_DIR_ORDERS; lg2++) {
		struct pool_list *dirs = &vi->kept_dirs[lg2];

		while (dirs->head) {
			uiommu_pa_t pa = dirs->head;

			dirs->head = pool_desc(pool, pa)->next;
			put_dir(vi, pa, lg2);
		}
	}
}

int vtdd_pasid_probe(struct core_att *att)
{
	struct vtdd_iommu *vi = to_vtdd(att->dev->iommu);
	struct vtdd_device *dd = att->dev->drv;
	struct vtdd_att *va = alloc_struct(&vi->base.ctx->alloc, struct vtdd_att);
	uiommu_pa_t table;
	int err = 0;

	if (!va)
		return -ENOMEM;
	table = pasid_table(vi, dd, att->pasid);
	if (!table)
		err = add_table(vi, dd, att->pasid, &table);
	if (err) {
		alloc_free(&vi->base.ctx->alloc, va);
		return err;
	}
	init_att(vi, va, dd->att.rid, att->pasid);
	va->entry_pa = entry_in(table, att->pasid);
	att->drv = va;
	return 0;
}

void vtdd_pasid_release(struct core_att *att)
{
	struct vtdd_iommu *vi = to_vtdd(att->dev->iommu);

	alloc_free(&vi->base.ctx->alloc, att->drv);
	att->drv = NULL;
}

/* ---- devices ---- */

/* Everything is allocated: each pointer becomes visible when what it leads to is whole. */
static void publish(struct vtdd_iommu *vi, struct vtdd_device *dd, uiommu_pa_t table, bool new_table,
		    bool pasids)
{
	uint16_t rid = dd->att.rid;
	unsigned int half = half_of(vi, rid);

	/* RID_PASID and the words behind it are 0: one store makes the whole entry. */
	if (vi->scalable)
		vi->ops->store64(vi->hw, context_entry(vi, table, rid),
				 dd->dir | field_put(VTD_SCE0_PDTS, dd->pdts) |
					 (pasids ? VTD_SCE0_PASIDE : 0) | VTD_SCE0_P);
	if (new_table)
		vi->ops->store64(vi->hw, root_word(vi, rid >> 8, half),
				 table | (vi->scalable ? VTD_SRE_P : VTD_RE0_P));
}

/*
 * A release whose invalidation failed kept its pages: hardware may still have pointers to
 * them, under the RID of a device that comes back with new ones. Before anything is put
 * beside them hardware forgets them; then they are free. tables_lock held. 0 or hardware's
 * error.
 */
static int forget_kept(struct vtdd_iommu *vi)
{
	struct vtdd_inv inv;
	int err;

	/* Where there is a directory, there is a table. */
	if (!vi->kept.n)
		return 0;
	vtdd_inv_init(&inv);
	vtdd_inv_cc_global(&inv);
	if (vi->scalable)
		vtdd_inv_pc_global(&inv);
	vtdd_inv_iotlb_global(&inv);
	err = vtdd_queue_run(vi, &inv);
	if (!err)
		vtdd_put_kept(vi);
	return err;
}

/*
 * A deferred device is no special case: the root table is this driver's own, so that what
 * a previous owner had for the device ended when the unit was taken over.
 */
int vtdd_probe(struct uiommu_device *dev)
{
	struct vtdd_iommu *vi = to_vtdd(dev->iommu);
	struct vtdd_bus *bus = &vi->bus[dev->rid >> 8];
	uint32_t pasids = max_pasids(vi, dev->max_pasids);
	unsigned int half = half_of(vi, dev->rid);
	uiommu_pa_t table;
	struct vtdd_device *dd = alloc_struct(&vi->base.ctx->alloc, struct vtdd_device);
	int err = -ENOMEM;

	if (!dd)
		return -ENOMEM;
	init_att(vi, &dd->att, dev->rid, VTDD_RID_PASID);
	if (vi->scalable && get_pasid_tables(vi, dd, pasids))
		goto free_device;
	lock_take(&vi->tables_lock);
	err = forget_kept(vi);
	if (err)
		goto unlock;
	err = -ENOMEM;
	table = bus->users[half] ? bus->table[half] : pool_get(vi->base.ctx->pool);
	if (!table)
		goto unlock;
	if (!vi->scalable)
		dd->att.entry_pa = context_entry(vi, table, dev->rid);
	publish(vi, dd, table, !bus->users[half], pasids);
	bus->table[half] = table;
	bus->users[half]++;
	lock_drop(&vi->tables_lock);
	dev->max_pasids = pasids;
	dev->drv = dd;
	return 0;

unlock:
	lock_drop(&vi->tables_lock);
	if (vi->scalable)
		drop_pasid_tables(vi, dd, 0);
free_device:
	alloc_free(&vi->base.ctx->alloc, dd);
	return err;
}

void vtdd_release(struct uiommu_device *dev)
{
	struct vtdd_iommu *vi = to_vtdd(dev->iommu);
	struct vtdd_device *dd = dev->drv;
	uint16_t rid = dd->att.rid;
	struct vtdd_bus *bus = &vi->bus[rid >> 8];
	unsigned int half = half_of(vi, rid);
	uiommu_pa_t table = bus->table[half];
	struct vtdd_inv inv;
	bool last;
	int err;

	vtdd_inv_init(&inv);
	lock_take(&vi->tables_lock);
	last = --bus->users[half] == 0;
	if (last)
		vi->ops->store64(vi->hw, root_word(vi, rid >> 8, half), 0);
	/*
	 * The entries themselves are not present. Present ones that led to them are cached
	 * under the SID and, for the PASID directory, under nothing that can be
	 * named: hence the global PASID-cache invalidation.
	 */
	if (vi->scalable) {
		vi->ops->store64(vi->hw, context_entry(vi, table, rid), 0);
		vtdd_inv_cc_device(&inv, 0, rid);
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
	if (vi->scalable)
		drop_pasid_tables(vi, dd, err);
	if (last)
		drop_page(vi, table, err);
	lock_drop(&vi->tables_lock);
	alloc_free(&vi->base.ctx->alloc, dd);
	dev->drv = NULL;
}

/* ---- what is special about a device ---- */

/* Without pass-through there is no identity. */
enum uiommu_default vtdd_def_domain_type(struct uiommu_device *dev)
{
	return to_vtdd(dev->iommu)->caps.ecap & VTD_ECAP_PT ? UIOMMU_DEFAULT_ANY : UIOMMU_DEFAULT_PAGING;
}

/* 3.14: writes there are interrupts, whatever the tables say. */
int vtdd_resv_regions(struct uiommu_device *dev,
		      int (*add)(void *opaque, const struct uiommu_resv_region *region), void *opaque)
{
	static const struct uiommu_resv_region msi = {
		.start = VTD_INTERRUPT_BASE,
		.last = VTD_INTERRUPT_BASE | ~VTD_INTERRUPT_MASK,
		.type = UIOMMU_RESV_MSI,
	};

	return add(opaque, &msi);
}
