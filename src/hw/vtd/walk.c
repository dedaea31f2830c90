/* SPDX-License-Identifier: MIT */
/*
 * The translate operation: interrupt range, configuration, IOTLB, page walks of
 * second stage (3.7) and first stage (3.6), accessed and dirty bits, faults.
 *
 * Invariants:
 * 1. No lock is taken and nothing allocated unless the request faults.
 * 2. Each paging entry is read once, atomically; A and D are set by an atomic update
 *    of just the value that was read, or the walk starts again.
 * 3. Order of checks: per entry access, present, reserved; then permissions gathered
 *    over all levels; then A and D; then the output range (7.1.3, 3.14).
 * 4. A way to a table is cached as it was read, A set if it is a first-stage one, with
 *    the permissions gathered so far; second-stage ones also when the walk faults.
 * 5. Every request is a user request: ECAP.SRS=0 and RPRIVS=0.
 */
#include <errno.h>

#include "base/choice.h"
#include "hw/vtd/access.h"
#include "hw/vtd/vtd_model.h"

#define MAX_LEVELS 5
/* Walks that start again because software changes entries under them. */
#define MAX_RESTARTS 1024

static bool in_interrupt_range(uint64_t addr)
{
	return (addr & VTD_INTERRUPT_MASK) == VTD_INTERRUPT_BASE;
}

static bool is_write(const struct vtd_txn *t)
{
	return t->req->access == UIOMMU_WRITE;
}

static enum vtd_reason no_permission(const struct vtd_txn *t)
{
	if (t->legacy)
		return is_write(t) ? VTD_LGN_2 : VTD_LGN_3;
	return is_write(t) ? VTD_SGN_6 : VTD_SGN_7;
}

/* ---- paging-structure caches (6.2.4) ---- */

/* The tables that a walk has come through, by level; fills wait for the walk's end. */
struct way {
	unsigned int start;		/* the level that it began at */
	unsigned int n;
	struct iotlb_line table[MAX_LEVELS];
};

/* Where to begin: the lowest table that is cached, or the top one. */
static uint64_t find_way(struct vtd_txn *t, struct iotlb_line *line, enum iotlb_type type, struct way *way)
{
	struct iotlb_line l = { .iova = line->iova, .pasid = line->pasid, .did = line->did, .type = type };

	way->n = 0;
	way->start = t->xlat.levels;
	line->r = line->w = true;
	if (!t->model->cache.tables)
		return t->xlat.ptr;
	for (unsigned int level = 1; level < t->xlat.levels; level++) {
		l.size = (uint8_t)level;
		if (!iotlb_lookup_table(&t->model->cache, &l) || choose(CHOICE_HIT, 2))
			continue;
		way->start = level;
		line->r = l.r;
		line->w = l.w;
		return l.pa;
	}
	return t->xlat.ptr;
}

static void step_down(struct way *way, const struct iotlb_line *line, enum iotlb_type type,
		      unsigned int level, uint64_t table)
{
	struct iotlb_line *l = &way->table[way->n++];

	*l = *line;
	l->type = type;
	l->size = (uint8_t)level;
	l->pa = table;
}

/* Production, where nobody decides, keeps the lowest: it is the one that saves most. */
static void keep_way(struct vtd_txn *t, const struct way *way)
{
	struct cache *c = &t->model->cache;

	if (!c->tables || !t->model->caching)
		return;
#ifdef UIOMMU_STEERED
	for (unsigned int i = 0; i < way->n; i++) {
		choice_interleave(CHOICE_FILL);
		if (!choose(CHOICE_FILL, 2))
			iotlb_fill(c, t->stamp, &way->table[i]);
	}
#else
	if (way->n)
		iotlb_fill(c, t->stamp, &way->table[way->n - 1]);
#endif
}

static int load_entry(struct vtd_txn *t, uint64_t table, unsigned int level, uint64_t *pa, uint64_t *e)
{
	uint64_t index = t->req->iova >> (VTD_PAGE_SHIFT + VTD_LEVEL_BITS * (level - 1)) & 511;

	if (level != t->xlat.levels)
		choice_interleave(CHOICE_WALK);
	*pa = table + 8 * index;
	return vtd_table_load64(t->model->hw.ctx, *pa, e);
}

/* ---- second stage ---- */

static enum vtd_reason second_failed(const struct vtd_txn *t, bool top)
{
	if (t->legacy)
		return top ? VTD_LCT_4 : VTD_LSS_1;
	return top ? VTD_SSS_4 : VTD_SSS_1;
}

static enum vtd_reason second_absent(const struct vtd_txn *t)
{
	return t->legacy ? no_permission(t) : VTD_SSS_2;
}

