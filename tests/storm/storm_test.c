/* SPDX-License-Identifier: MIT */
/*
 * Everything at once, in threads, over the driver and the model of VT-d: DMA, map, unmap,
 * replacements, PASIDs, resets, ownership, transactions, domains that come and go. For
 * UIOMMU_TEST_SECONDS, and until each kind of call was made often enough.
 *
 * Groups are of three kinds. One of a keeper is changed by one thread, which says what its
 * accesses may see, so each of them is judged: right, stale (another domain's, or blocked,
 * out of time) or wrong. Wild groups are changed by two threads that know nothing of each
 * other: their accesses may see any domain that is in use, or be blocked, but nothing that
 * was given up. Bystanders are never changed and see only their own.
 *
 * A page that was given up is overwritten as soon as the call returned; a page table that
 * was freed is filled with entries that lead to a trap.
 */
#include "driver/rig.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/rcu.h"
#include "base/task.h"

enum { KEPT = 3, WILD = 2, BESIDE = 2, DEVICES = 10, SHARED = 5, PASIDS = 2, RING = 64, THREADS = 9 };

#define POISON UINT64_C(0xDEADDEADDEADDEAD)
#define TRAP_PAGE (RAM_BASE + 0xF0000)
#define TRAP (TRAP_PAGE | 0x67) /* a table of these leads to itself, in either format */
#define MAP_IOVA UINT64_C(0x40000000)
#define MARK(kind, n) ((uint64_t)(kind) << 32 | (n))
#define OWN_MARK 8u /* of domains that wild threads make */

static const uint32_t pasid_of[PASIDS] = { 5, 77 };

enum kind {
	DMA_RIGHT,
	DMA_BLOCKED_RIGHTLY,
	DMA_OF_PASID,
	DMA_WILD,
	DMA_BESIDE,
	REPLACE,
	REPLACE_WITHOUT_GAP,
	ATTACH,
	DETACH,
	BLOCK,
	OWN,
	RESET,
	RESET_NESTED,
	DETACH_IN_RESET,
	MAP,
	TXN,
	DOMAIN_FREED,
	WILD_RESET,
	WILD_OWN,
	PASID_KINDS,
	PASID_ATTACH = PASID_KINDS,
	PASID_REPLACE,
	PASID_DETACH,
	PASID_TXN,
	REPLACE_WITH_GAP,
	KINDS
};

static const char *const kind_name[KINDS] = {
	"dma right",
	"dma rightly blocked",
	"dma with PASID",
	"dma wild",
	"dma of bystanders",
	"replace",
	"replace without gap",
	"attach",
	"detach",
	"block",
	"own and release",
	"reset",
	"nested reset",
	"detach in reset",
	"map and unmap",
	"transaction",
	"own domain freed",
	"wild reset",
	"wild ownership",
	"PASID attach",
	"PASID replace",
	"PASID detach",
	"PASID in transaction",
	"replace with a gap",
};

/* What an attachment may see: one writer; odd while it changes. 0: blocked. */
struct history {
	_Atomic unsigned int seq;
	_Atomic uint64_t want[RING];
	_Atomic bool gap[RING];
};

struct keeper {
	struct storm *storm;
	struct uiommu_group *group;
	struct rig_dev *dev;
	struct history rid, pasid[PASIDS];
	_Atomic unsigned int resets; /* odd: dev is blocked for a reset */
	int on;			     /* number of the domain; -1: blocked */
	int pasid_on[PASIDS];	     /* -1: not attached */
	struct uiommu_attach_handle handle[PASIDS][2];
	unsigned int flip[PASIDS];
	uint64_t r;
};

struct storm {
	struct rig rig;
	bool pasids;
	struct rig_dev dev[DEVICES];
	struct uiommu_domain *shared[SHARED]; /* second, second, identity, first, first (NULL: none) */
	uint64_t mark[SHARED];
	struct keeper keeper[KEPT];
	uint64_t seed;
	_Atomic unsigned int number, wild_number;
	_Atomic bool stop;
	_Atomic uint64_t count[KINDS];
	_Atomic unsigned int stale, wrong, failed;
};

