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
#include "hw/vtd/front.h"
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

static void front_way_fill(const struct vtd_txn *t, const struct iotlb_line *l)
{
	struct front_line *front;

	if (!t->tag || choose(CHOICE_FILL, 2))
		return;
	front = front_way(t->req->agent, l->iova, t->tag);
	front->page = l->iova & FRONT_WAY_ADDR;
	front->tag = t->tag;
	front->stamp = t->stamp;
	front->pa = l->pa | (l->r ? FRONT_R : 0) | (l->w ? FRONT_W : 0);
}

/*
 * Looks for the lowest table in the agent's lines, before the IOTLB is asked: the entry that
 * is read if the IOTLB has nothing is on its way meanwhile.
 */
static void front_way_look(struct vtd_txn *t)
{
	struct front_line *front;
	const vtd_word *word;

	if (!t->tag || !t->model->cache.tables)
		return;
	front = front_way(t->req->agent, t->req->iova, t->tag);
	if ((front->page ^ t->req->iova) & FRONT_WAY_ADDR ||
	    !front_current(&t->model->cache, front, t->tag, front_gen(&t->model->cache, t->xlat.did)) ||
	    choose(CHOICE_HIT, 2))
		return;
	t->way = front;
	word = vtd_pool_word(t->model->hw.ctx,
			     (front->pa & FRONT_ADDR) + 8 * (t->req->iova >> VTD_PAGE_SHIFT & 511));
	if (word)
		__builtin_prefetch(word);
}

