/* SPDX-License-Identifier: MIT */
/*
 * What the unit's tables hold, for uiommu_show(): hardware's own walk from the root entry
 * to the one that leads to a translation, by the same decoders, reading memory and not
 * this driver's books.
 *
 * Words are read singly. Nothing stores to a device's entries while its group's lock is
 * held, and the words of tables that devices share (root entries) mean something each
 * alone; so what is shown is what a fetch of whole granules would have seen.
 */
#include <stdio.h>

#include "driver/vtd/vtd.h"
#include "hw/vtd/decode_fields.h"

struct visit {
	struct vtdd_iommu *vi;
	struct core_att *att;
	const struct uiommu_show_ops *ops;
	void *opaque;
	uint64_t words[VTD_ENTRY_WORDS_MAX];	/* of the entry that was read last */
	char meaning[160];
};

static void read_entry(struct visit *v, uiommu_pa_t pa, enum vtd_entry_kind kind)
{
	const struct vtd_entry_layout *layout = vtd_entry_layout(kind);

	for (unsigned int i = 0; i < layout->words; i++)
		v->words[i] = v->vi->ops->load64(v->vi->hw, pa + 8 * i);
}

/* The entry that was read; what it means is in v->meaning unless @reason says why it is not valid. */
static void tell(struct visit *v, uiommu_pa_t pa, enum vtd_entry_kind kind, enum vtd_reason reason)
{
	const struct vtd_entry_layout *layout = vtd_entry_layout(kind);
	struct uiommu_show_field fields[VTD_ENTRY_FIELDS_MAX];
	char section[16];
	struct uiommu_show_entry show = {
		.rid = v->att->dev->rid,
		.pasid = v->att->pasid,
		.name = layout->name,
		.section = section,
		.pa = pa,
		.n_words = layout->words,
		.words = v->words,
		.fields = fields,
		.meaning = reason == VTD_OK ? v->meaning : vtd_reason_text(reason),
	};

	snprintf(section, sizeof(section), "VT-d %s", layout->section);
	for (unsigned int i = 0; i < layout->n; i++) {
		const struct vtd_field *f = &layout->fields[i];
		uint64_t value = vtd_field_value(f, v->words);

		if (value || !(f->reserved || f->ignored))
			fields[show.n_fields++] =
				(struct uiommu_show_field){ f->name, f->word, f->mask, value };
	}
	v->ops->entry(v->opaque, &show);
}

static void tell_stage(struct visit *v, const char *stage, unsigned int levels, uint64_t table,
		       unsigned int did)
{
	snprintf(v->meaning, sizeof(v->meaning), "%s stage, %u levels, table at 0x%llx, domain id %u", stage,
		 levels, (unsigned long long)table, did);
}

/* Legacy mode: root entry, context entry (3.4.2). */
static void visit_legacy(struct visit *v)
{
	uint16_t rid = v->att->dev->rid;
	uiommu_pa_t pa = v->vi->root + (rid >> 8) * VTD_ROOT_ENTRY_SIZE;
	struct vtd_context c;
	enum vtd_reason why;
	uint64_t table;

	read_entry(v, pa, VTD_ENTRY_ROOT);
	why = vtd_decode_root(&v->vi->caps, v->words, &table);
	snprintf(v->meaning, sizeof(v->meaning), "context table at 0x%llx", (unsigned long long)table);
	tell(v, pa, VTD_ENTRY_ROOT, why);
	if (why != VTD_OK)
		return;
	pa = table + (rid & 0xFFu) * VTD_CONTEXT_ENTRY_SIZE;
	read_entry(v, pa, VTD_ENTRY_CONTEXT);
	why = vtd_decode_context(&v->vi->caps, v->words, &c);
	if (c.tt == VTD_TT_PASS)
		snprintf(v->meaning, sizeof(v->meaning), "pass-through, domain id %u", c.did);
	else
		tell_stage(v, "second", c.levels, c.ptr, c.did);
	tell(v, pa, VTD_ENTRY_CONTEXT, why);
}