/* Devices: groups of 2, 1 and 3 of the keepers, two wild groups of 1, bystanders on domains 0 and 1. */
static const struct {
	uint16_t rid;
	int group;
} device[DEVICES] = {
	{ 0x10, 0 }, { 0x11, 0 }, { 0x18, 1 }, { 0x20, 2 }, { 0x21, 2 },
	{ 0x22, 2 }, { 0x28, 3 }, { 0x30, 4 }, { 0x38, 5 }, { 0x40, 6 },
};

static uint32_t rnd(uint64_t *r, uint32_t n)
{
	*r ^= *r >> 12;
	*r ^= *r << 25;
	*r ^= *r >> 27;
	return (uint32_t)((*r * UINT64_C(2685821657736338717)) >> 32) % n;
}

static void did(struct storm *s, enum kind kind)
{
	atomic_fetch_add_explicit(&s->count[kind], 1, memory_order_relaxed);
}

static void complain(struct storm *s, _Atomic unsigned int *what, const char *text, uint64_t a, uint64_t b)
{
	if (atomic_fetch_add(what, 1) < 3)
		print_error("seed %llu: %s (0x%llx, 0x%llx)\n", (unsigned long long)s->seed, text,
			    (unsigned long long)a, (unsigned long long)b);
}

/* A call must not fail, or with one of these only. */
static bool must(struct storm *s, int err, int allowed, const char *what)
{
	if (err && err != allowed)
		complain(s, &s->failed, what, (uint64_t)-err, 0);
	return !err;
}

/* Pages of RAM: the shared domains', the trap, from 0x40 the mapper's, from 0x80 wild threads'. */
static uint64_t page_of(unsigned int i)
{
	return i == 2 ? RIG_IOVA : RAM_BASE + 0x20000 + 0x1000 * i;
}

static void write_page(struct storm *s, uint64_t pa, uint64_t mark)
{
	rcu_section_begin();
	mem_store64(s->rig.ctx->mem, pa, mark);
	rcu_section_end();
}

static void set_trap(struct rig *rig, enum hw_note note, uint64_t pa)
{
	_Atomic uint64_t *table = note == HW_NOTE_TABLE_FREE ? pool_va(rig->ctx->pool, pa) : NULL;

	for (unsigned int i = 0; table && i < 512; i++)
		atomic_store_explicit(&table[i], TRAP, memory_order_relaxed);
}

/* ---- judging ---- */

static void change(struct history *h, uint64_t want, bool gap)
{
	unsigned int n = atomic_load(&h->seq) / 2 + 1;

	atomic_store(&h->want[n % RING], want);
	atomic_store(&h->gap[n % RING], gap);
	atomic_fetch_add(&h->seq, 1);
}

/* It has a gap after all; nothing has changed yet. */
static void change_has_gap(struct history *h)
{
	atomic_store(&h->gap[(atomic_load(&h->seq) / 2 + 1) % RING], true);
}

static void changed(struct history *h)
{
	atomic_fetch_add(&h->seq, 1);
}

static bool shared_mark(const struct storm *s, uint64_t val)
{
	for (unsigned int i = 0; i < SHARED; i++)
		if (s->shared[i] && val == s->mark[i])
			return true;
	return false;
}

/* An access that began at @from. */
static void judge(struct storm *s, struct history *h, unsigned int from, int err, uint64_t val)
{
	unsigned int to = atomic_load(&h->seq);
	bool ok = false, gap = false;

	for (unsigned int n = from / 2; n <= (to + 1) / 2 && n - from / 2 < RING; n++) {
		uint64_t want = atomic_load(&h->want[n % RING]);

		gap |= n > from / 2 && atomic_load(&h->gap[n % RING]);
		ok |= err ? !want : want == val;
	}
	/* Too long ago: what was allowed then is not known any more. */
	if (atomic_load(&h->seq) - from > 2 * (RING - 3))
		return;
	if (ok || (err && gap))
		did(s, err ? DMA_BLOCKED_RIGHTLY : DMA_RIGHT);
	else if (err || shared_mark(s, val))
		complain(s, &s->stale, err ? "blocked" : "stale", val, from);
	else
		complain(s, &s->wrong, "wrong", val, from);
}