/* Where to begin: the lowest table that is cached, or the top one. */
static uint64_t find_way(struct vtd_txn *t, struct iotlb_line *line, enum iotlb_type type, struct way *way)
{
	struct iotlb_line l = { .iova = line->iova, .pasid = line->pasid, .did = line->did, .type = type };

	way->n = 0;
	way->start = t->xlat.levels;
	line->r = line->w = true;
	if (!t->model->cache.tables)
		return t->xlat.ptr;
	if (t->way) {
		way->start = 1;
		line->r = t->way->pa & FRONT_R;
		line->w = t->way->pa & FRONT_W;
		return t->way->pa & FRONT_ADDR;
	}
	for (unsigned int level = 1; level < t->xlat.levels; level++) {
		l.size = (uint8_t)level;
		if (!iotlb_lookup_table(&t->model->cache, &l) || choose(CHOICE_HIT, 2))
			continue;
		way->start = level;
		line->r = l.r;
		line->w = l.w;
		if (level == 1)
			front_way_fill(t, &l);
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
	bool r = line->r, w = line->w;
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
		r = r && pte.r;
		w = w && pte.w;
		line->r = r;
		line->w = w;
		if (pte.kind == VTD_PTE_LEAF) {
			line->size = (uint8_t)(level - 1);
			line->pa = pte.addr;
			break;
		}
		table = pte.addr;
		step_down(way, line, IOTLB_SECOND_TABLE, level - 1, table);
	}
	if (!r && !w)
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

/* ---- short cuts (front.h) ---- */

static void quick_fill(struct vtd_txn *t)
{
	struct quick_line *line = &t->port->quick;
	uint32_t seq = atomic_load_explicit(&line->seq, memory_order_relaxed);
	uint64_t w0, w1, since = atomic_load_explicit(&line->stamp, memory_order_relaxed);
	uint64_t request = quick_request(t->req->pasid);

	/*
	 * The line of another PASID stays while it is good: two that take turns would only
	 * disturb. One that was never filled has no live root.
	 */
	if ((seq & 1) || !t->model->caching || choose(CHOICE_FILL, 2) ||
	    (since == t->stamp && atomic_load_explicit(&line->live, memory_order_relaxed) == t->live &&
	     (atomic_load_explicit(&line->w[1], memory_order_relaxed) ^ request) & QUICK1_REQ))
		return;
	w0 = (t->xlat.ptr & QUICK0_PTR) | field_put(QUICK0_LEVELS, t->xlat.levels) |
	     field_put(QUICK0_PGTT, t->xlat.pgtt) | (t->xlat.pwsnp ? QUICK0_PWSNP : 0) |
	     (t->fpd ? QUICK0_FPD : 0);
	w1 = field_put(QUICK1_DID, t->xlat.did) | field_put(QUICK1_PASID, t->pasid) |
	     field_put(QUICK1_WIDTH, t->xlat.width) | request;
	if (!atomic_compare_exchange_strong_explicit(&line->seq, &seq, seq + 1, memory_order_acquire,
						     memory_order_relaxed))
		return;
	atomic_store_explicit(&line->stamp, t->stamp, memory_order_release);
	atomic_store_explicit(&line->live, t->live, memory_order_release);
	atomic_store_explicit(&line->w[0], w0, memory_order_release);
	atomic_store_explicit(&line->w[1], w1, memory_order_release);
	atomic_store_explicit(&line->seq, seq + 2, memory_order_release);
}

static void quick_use(struct vtd_txn *t, const struct quick *q)
{
	t->legacy = field_get(VTD_RTADDR_TTM, t->live) == VTD_TTM_LEGACY;
	t->fpd = q->w0 & QUICK0_FPD;
	t->pasid = (uint32_t)field_get(QUICK1_PASID, q->w1);
	t->xlat.ptr = q->w0 & QUICK0_PTR;
	t->xlat.did = (uint16_t)field_get(QUICK1_DID, q->w1);
	t->xlat.pgtt = (uint8_t)field_get(QUICK0_PGTT, q->w0);
	t->xlat.levels = (uint8_t)field_get(QUICK0_LEVELS, q->w0);
	t->xlat.width = (uint8_t)field_get(QUICK1_WIDTH, q->w1);
	t->xlat.pwsnp = q->w0 & QUICK0_PWSNP;
}

/* What @line says of the page of the request; neither page is of the interrupt range. */
static void front_fill(struct vtd_txn *t, const struct iotlb_line *line, uint64_t pa)
{
	uint64_t page = t->req->iova & FRONT_ADDR;
	struct front_line *front;

	if (!t->tag || in_interrupt_range(page) || choose(CHOICE_FILL, 2))
		return;
	front = front_line(t->req->agent, page, t->tag);
	front->page = page;
	front->tag = t->tag;
	front->stamp = t->stamp;
	/* D is set before the first write: it goes the long way. */
	front->pa = (pa & FRONT_ADDR) | (line->r ? FRONT_R : 0) | (line->w && line->dirty ? FRONT_W : 0);
}

/* The tag of front lines for this transaction; 0: it has none. */
static uint64_t txn_tag(const struct vtd_txn *t)
{
	struct quick q;

	if (!t->req->agent || !t->req->agent->own || !t->model->unit || !t->model->caching)
		return 0;
	q.w0 = field_put(QUICK0_PGTT, t->xlat.pgtt);
	q.w1 = field_put(QUICK1_DID, t->xlat.did) | field_put(QUICK1_PASID, t->pasid) |
	       field_put(QUICK1_WIDTH, t->xlat.width);
	return front_tag(t->model, &q);
}

static enum vtd_reason translate(struct vtd_txn *t, uint64_t *pa)
{
	struct iotlb_line line = { .iova = t->req->iova };
	bool use_cache = t->model->caching;
	enum vtd_reason reason = check_input(t);
	bool fill = false, keep = use_cache;

	if (reason)
		return reason;
	line.did = t->xlat.did;
	line.pasid = t->pasid;
	front_way_look(t);
	if (!use_cache || !hit(t, &line, &reason)) {
		line.type = iotlb_type(t);
		reason = walk(t, &line);
		fill = keep = use_cache && (line.type != IOTLB_PASS || t->model->cache_pass);
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
	if (keep)
		front_fill(t, &line, *pa);
	return VTD_OK;
}

/* A request that the short cuts do not answer. @q: NULL, or what the quick line says. */
static __attribute__((noinline)) int translate_slowly(struct vtd_port *port, const struct dma_req *req,
						      uint64_t stamp, uint64_t live, const struct quick *q,
						      struct dma_res *res)
{
	struct vtd_model *m = vtd_model(port->port.hw);
	struct vtd_txn t = { .model = m, .port = port, .req = req, .stamp = stamp, .live = live };
	enum vtd_reason reason = VTD_OK;

	*res = (struct dma_res){ .pa = req->iova };
	if (req->pasid == UIOMMU_NO_PASID && in_interrupt_range(req->iova)) {
		/* 3.14: an aligned dword write is an interrupt message and is not translated. */
		res->interrupt = req->access == UIOMMU_WRITE && req->len == 4 && req->iova % 4 == 0;
		if (res->interrupt || !(live & VTD_LIVE_TES))
			return 0;
		reason = VTD_INT_RANGE;
	}
	if (!(live & VTD_LIVE_TES))
		return 0;
	if (!reason && q) {
		quick_use(&t, q);
	} else if (!reason) {
		reason = vtd_config_lookup(&t);
		if (!reason)
			quick_fill(&t);
	}
	if (!reason) {
		t.tag = txn_tag(&t);
		reason = translate(&t, &res->pa);
	}
	if (!reason)
		return 0;
	res->reason = reason;
	vtd_record_fault(m, &t, reason);
	return -EFAULT;
}

int vtd_translate(struct uiommu_port *port, const struct dma_req *req, struct dma_res *res)
{
	struct vtd_model *m = vtd_model(port->hw);
	struct vtd_port *p = (struct vtd_port *)(void *)port;
	uint64_t stamp = cache_begin(&m->cache);
	uint64_t live = atomic_load_explicit(&m->live, memory_order_acquire);
	struct front_line *front;
	struct quick q;
	uint64_t tag;

	if (!quick_read(p, req->pasid, stamp, live, &q))
		return translate_slowly(p, req, stamp, live, NULL, res);
	if (req->agent && req->agent->own) {
		tag = front_tag(m, &q);
		front = front_line(req->agent, req->iova, tag);
		if (front_hit(&m->cache, front, req->iova, tag, front_right(req->access), quick_gen(m, &q)) &&
		    !choose(CHOICE_HIT, 2)) {
			res->pa = front_pa(front, req->iova);
			res->interrupt = false;
			return 0;
		}
	}
	return translate_slowly(p, req, stamp, live, &q, res);
}

/* What all requests of a list have in common, as of stamp and live. */
struct list_state {
	uint64_t stamp, live, tag;
	uint64_t floor;			/* lines below it were covered by something up to stamp */
	bool quick;
	struct quick q;
};

static void list_look(struct vtd_port *port, const struct dma_req *req, struct list_state *s)
{
	struct vtd_model *m = vtd_model(port->port.hw);

	s->stamp = cache_begin(&m->cache);
	s->live = atomic_load_explicit(&m->live, memory_order_acquire);
	s->quick = req->agent && req->agent->own &&
		   quick_read(port, req->pasid, s->stamp, s->live, &s->q);
	s->tag = s->quick ? front_tag(m, &s->q) : 0;
	s->floor = s->quick ? front_floor(&m->cache, quick_gen(m, &s->q)) : 0;
}

static inline bool list_current(struct vtd_model *m, const struct list_state *s)
{
	return cache_begin(&m->cache) == s->stamp &&
	       atomic_load_explicit(&m->live, memory_order_acquire) == s->live;
}

/*
 * Those from the i-th on that the short cuts answer; the number of the first that they do
 * not. Each is a transaction that begins now: what they share counts as long as the stamp
 * is its.
 */
static inline size_t list_run(struct vtd_model *m, const struct dma_req *req, const struct list_state *s,
			      const uiommu_iova_t *iova, uiommu_pa_t *pa, size_t i, size_t n)
{
	uint64_t right = front_right(req->access), tag = s->tag, stamp = s->stamp, live = s->live;
	struct uiommu_agent *agent = req->agent;
	uint64_t floor = s->floor;

	for (; i < n; i++) {
		const struct front_line *front = front_line(agent, iova[i], tag);

		if (!front_matches(front, iova[i], tag, right) || front->stamp < floor ||
		    cache_begin(&m->cache) != stamp ||
		    atomic_load_explicit(&m->live, memory_order_acquire) != live || choose(CHOICE_HIT, 2))
			break;
		pa[i] = front_pa(front, iova[i]);
		choice_interleave(CHOICE_WALK);
	}
	return i;
}

/* Who misses once misses again: what the next but one will look at. */
#define LIST_AHEAD 2

static void list_prefetch(struct vtd_model *m, const struct dma_req *req, const struct list_state *s,
			  uiommu_iova_t iova)
{
	__builtin_prefetch(front_line(req->agent, iova, s->tag), 1);
	iotlb_prefetch(&m->cache, iova, (uint16_t)field_get(QUICK1_DID, s->q.w1));
}

size_t vtd_translate_list(struct uiommu_port *port, const struct dma_req *like, const uiommu_iova_t *iova,
			  uiommu_pa_t *pa, size_t n, uint32_t *reason)
{
	struct vtd_model *m = vtd_model(port->hw);
	struct vtd_port *p = (struct vtd_port *)(void *)port;
	struct dma_req req = *like;
	struct list_state s;
	struct dma_res res;
	size_t i = 0;

	list_look(p, &req, &s);
	while (i < n) {
		if (s.quick)
			i = list_run(m, &req, &s, iova, pa, i, n);
		if (i == n)
			break;
		if (!list_current(m, &s)) {
			list_look(p, &req, &s);
			continue;
		}
		if (s.quick && n - i > LIST_AHEAD)
			list_prefetch(m, &req, &s, iova[i + LIST_AHEAD]);
		req.iova = iova[i];
		if (translate_slowly(p, &req, s.stamp, s.live, s.quick ? &s.q : NULL, &res)) {
			*reason = res.reason;
			break;
		}
		pa[i++] = res.pa;
		choice_interleave(CHOICE_WALK);
		if (!s.quick)
			list_look(p, &req, &s);
	}
	return i;
}