/* PASID directory entry, PASID table entry (3.4.3, 9.5, 9.6). */
static void visit_pasid(struct visit *v, uiommu_pa_t dir, uint32_t pasid)
{
	uiommu_pa_t pa = dir + VTD_PASID_DIR_INDEX(pasid) * VTD_PASID_DIR_ENTRY_SIZE;
	struct vtd_pasid_dir d;
	enum vtd_reason why;
	struct vtd_pasid p;

	read_entry(v, pa, VTD_ENTRY_PASID_DIR);
	why = vtd_decode_pasid_dir(&v->vi->caps, v->words[0], &d);
	snprintf(v->meaning, sizeof(v->meaning), "PASID table at 0x%llx", (unsigned long long)d.table);
	tell(v, pa, VTD_ENTRY_PASID_DIR, why);
	if (why != VTD_OK)
		return;
	pa = d.table + VTD_PASID_TABLE_INDEX(pasid) * VTD_PASID_ENTRY_SIZE;
	read_entry(v, pa, VTD_ENTRY_PASID);
	why = vtd_decode_pasid(&v->vi->caps, v->words, &p);
	if (p.pgtt == VTD_PGTT_PASS)
		snprintf(v->meaning, sizeof(v->meaning), "pass-through, domain id %u", p.did);
	else
		tell_stage(v, p.pgtt == VTD_PGTT_FIRST ? "first" : "second", p.levels, p.ptr, p.did);
	tell(v, pa, VTD_ENTRY_PASID, why);
}

/* Scalable mode: half a root entry, context entry, then by PASID. */
static void visit_scalable(struct visit *v)
{
	uint16_t rid = v->att->dev->rid;
	uiommu_pa_t pa = v->vi->root + (rid >> 8) * VTD_ROOT_ENTRY_SIZE + (rid & 0x80 ? 8 : 0);
	struct vtd_sm_context c;
	enum vtd_reason why;
	uint64_t table;

	read_entry(v, pa, VTD_ENTRY_SM_ROOT);
	why = vtd_decode_sm_root(&v->vi->caps, v->words[0], &table);
	snprintf(v->meaning, sizeof(v->meaning), "context table at 0x%llx", (unsigned long long)table);
	tell(v, pa, VTD_ENTRY_SM_ROOT, why);
	if (why != VTD_OK)
		return;
	pa = table + (rid & 0x7Fu) * VTD_SM_CONTEXT_ENTRY_SIZE;
	read_entry(v, pa, VTD_ENTRY_SM_CONTEXT);
	why = vtd_decode_sm_context(&v->vi->caps, v->words, &c);
	snprintf(v->meaning, sizeof(v->meaning),
		 "PASID directory at 0x%llx for PASIDs below 0x%x, requests without one use %u",
		 (unsigned long long)c.dir, c.pasid_limit, c.rid_pasid);
	tell(v, pa, VTD_ENTRY_SM_CONTEXT, why);
	if (why != VTD_OK || (v->att->pasid != UIOMMU_NO_PASID && v->att->pasid >= c.pasid_limit))
		return;
	visit_pasid(v, c.dir, v->att->pasid == UIOMMU_NO_PASID ? c.rid_pasid : v->att->pasid);
}

void vtdd_show_attachment(struct core_att *att, const struct uiommu_show_ops *ops, void *opaque)
{
	struct visit v = { .vi = to_vtdd(att->dev->iommu), .att = att, .ops = ops, .opaque = opaque };

	if (v.vi->scalable)
		visit_scalable(&v);
	else if (att->pasid == UIOMMU_NO_PASID)
		visit_legacy(&v);
}

void vtdd_show_domain(struct uiommu_domain *domain, struct uiommu_show_domain *show)
{
	struct vtdd_domain *dom = to_vtdd_domain(domain);
	struct pgtable_stats stats;

	lock_take(&dom->list.lock);
	if (dom->tag != VTDD_NO_TAG)
		show->tag = dom->tag;
	lock_drop(&dom->list.lock);
	if (dom->kind != VTDD_KIND_SECOND && dom->kind != VTDD_KIND_FIRST)
		return;
	pgtable_stats(&dom->pt, &stats);
	show->levels = dom->pt.levels;
	show->root = dom->pt.root;
	for (unsigned int level = 1; level < UIOMMU_SHOW_LEVELS; level++) {
		show->tables[level] = stats.tables[level];
		show->leaves[level] = stats.leaves[level];
		show->mapped += stats.leaves[level] << (VTD_PAGE_SHIFT + VTD_LEVEL_BITS * (level - 1));
	}
}

void vtdd_show_iommu(struct uiommu_iommu *iommu, struct uiommu_show_iommu *show)
{
	show->mode = to_vtdd(iommu)->scalable ? "scalable" : "legacy";
}