static int dma(struct uiommu_port *port, struct uiommu_agent *agent, uint32_t pasid, uint64_t iova,
	       uint64_t *val)
{
	int err;

	*val = 0;
	uiommu_agent_begin(agent);
	err = uiommu_dma_read(port, agent, pasid, iova, val, 8, NULL);
	uiommu_agent_end(agent);
	return err;
}

static void access_kept(struct storm *s, struct uiommu_agent *agent, unsigned int d, uint64_t *r)
{
	struct keeper *k = &s->keeper[device[d].group];
	unsigned int p = s->pasids ? rnd(r, PASIDS + 1) : PASIDS;
	struct history *h = p < PASIDS ? &k->pasid[p] : &k->rid;
	unsigned int resets = atomic_load(&k->resets), from = atomic_load(&h->seq);
	uint64_t val;
	int err = dma(s->dev[d].port, agent, p < PASIDS ? pasid_of[p] : UIOMMU_NO_PASID, RIG_IOVA, &val);

	if (&s->dev[d] == k->dev && resets % 2 && resets == atomic_load(&k->resets) && !err)
		complain(s, &s->wrong, "access during a reset", val, d);
	judge(s, h, from, err, val);
	if (p < PASIDS && !err)
		did(s, DMA_OF_PASID);
}

static void access_wild(struct storm *s, struct uiommu_agent *agent, unsigned int d, uint64_t *r)
{
	uint32_t pasid = s->pasids && rnd(r, 2) ? pasid_of[rnd(r, PASIDS)] : UIOMMU_NO_PASID;
	uint64_t val;

	if (dma(s->dev[d].port, agent, pasid, RIG_IOVA, &val))
		return;
	did(s, DMA_WILD);
	if (!shared_mark(s, val) && val >> 32 != OWN_MARK)
		complain(s, &s->wrong, "wild", val, d);
}

static void access_beside(struct storm *s, struct uiommu_agent *agent, unsigned int d)
{
	uint64_t val, want = s->mark[device[d].group - KEPT - WILD];
	int err = dma(s->dev[d].port, agent, UIOMMU_NO_PASID, RIG_IOVA, &val);

	did(s, DMA_BESIDE);
	if (err || val != want)
		complain(s, &s->wrong, err ? "a bystander is blocked" : "a bystander", val, want);
}

static void device_task(void *arg)
{
	struct storm *s = arg;
	uint64_t r = s->seed * 31 + atomic_fetch_add(&s->number, 1) * 977 + 1, val;
	struct uiommu_agent *agent;

	if (uiommu_agent_create(s->rig.ctx, &agent))
		abort();
	for (unsigned int i = 0; !atomic_load(&s->stop); i++) {
		unsigned int d = rnd(&r, DEVICES);

		if (device[d].group < KEPT)
			access_kept(s, agent, d, &r);
		else if (device[d].group < KEPT + WILD)
			access_wild(s, agent, d, &r);
		else
			access_beside(s, agent, d);
		/* What the mapper gave up is never seen. */
		if (!(i % 8) && !dma(s->dev[d].port, agent, UIOMMU_NO_PASID, MAP_IOVA, &val) &&
		    val >> 32 != 9)
			complain(s, &s->wrong, "unmapped", val, d);
		if (!(i % 16))
			sched_yield();
	}
	uiommu_agent_destroy(agent);
}

/* ---- one thread per kept group ---- */

static uint64_t mark_of(const struct storm *s, int domain)
{
	return domain < 0 ? 0 : s->mark[domain];
}