static enum vtd_reason walk_second_from(struct vtd_txn *t, struct iotlb_line *line, uint64_t table,
					struct way *way)
{
	uint64_t pa, e;
	struct vtd_pte pte;

	line->dirty = true;
	for (unsigned int level = way->start;; level--) {
		if (load_entry(t, table, level, &pa, &e))
			return second_failed(t, level == t->xlat.levels);
		vtd_decode_ss(&t->model->caps, e, level, &pte);
		if (pte.kind == VTD_PTE_NONE)
			return second_absent(t);
		if (pte.kind == VTD_PTE_RESERVED)
			return t->legacy ? VTD_LSS_2 : VTD_SSS_3;
		line->r &= pte.r;
		line->w &= pte.w;
		if (pte.kind == VTD_PTE_LEAF) {
			line->size = (uint8_t)(level - 1);
			line->pa = pte.addr;
			break;
		}
		table = pte.addr;
		step_down(way, line, IOTLB_SECOND_TABLE, level - 1, table);
	}
	if (!line->r && !line->w)
		return second_absent(t);
	return (is_write(t) ? line->w : line->r) ? VTD_OK : no_permission(t);
}

static enum vtd_reason walk_second(struct vtd_txn *t, struct iotlb_line *line)
{
	struct way way;
	uint64_t table = find_way(t, line, IOTLB_SECOND_TABLE, &way);
	enum vtd_reason reason = walk_second_from(t, line, table, &way);

	keep_way(t, &way);
	return reason;
}

/* ---- first stage ---- */

struct first_walk {
	uint64_t pa[MAX_LEVELS], e[MAX_LEVELS];
	unsigned int n;
	struct way way;
};

static enum vtd_reason walk_first_once(struct vtd_txn *t, struct iotlb_line *line, struct first_walk *w)
{
	uint64_t table = find_way(t, line, IOTLB_FIRST_TABLE, &w->way);
	bool user = true;		/* of a cached way too: others are not cached */
	struct vtd_pte pte;

	w->n = 0;
	for (unsigned int level = w->way.start;; level--) {
		uint64_t *e = &w->e[w->n];

		if (load_entry(t, table, level, &w->pa[w->n], e))
			return level == t->xlat.levels ? VTD_SFS_4 : VTD_SFS_1;
		w->n++;
		vtd_decode_fs(&t->model->caps, *e, level, &pte);
		if (pte.kind == VTD_PTE_NONE)
			return VTD_SFS_2;
		if (pte.kind == VTD_PTE_RESERVED)
			return VTD_SFS_3;
		line->w &= pte.w;
		user &= pte.user;
		if (pte.kind == VTD_PTE_LEAF) {
			line->size = (uint8_t)(level - 1);
			line->pa = pte.addr;
			line->dirty = pte.d || is_write(t);
			break;
		}
		table = pte.addr;
		if (user)
			step_down(&w->way, line, IOTLB_FIRST_TABLE, level - 1, table);
	}
	if (!user)
		return VTD_SGN_2;
	return is_write(t) && !line->w ? VTD_SGN_6 : VTD_OK;
}

/* Sets A at every level and D at the leaf. -EAGAIN: an entry changed, walk again. */
static int update_first(struct vtd_txn *t, const struct first_walk *w, enum vtd_reason *reason)
{
	for (unsigned int i = 0; i < w->n; i++) {
		uint64_t need = VTD_FS_A | (i == w->n - 1 && is_write(t) ? VTD_FS_D : 0);
		uint64_t e = w->e[i];
		int err;

		if ((e & need) == need)
			continue;
		if (!t->xlat.pwsnp) {
			*reason = VTD_SFS_9;
			return -EFAULT;
		}
		choice_interleave(CHOICE_WALK);
		err = mem_cas64(t->model->hw.ctx->mem, w->pa[i], &e, e | need);
		if (err == -EAGAIN)
			return err;
		if (err) {
			*reason = VTD_SFS_10;
			return -EFAULT;
		}
	}
	return 0;
}

static enum vtd_reason walk_first(struct vtd_txn *t, struct iotlb_line *line)
{
	struct first_walk w;
	enum vtd_reason reason;
	int err;

	for (unsigned int i = 0; i < MAX_RESTARTS; i++) {
		reason = walk_first_once(t, line, &w);
		if (reason)
			return reason;
		err = update_first(t, &w, &reason);
		if (err == -EAGAIN)
			continue;
		if (!err)
			keep_way(t, &w.way);
		return reason;
	}
	return VTD_SFS_10;
}

/* ---- any type ---- */