static int some_domain(struct storm *s, uint64_t *r)
{
	int d;

	do
		d = (int)rnd(r, SHARED);
	while (!s->shared[d]);
	return d;
}

static const struct uiommu_replace_opts gapless = { .size = sizeof(gapless), .worst_gap = UIOMMU_GAP_NONE };

static void keep_replace(struct keeper *k)
{
	struct storm *s = k->storm;
	int to = some_domain(s, &k->r), err;

	change(&k->rid, s->mark[to], false);
	err = uiommu_group_replace_domain(k->group, s->shared[to], &gapless, NULL);
	did(s, REPLACE);
	did(s, err ? REPLACE_WITH_GAP : REPLACE_WITHOUT_GAP);
	if (err == -EOPNOTSUPP) {
		change_has_gap(&k->rid);
		err = uiommu_group_replace_domain(k->group, s->shared[to], NULL, NULL);
	}
	changed(&k->rid);
	must(s, err, 0, "replace");
	k->on = to;
}

/* Default domain: 1. */
static void keep_detach(struct keeper *k)
{
	bool block = rnd(&k->r, 2);

	change(&k->rid, mark_of(k->storm, block ? -1 : 1), true);
	if (block)
		uiommu_block_group(k->group);
	else
		uiommu_detach_group(k->group);
	changed(&k->rid);
	did(k->storm, block ? BLOCK : DETACH);
	k->on = block ? -1 : 1;
}

static void keep_attach(struct keeper *k)
{
	int to = some_domain(k->storm, &k->r);

	if (k->on >= 0 && k->on != 1)
		keep_detach(k);
	change(&k->rid, k->storm->mark[to], true);
	must(k->storm, uiommu_attach_group(k->group, k->storm->shared[to], NULL), 0, "attach");
	changed(&k->rid);
	did(k->storm, ATTACH);
	k->on = to;
}

static void keep_detach_pasid(struct keeper *k, unsigned int p)
{
	change(&k->pasid[p], 0, true);
	uiommu_detach_pasid(k->group, pasid_of[p]);
	changed(&k->pasid[p]);
	if (k->pasid_on[p] >= 0)
		did(k->storm, PASID_DETACH);
	k->pasid_on[p] = -1;
}

static struct uiommu_attach_handle *new_handle(struct keeper *k, unsigned int p)
{
	struct uiommu_attach_handle *h = &k->handle[p][++k->flip[p] % 2];

	memset(h, 0, sizeof(*h));
	return h;
}

static void keep_pasid(struct keeper *k)
{
	struct storm *s = k->storm;
	unsigned int p = rnd(&k->r, PASIDS);
	int to = some_domain(s, &k->r), err;

	if (!s->pasids)
		return;
	if (k->pasid_on[p] >= 0 && !rnd(&k->r, 4)) {
		keep_detach_pasid(k, p);
		return;
	}
	change(&k->pasid[p], s->mark[to], k->pasid_on[p] < 0);
	if (k->pasid_on[p] < 0) {
		err = uiommu_attach_pasid(k->group, pasid_of[p], s->shared[to], new_handle(k, p), NULL);
		did(s, PASID_ATTACH);
	} else {
		struct uiommu_attach_handle *h = new_handle(k, p);

		err = uiommu_replace_pasid(k->group, pasid_of[p], s->shared[to], h, &gapless, NULL);
		if (err == -EOPNOTSUPP) {
			change_has_gap(&k->pasid[p]);
			err = uiommu_replace_pasid(k->group, pasid_of[p], s->shared[to], h, NULL, NULL);
		}
		did(s, PASID_REPLACE);
	}
	changed(&k->pasid[p]);
	must(s, err, 0, "PASID");
	k->pasid_on[p] = to;
}

/* Of all devices of the group, though one is blocked and the others go on. */
static void reset_window(struct keeper *k)
{
	change(&k->rid, mark_of(k->storm, k->on), true);
	for (unsigned int p = 0; p < PASIDS; p++)
		change(&k->pasid[p], mark_of(k->storm, k->pasid_on[p]), true);
}