/* Input address against the translation type's width. */
static enum vtd_reason check_input(const struct vtd_txn *t)
{
	uint64_t iova = t->req->iova;
	unsigned int width = t->xlat.width;
	int64_t upper;

	switch (t->xlat.pgtt) {
	case VTD_PGTT_PASS:
		if (!(iova & vtd_beyond_haw(&t->model->caps)))
			return VTD_OK;
		return t->legacy ? VTD_LGN_1 : VTD_SGN_4;
	case VTD_PGTT_FIRST:
		upper = (int64_t)iova >> (width - 1);
		return upper == 0 || upper == -1 ? VTD_OK : VTD_SGN_1;
	default:
		if (!(iova >> width))
			return VTD_OK;
		return t->legacy ? VTD_LGN_1 : VTD_SGN_5;
	}
}

static enum vtd_reason walk(struct vtd_txn *t, struct iotlb_line *line)
{
	switch (t->xlat.pgtt) {
	case VTD_PGTT_FIRST:
		return walk_first(t, line);
	case VTD_PGTT_SECOND:
		return walk_second(t, line);
	default:
		line->pa = t->req->iova & ~(uint64_t)(UIOMMU_PAGE_SIZE - 1);
		line->size = 0;
		line->r = line->w = line->dirty = true;
		return VTD_OK;
	}
}

static uint8_t iotlb_type(const struct vtd_txn *t)
{
	switch (t->xlat.pgtt) {
	case VTD_PGTT_FIRST:
		return IOTLB_FIRST;
	case VTD_PGTT_SECOND:
		return IOTLB_SECOND;
	default:
		return IOTLB_PASS;
	}
}

/* True: the line answers the request, *reason says how. */
static bool hit(struct vtd_txn *t, struct iotlb_line *line, enum vtd_reason *reason)
{
	struct cache *c = &t->model->cache;

	if (choose(CHOICE_EVICT, 2))
		iotlb_evict(c, line);
	if (!iotlb_lookup(c, line) || choose(CHOICE_HIT, 2))
		return false;
	/* D is set in memory before a write: the cached copy does not know, memory does. */
	if (is_write(t) && line->w && !line->dirty)
		return false;
	/* More permission than the line has needs an invalidation (6.1): fault from the cache. */
	*reason = (is_write(t) ? line->w : line->r) ? VTD_OK : no_permission(t);
	return true;
}

static enum vtd_reason translate(struct vtd_txn *t, uint64_t *pa)
{
	struct iotlb_line line = { .iova = t->req->iova };
	bool use_cache = t->model->caching;
	enum vtd_reason reason = check_input(t);
	bool fill = false;

	if (reason)
		return reason;
	line.did = t->xlat.did;
	line.pasid = t->pasid;
	if (!use_cache || !hit(t, &line, &reason)) {
		line.type = iotlb_type(t);
		reason = walk(t, &line);
		fill = use_cache && (line.type != IOTLB_PASS || t->model->cache_pass);
	}
	if (reason)
		return reason;
	*pa = line.pa | (t->req->iova & ((UINT64_C(4096) << (9 * line.size)) - 1));
	if (in_interrupt_range(*pa))
		return t->legacy ? VTD_LGN_4 : VTD_SGN_8;
	if (fill)
		choice_interleave(CHOICE_FILL);
	if (fill && !choose(CHOICE_FILL, 2))
		iotlb_fill(&t->model->cache, t->stamp, &line);
	return VTD_OK;
}

int vtd_translate(struct uiommu_port *port, const struct dma_req *req, struct dma_res *res)
{
	struct vtd_model *m = vtd_model(port->hw);
	struct vtd_txn t = { .model = m, .port = (struct vtd_port *)(void *)port, .req = req };
	enum vtd_reason reason = VTD_OK;

	t.stamp = cache_begin(&m->cache);
	t.live = atomic_load_explicit(&m->live, memory_order_acquire);
	*res = (struct dma_res) { .pa = req->iova };
	if (req->pasid == UIOMMU_NO_PASID && in_interrupt_range(req->iova)) {
		/* 3.14: an aligned dword write is an interrupt message and is not translated. */
		res->interrupt = req->access == UIOMMU_WRITE && req->len == 4 && req->iova % 4 == 0;
		if (res->interrupt || !(t.live & VTD_LIVE_TES))
			return 0;
		reason = VTD_INT_RANGE;
	}
	if (!(t.live & VTD_LIVE_TES))
		return 0;
	if (!reason)
		reason = vtd_config_lookup(&t);
	if (!reason)
		reason = translate(&t, &res->pa);
	if (!reason)
		return 0;
	res->reason = reason;
	vtd_record_fault(m, &t, reason);
	return -EFAULT;
}