static void keep_reset(struct keeper *k)
{
	struct storm *s = k->storm;
	bool nested = !rnd(&k->r, 3);

	reset_window(k);
	if (must(s, uiommu_reset_prepare(k->dev->dev), 0, "reset")) {
		did(s, RESET);
		atomic_fetch_add(&k->resets, 1);
		if (nested)
			must(s, uiommu_reset_prepare(k->dev->dev), 0, "nested reset");
		must(s, uiommu_attach_group(k->group, s->shared[0], NULL) == -EBUSY ? 0 : -EINVAL, 0,
		     "not busy");
		if (nested) {
			uiommu_reset_done(k->dev->dev);
			did(s, RESET_NESTED);
		}
		if (!rnd(&k->r, 3)) {
			/* The window goes on: what the others see now is of either. */
			changed(&k->rid);
			change(&k->rid, s->mark[1], true);
			uiommu_detach_group(k->group);
			k->on = 1;
			did(s, DETACH_IN_RESET);
		}
		/* Accesses meet it. */
		sched_yield();
		atomic_fetch_add(&k->resets, 1);
		uiommu_reset_done(k->dev->dev);
	}
	changed(&k->rid);
	for (unsigned int p = 0; p < PASIDS; p++)
		changed(&k->pasid[p]);
}

static void keep_own(struct keeper *k)
{
	struct storm *s = k->storm;
	int to = some_domain(s, &k->r);

	for (unsigned int p = 0; p < PASIDS; p++)
		keep_detach_pasid(k, p);
	if (k->on != 1) {
		change(&k->rid, s->mark[1], true);
		uiommu_detach_group(k->group);
		changed(&k->rid);
	}
	change(&k->rid, 0, true);
	must(s, uiommu_device_claim_dma_owner(k->dev->dev, k), 0, "claim");
	changed(&k->rid);
	change(&k->rid, s->mark[to], true);
	must(s, uiommu_attach_group(k->group, s->shared[to], NULL), 0, "attach by the owner");
	changed(&k->rid);
	must(s, uiommu_group_claim_dma_owner(k->group, s) == -EPERM ? 0 : -EINVAL, 0, "owned by another");
	change(&k->rid, s->mark[1], true);
	must(s, uiommu_device_release_dma_owner(k->dev->dev), 0, "release");
	changed(&k->rid);
	did(s, OWN);
	k->on = 1;
}

/* RID and PASIDs by one transaction. */
static void keep_txn(struct keeper *k)
{
	struct storm *s = k->storm;
	struct uiommu_replace_target t[PASIDS + 1];
	int to[PASIDS + 1];
	struct uiommu_txn *txn;
	unsigned int n = 0;

	to[0] = some_domain(s, &k->r);
	t[n++] = (struct uiommu_replace_target){ k->group, UIOMMU_NO_PASID, s->shared[to[0]], NULL };
	for (unsigned int p = 0; p < PASIDS; p++) {
		to[p + 1] = some_domain(s, &k->r);
		if (k->pasid_on[p] >= 0)
			t[n++] = (struct uiommu_replace_target){ k->group, pasid_of[p], s->shared[to[p + 1]],
								 new_handle(k, p) };
	}
	if (!must(s, uiommu_replace_prepare(s->rig.ctx, t, n, NULL, &txn, NULL), 0, "prepare"))
		return;
	change(&k->rid, s->mark[to[0]], true);
	for (unsigned int p = 0; p < PASIDS; p++)
		change(&k->pasid[p], mark_of(s, k->pasid_on[p] < 0 ? -1 : to[p + 1]), true);
	must(s, uiommu_replace_commit(txn, NULL), 0, "commit");
	did(s, TXN);
	if (n > 1)
		did(s, PASID_TXN);
	changed(&k->rid);
	k->on = to[0];
	for (unsigned int p = 0; p < PASIDS; p++) {
		changed(&k->pasid[p]);
		k->pasid_on[p] = k->pasid_on[p] < 0 ? -1 : to[p + 1];
	}
}

static void keeper_task(void *arg)
{
	static void (*const turns[])(struct keeper * k) = {
		keep_replace, keep_replace, keep_replace, keep_pasid, keep_pasid, keep_pasid,
		keep_detach,  keep_attach,  keep_reset,	  keep_own,   keep_txn,
	};
	struct keeper *k = arg;

	while (!atomic_load(&k->storm->stop)) {
		turns[rnd(&k->r, sizeof(turns) / sizeof(turns[0]))](k);
		sched_yield();
	}
}

/* ---- two threads for the wild groups ---- */

static void wild_domain(struct storm *s, struct uiommu_group *group, unsigned int me, unsigned int n)
{
	struct uiommu_domain *d = rig_paging(&s->rig, UIOMMU_STAGE_SECOND);
	uint64_t pa = RAM_BASE + 0x80000 + 0x1000 * (me * 8 + n % 8);

	write_page(s, pa, MARK(OWN_MARK, n));
	must(s, d ? uiommu_map(d, RIG_IOVA, pa, 4096, UIOMMU_READ) : -ENOMEM, 0, "map of an own domain");
	must(s, uiommu_group_replace_domain(group, d, NULL, NULL), -EBUSY, "replace by an own domain");
	sched_yield();
	/* A reset, or whoever else moves the group, must not keep it. */
	uiommu_detach_group(group);
	write_page(s, pa, POISON);
	if (must(s, uiommu_domain_free(d), 0, "an own domain is in use"))
		did(s, DOMAIN_FREED);
}

static void wild_txn(struct storm *s, uint64_t *r)
{
	struct uiommu_replace_target t[WILD];
	struct uiommu_txn *txn;
	int err;

	for (unsigned int i = 0; i < WILD; i++)
		t[i] = (struct uiommu_replace_target){ s->dev[6 + i].group, UIOMMU_NO_PASID,
						       s->shared[some_domain(s, r)], NULL };
	if (uiommu_replace_prepare(s->rig.ctx, t, WILD, NULL, &txn, NULL))
		return;
	sched_yield();
	if (rnd(r, 4)) {
		err = uiommu_replace_commit(txn, NULL);
		must(s, err, -ECANCELED, "wild commit");
	} else {
		uiommu_replace_abort(txn);
	}
}

static void wild_reset(struct storm *s, struct rig_dev *d)
{
	if (!must(s, uiommu_reset_prepare(d->dev), 0, "wild reset"))
		return;
	sched_yield();
	uiommu_reset_done(d->dev);
	did(s, WILD_RESET);
}

static void wild_own(struct storm *s, struct rig_dev *d, const void *me)
{
	int err = uiommu_device_claim_dma_owner(d->dev, me);

	if (err && err != -EPERM && err != -EBUSY)
		must(s, err, 0, "wild claim");
	if (err)
		return;
	sched_yield();
	while ((err = uiommu_device_release_dma_owner(d->dev)) == -EBUSY)
		for (unsigned int p = 0; p < PASIDS; p++)
			uiommu_detach_pasid(d->group, pasid_of[p]);
	must(s, err, 0, "wild release");
	did(s, WILD_OWN);
}

static void wild_task(void *arg)
{
	struct storm *s = arg;
	unsigned int me = atomic_fetch_add(&s->wild_number, 1), n = 0;
	uint64_t r = s->seed * 131 + me * 7919 + 3;

	while (!atomic_load(&s->stop)) {
		struct rig_dev *d = &s->dev[6 + rnd(&r, WILD)];
		struct uiommu_domain *to = s->shared[some_domain(s, &r)];
		uint32_t pasid = pasid_of[rnd(&r, PASIDS)];

		switch (rnd(&r, 9)) {
		case 0:
			wild_domain(s, d->group, me, n++);
			break;
		case 1:
			wild_txn(s, &r);
			break;
		case 2:
			wild_reset(s, d);
			break;
		case 3:
			wild_own(s, d, &s->keeper[me]);
			break;
		case 4:
			uiommu_detach_group(d->group);
			break;
		case 5:
			must(s, uiommu_group_replace_domain(d->group, to, NULL, NULL), -EBUSY,
			     "wild replace");
			break;
		case 6:
			must(s, uiommu_attach_group(d->group, to, NULL), -EBUSY, "wild attach");
			break;
		case 7:
			if (s->pasids)
				must(s, uiommu_attach_pasid(d->group, pasid, to, NULL, NULL), -EBUSY,
				     "wild PASID");
			break;
		default:
			uiommu_detach_pasid(d->group, pasid);
		}
		sched_yield();
	}
}

/* ---- pages ---- */

static void mapper_task(void *arg)
{
	struct storm *s = arg;

	for (unsigned int i = 0; !atomic_load(&s->stop); i++) {
		uint64_t pa = RAM_BASE + 0x40000 + 0x1000 * (i % 16);
		struct uiommu_domain *d = s->shared[i % 3 == 2 && s->shared[3] ? 3 : i & 1];

		write_page(s, pa, MARK(9, i));
		must(s, uiommu_map(d, MAP_IOVA, pa, 4096, UIOMMU_READ), 0, "map");
		must(s, uiommu_unmap(d, MAP_IOVA, i & 1 ? 4096 : 0x40000000), 0, "unmap");
		write_page(s, pa, POISON);
		did(s, MAP);
		if (!(i % 4))
			sched_yield();
	}
}

/* ---- set up, take down ---- */

static void add_devices(struct storm *s)
{
	for (unsigned int d = 0; d < DEVICES; d++) {
		bool first = !d || device[d].group != device[d - 1].group;
		struct keeper *k = &s->keeper[device[d].group % KEPT];

		if (first)
			rig_dev_add(&s->rig, &s->dev[d], device[d].rid);
		else
			rig_dev_join(&s->rig, &s->dev[d], k->dev, device[d].rid);
		if (first && device[d].group < KEPT)
			*k = (struct keeper){ .storm = s,
					      .group = s->dev[d].group,
					      .dev = &s->dev[d],
					      .on = 1,
					      .pasid_on = { -1, -1 },
					      .r = s->seed * 7 + d * 101 + 5 };
		if (!first)
			continue;
		if (device[d].group < KEPT + WILD)
			assert_int_equal(uiommu_group_set_default_domain(s->dev[d].group, s->shared[1]), 0);
		else
			assert_int_equal(uiommu_attach_group(s->dev[d].group,
							     s->shared[device[d].group - KEPT - WILD], NULL),
					 0);
		if (device[d].group < KEPT)
			atomic_store(&k->rid.want[0], s->mark[1]);
	}
	s->pasids = uiommu_device_max_pasids(s->dev[0].dev) > pasid_of[PASIDS - 1];
}

static void storm_begin(struct storm *s, const struct rig_opts *o, uint64_t seed)
{
	struct uiommu_domain_opts id = { .size = sizeof(id), .type = UIOMMU_DOMAIN_IDENTITY };

	memset(s, 0, sizeof(*s));
	s->seed = seed;
	rig_begin(&s->rig, o);
	s->rig.on_note = set_trap;
	for (uint64_t at = 0; at < 4096; at += 8)
		write_page(s, TRAP_PAGE + at, TRAP);
	for (unsigned int i = 0; i < SHARED; i++) {
		s->mark[i] = MARK(i + 1, 0xFFFF);
		write_page(s, page_of(i), s->mark[i]);
		if (i == 2)
			assert_int_equal(uiommu_domain_alloc(s->rig.iommu, &id, &s->shared[i]), 0);
		else
			s->shared[i] = rig_paging(&s->rig, i > 2 ? UIOMMU_STAGE_FIRST : UIOMMU_STAGE_SECOND);
		if (s->shared[i] && i != 2)
			assert_int_equal(uiommu_map(s->shared[i], RIG_IOVA, page_of(i), 4096, UIOMMU_READ),
					 0);
	}
	add_devices(s);
}

static void storm_end(struct storm *s)
{
	for (unsigned int d = 0; d < DEVICES; d++) {
		if (!s->dev[d].group)
			continue;
		for (unsigned int p = 0; p < PASIDS; p++)
			uiommu_detach_pasid(s->dev[d].group, pasid_of[p]);
		uiommu_detach_group(s->dev[d].group);
		assert_false(uiommu_group_dma_owner_claimed(s->dev[d].group));
	}
	for (unsigned int d = DEVICES; d--;)
		rig_dev_remove(&s->dev[d]);
	for (unsigned int i = 0; i < SHARED; i++)
		if (s->shared[i])
			assert_int_equal(uiommu_domain_free(s->shared[i]), 0);
	rig_end(&s->rig);
	assert_int_equal(s->rig.events[UIOMMU_EVENT_PARKED], 0);
	assert_int_equal(s->rig.events[UIOMMU_EVENT_QUARANTINED], 0);
}

static bool enough(struct storm *s, double seconds, bool print)
{
	bool all = true;

	for (unsigned int i = 0; i < KINDS; i++) {
		uint64_t n = atomic_load(&s->count[i]);

		if (i < PASID_KINDS || s->pasids)
			all &= i == DMA_OF_PASID && !s->pasids ? true : n >= 2 + (uint64_t)(4 * seconds);
		if (print)
			print_message("# %-22s %10llu\n", kind_name[i], (unsigned long long)n);
	}
	return all;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *given = getenv(name);

	return given && *given ? strtoull(given, NULL, 0) : otherwise;
}

static void storm(const struct rig_opts *o)
{
	/* In all: a share for each of the storms below. */
	double seconds = (double)number("UIOMMU_TEST_SECONDS", 3) / 3;
	struct storm *s = calloc(1, sizeof(*s));
	uint64_t start = clock_ticks();
	struct task *task[THREADS];
	struct task_set *set;
	unsigned int n = 0;
	struct alloc a;
	double passed;

	assert_non_null(s);
	storm_begin(s, o, number("UIOMMU_TEST_SEED", (uint64_t)time(NULL)));
	alloc_init(&a, NULL, NULL);
	assert_int_equal(task_set_create(&a, s->seed, &set), 0);
	for (unsigned int i = 0; i < KEPT; i++)
		assert_int_equal(task_spawn(set, "keeper", keeper_task, &s->keeper[i], &task[n++]), 0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(task_spawn(set, "device", device_task, s, &task[n++]), 0);
		assert_int_equal(task_spawn(set, "wild", wild_task, s, &task[n++]), 0);
	}
	assert_int_equal(task_spawn(set, "mapper", mapper_task, s, &task[n++]), 0);
	do {
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		passed = (double)clock_ns(clock_ticks() - start) / 1e9;
	} while (passed < seconds || (!enough(s, seconds, false) && passed < 10 * seconds + 60));
	atomic_store(&s->stop, true);
	while (n)
		task_join(task[--n]);
	task_set_destroy(set);
	print_message("# seed %llu, %.1f s\n", (unsigned long long)s->seed, passed);
	storm_end(s);
	assert_true(enough(s, seconds, true));
	assert_int_equal(s->stale + s->wrong + s->failed, 0);
	free(s);
}

static void storm_scalable(void **state)
{
	storm(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE, .plain = true, .max_pasids = 128 });
}

static void storm_own_thread(void **state)
{
	storm(&(struct rig_opts){ .mode = UIOMMU_VTD_SCALABLE,
				  .plain = true,
				  .max_pasids = 128,
				  .accessor = true,
				  .model.own_thread = true });
}

static void storm_legacy(void **state)
{
	storm(&(struct rig_opts){ .mode = UIOMMU_VTD_LEGACY, .plain = true });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(storm_scalable),
		cmocka_unit_test(storm_own_thread),
		cmocka_unit_test(storm_legacy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
