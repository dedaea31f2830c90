/* SPDX-License-Identifier: MIT */
/*
 * Call sequences of the core over the driver and the model of VT-d: the input is a
 * program of public calls, each with an allocation or a descriptor of the queue that
 * may fail. After each call core, page tables and every device must be where the calls
 * so far say, and a refused call must have changed nothing.
 */
#include <errno.h>

#include "core.h"
#include "driver/vtd/vtd.h"
#include "hw/vtd/vtd_model.h"

const uint16_t core_rids[N_DEVS] = { 0x0000, 0x0008, 0x0081, 0x0100, 0x01FF, 0xFF00, 0x0009, 0x8000 };

/* ---- begin and end ---- */

static int dev_of(uint16_t rid)
{
	for (int i = 0; i < N_DEVS; i++)
		if (core_rids[i] == rid)
			return i;
	return -1;
}

static void on_event(void *opaque, const struct uiommu_event *event)
{
	struct world *w = opaque;
	int i = dev_of(event->rid);

	switch (event->kind) {
	case UIOMMU_EVENT_PARKED:
		w->dev[i].now_parked = true;
		w->dev[i].stuck = false;
		break;
	case UIOMMU_EVENT_QUARANTINED:
		w->dev[i].now_parked = false;
		w->dev[i].stuck = true;
		break;
	case UIOMMU_EVENT_QUEUE_ERROR:
		if (w->rearm && w->bad_hardware) {
			w->rearm--;
			vtd_model_fail_descriptor(w->hw, w->rearm_at, VTD_FAIL_IQE);
		}
		break;
	case UIOMMU_EVENT_DRIVER_MISUSE:
		FUZZ_CHECK(w->ever_hung, "operation %u, %s: %s", w->n, w->what, event->text);
		break;
	default:
		break;
	}
}

static void begin(struct world *w, const uint8_t *header)
{
	struct uiommu_ctx_opts ctx = { .size = sizeof(ctx),
				       .alloc_ops = &fuzz_heap_ops,
				       .opaque = w,
				       .event = on_event,
				       .pool_bytes = 16 << 20 };
	struct uiommu_vtd_model_opts o = { .size = sizeof(o), .preset = (enum uiommu_preset)(header[0] & 3) };
	struct uiommu_vtd_opts v = { .size = sizeof(v) };
	int err;

	memset(w, 0, sizeof(*w));
	w->what = "begin";
	w->scalable = header[1] & 1;
	v.mode = w->scalable ? UIOMMU_VTD_SCALABLE : UIOMMU_VTD_LEGACY;
	v.no_store128 = header[1] & 2;
	v.any_order = o.preset == UIOMMU_PRESET_ANY_ORDER;
	o.no_first_stage = (header[2] & 3) == 3;
	o.no_pass_through = (header[2] & 12) == 12;
	w->ram = aligned_alloc(4096, RAM_SIZE);
	FUZZ_CHECK(w->ram, "memory");
	ram_init(w);
	FUZZ_CHECK(!uiommu_ctx_create(&ctx, &w->ctx), "context");
	FUZZ_CHECK(!uiommu_mem_add_pointer(w->ctx, RAM_BASE, RAM_SIZE, w->ram), "memory");
	FUZZ_CHECK(!uiommu_vtd_model_create(w->ctx, &o, &w->hw), "model");
	FUZZ_CHECK(!uiommu_agent_create(w->ctx, &w->agent), "agent");
	err = uiommu_vtd_create(w->ctx, w->hw, &v, &w->iommu);
	FUZZ_CHECK(!err, "driver: %d", err);
	to_vtdd(w->iommu)->queue.timeout_ns = 200000;
	w->domain[0].domain = uiommu_blocking_domain(w->iommu);
	w->domain[0].type = UIOMMU_DOMAIN_BLOCKED;
	for (unsigned int i = 0; i < N_DEVS; i++) {
		w->dev[i].group = -1;
		FUZZ_CHECK(!uiommu_port_create(w->hw, core_rids[i], &w->dev[i].port), "port");
	}
}

/* ---- the shadow ---- */

static bool domain_used(const struct world *w, int k)
{
	for (unsigned int g = 0; g < N_GROUPS; g++)
		if (w->group[g].group && (w->group[g].domain == k || w->group[g].deflt == k))
			return true;
	for (unsigned int t = 0; t < N_TXNS; t++)
		for (unsigned int i = 0; i < w->txn[t].n; i++)
			if (w->txn[t].pins[i] && w->txn[t].domain[i] == k)
				return true;
	return false;
}

static bool group_stuck(const struct world *w, int g)
{
	for (unsigned int i = 0; i < N_DEVS; i++)
		if (w->dev[i].group == g && w->dev[i].stuck)
			return true;
	return false;
}

/* A group takes itself out of its transaction. */
static void cancel(struct world *w, int g)
{
	int t = w->group[g].txn;

	if (t < 0)
		return;
	for (unsigned int i = 0; i < w->txn[t].n; i++)
		if (w->txn[t].group[i] == g)
			w->txn[t].pins[i] = false;
	w->txn[t].cancelled = true;
	w->group[g].txn = -1;
}

/* A change of the group succeeded: its devices are there, but for those that an event named. */
static void settle(struct world *w, int g, int to, bool to_default)
{
	bool moved = w->group[g].domain != to;

	for (unsigned int i = 0; i < N_DEVS; i++)
		if (w->dev[i].group == g && moved)
			w->dev[i].parked = w->dev[i].now_parked;
	w->group[g].domain = to;
	w->group[g].blocked = to == 0 && !to_default;
}

/* At the end of each operation: parked is who was parked and not moved since. */
static void collect_parked(struct world *w)
{
	for (unsigned int i = 0; i < N_DEVS; i++) {
		w->dev[i].parked |= w->dev[i].now_parked;
		w->dev[i].now_parked = false;
	}
}

/* ---- operands ---- */

/* A domain that is there, or with bad luck none. */
static int pick_domain(struct world *w, unsigned int k)
{
	k %= N_DOMAINS;
	return w->domain[k].domain ? (int)k : -1;
}

static struct uiommu_domain *domain_ptr(struct world *w, int k)
{
	return k < 0 ? NULL : w->domain[k].domain;
}

/* What the caller demands; NULL: any gap. */
static const struct uiommu_replace_opts *pick_opts(unsigned int how, struct uiommu_replace_opts *opts)
{
	*opts = (struct uiommu_replace_opts){ .size = sizeof(*opts),
					      .worst_gap = (enum uiommu_gap)(how & 3) };
	return how & 4 ? opts : NULL;
}

/* A demand may be refused, for reasons that the shadow does not know, and otherwise holds. */
static bool refused(const struct uiommu_replace_opts *opts, int err, const struct uiommu_report *report)
{
	if (!opts)
		return false;
	FUZZ_CHECK(err || report->gap <= opts->worst_gap, "gap %d instead of %d", report->gap,
		   opts->worst_gap);
	return err == -EOPNOTSUPP && opts->worst_gap < UIOMMU_GAP_BLOCKED;
}

static void check_report(const struct uiommu_report *r, int err)
{
	FUZZ_CHECK(memchr(r->reason, 0, sizeof(r->reason)), "a reason without an end");
	FUZZ_CHECK((unsigned int)r->gap <= UIOMMU_GAP_UNKNOWN &&
			   (unsigned int)r->best_gap <= UIOMMU_GAP_UNKNOWN,
		   "gap %d, best %d", r->gap, r->best_gap);
	FUZZ_CHECK((r->gap <= UIOMMU_GAP_NONE && !err) || r->reason[0], "gap %d, error %d and no reason",
		   r->gap, err);
}

/* ---- groups and devices ---- */

static void op_group(struct world *w, const struct fuzz_op *op)
{
	int g = op->a % N_GROUPS, err;
	struct shadow_group *s = &w->group[g];

	if (!s->group) {
		w->what = "group_create";
		err = uiommu_group_create(w->iommu, &s->group);
		check_error(w, err, 0);
		if (err)
			s->group = NULL;
		s->domain = s->deflt = 0;
		s->txn = -1;
		s->blocked = false;
		return;
	}
	if (!(op->b & 1))
		return;
	for (unsigned int i = 0; i < N_DEVS; i++)
		if (w->dev[i].group == g)
			return;
	w->what = "group_destroy";
	uiommu_group_destroy(s->group);
	cancel(w, g);
	s->group = NULL;
}

static void op_device(struct world *w, const struct fuzz_op *op)
{
	struct shadow_dev *d = &w->dev[op->a % N_DEVS];
	int g = op->b % N_GROUPS, err, want = 0;
	struct uiommu_device *dev = NULL;
	bool last = true;

	if (d->dev && (op->c & 1)) {
		w->what = "device_remove";
		cancel(w, d->group);
		uiommu_device_remove(d->dev);
		g = d->group;
		d->dev = NULL;
		d->group = -1;
		d->parked = d->now_parked = false;
		for (unsigned int i = 0; i < N_DEVS; i++)
			last &= w->dev[i].group != g;
		if (last && !w->group[g].blocked)
			settle(w, g, w->group[g].deflt, true);
		return;
	}
	if (!w->group[g].group)
		return;
	w->what = "device_add";
	err = uiommu_device_add(w->group[g].group, core_rids[op->a % N_DEVS], &dev);
	if (w->group[g].txn >= 0)
		want = -EBUSY;
	else if (d->dev)
		want = -EEXIST;
	check_error(w, err, want);
	FUZZ_CHECK(!err == !!dev, "a device without success, or success without");
	if (err) {
		if (!d->dev)
			d->now_parked = false; /* it was blocked, and is */
		return;
	}
	FUZZ_CHECK(uiommu_device_rid(dev) == core_rids[op->a % N_DEVS], "RID");
	d->dev = dev;
	d->group = g;
	d->parked = d->now_parked = false;
}

/* ---- domains ---- */

static void op_domain_alloc(struct world *w, const struct fuzz_op *op)
{
	struct shadow_domain *s = &w->domain[1 + op->a % (N_DOMAINS - 1)];
	struct uiommu_domain_opts o = {
		.size = sizeof(o),
		.type = op->b % 4 ? UIOMMU_DOMAIN_PAGING : UIOMMU_DOMAIN_IDENTITY,
		.stage = (enum uiommu_stage)(op->c & 3),
		.levels = op->off % 7,
	};
	struct uiommu_domain *d = NULL;
	int err, want = 0;

	if (s->domain)
		return;
	if (op->b == 0xFF)
		o.type = (enum uiommu_domain_type)op->val;
	w->what = "domain_alloc";
	err = uiommu_domain_alloc(w->iommu, &o, &d);
	if (o.type != UIOMMU_DOMAIN_PAGING && (o.stage || o.levels))
		want = -EINVAL;
	else if (o.type != UIOMMU_DOMAIN_PAGING && o.type != UIOMMU_DOMAIN_IDENTITY)
		want = -EINVAL;
	else if (o.stage == 3 || (o.levels && (o.levels < 3 || o.levels > 5)))
		want = -EINVAL;
	if (!want && err == -EOPNOTSUPP)
		return; /* this hardware, this mode */
	check_error(w, err, want);
	if (err)
		return;
	memset(s, 0, sizeof(*s));
	s->domain = d;
	s->type = o.type;
	FUZZ_CHECK(uiommu_domain_type(d) == o.type, "type");
	FUZZ_CHECK(o.stage == UIOMMU_STAGE_ANY || uiommu_domain_stage(d) == o.stage, "stage");
}

static void op_domain_free(struct world *w, const struct fuzz_op *op)
{
	int k = pick_domain(w, op->a), err;

	if (k < 0)
		return;
	w->what = "domain_free";
	err = uiommu_domain_free(w->domain[k].domain);
	check_error(w, err, !k || domain_used(w, k) ? -EBUSY : 0);
	if (!err)
		w->domain[k].domain = NULL;
}

/* The pages that an operation names: [*first, *first + the returned number). */
static unsigned int pick_pages(const struct fuzz_op *op, unsigned int *first)
{
	unsigned int n = 1 + op->off % 5;

	*first = op->b % N_PAGES;
	return *first + n <= N_PAGES ? n : N_PAGES - *first;
}

static bool write_only_first(const struct shadow_domain *s, unsigned int prot)
{
	return prot == UIOMMU_WRITE && uiommu_domain_stage(s->domain) == UIOMMU_STAGE_FIRST;
}

static int map_wants(const struct shadow_domain *s, unsigned int first, unsigned int n, bool big,
		     unsigned int prot)
{
	if (s->type != UIOMMU_DOMAIN_PAGING || !prot)
		return -EINVAL;
	if (write_only_first(s, prot))
		return -EOPNOTSUPP;
	if (big && s->big)
		return -EEXIST;
	for (unsigned int i = first; !big && i < first + n; i++)
		if (s->prot[i])
			return -EEXIST;
	return 0;
}

static void op_map(struct world *w, const struct fuzz_op *op)
{
	int k = pick_domain(w, op->a), err;
	unsigned int first, n = pick_pages(op, &first), prot = op->c & 3;
	bool big = op->c & 4;
	struct shadow_domain *s;
	uint64_t pa = RAM_BASE + UINT64_C(4096) * (op->val % (RAM_PAGES - n + 1));

	if (k < 0)
		return;
	w->what = "map";
	s = &w->domain[k];
	if (op->c & 8) { /* outside of every range, or not aligned */
		err = uiommu_map(s->domain, op->val, pa, op->d & 1 ? 0 : UINT64_C(1) << 63, prot);
		FUZZ_CHECK(err, "operation %u: a map that cannot be", w->n);
		return;
	}
	if (big)
		err = uiommu_map(s->domain, BIG_IOVA, 0, BIG_SIZE, prot);
	else
		err = uiommu_map(s->domain, RAM_BASE + UINT64_C(4096) * first, pa, UINT64_C(4096) * n, prot);
	check_error(w, err, map_wants(s, first, n, big, prot));
	/* What was mapped meanwhile hardware may not have forgotten. */
	if (err == -EIO || err == -ETIMEDOUT)
		s->stale = true;
	if (err)
		return;
	if (big)
		s->big = prot;
	for (unsigned int i = 0; !big && i < n; i++) {
		s->pa[first + i] = pa + UINT64_C(4096) * i;
		s->prot[first + i] = prot;
	}
}

static void op_unmap(struct world *w, const struct fuzz_op *op)
{
	int k = pick_domain(w, op->a), err, want = 0;
	unsigned int first, n = pick_pages(op, &first);
	uint64_t iova = RAM_BASE + UINT64_C(4096) * first, size = UINT64_C(4096) * n;
	struct shadow_domain *s;

	if (k < 0)
		return;
	w->what = "unmap";
	s = &w->domain[k];
	if (op->c & 3) {
		iova = BIG_IOVA;
		size = (op->c & 3) == 2 ? BIG_SIZE - 4096 : BIG_SIZE;
	}
	if ((op->c & 3) == 3) { /* all */
		iova = 0;
		size = UINT64_C(1) << 32;
	}
	err = uiommu_unmap(s->domain, iova, size);
	if (s->type != UIOMMU_DOMAIN_PAGING || ((op->c & 3) == 2 && s->big))
		want = -EINVAL;
	check_error(w, err, want);
	if (err == -EIO || err == -ETIMEDOUT)
		s->stale = true;
	else if (err)
		return;
	else
		s->stale = false;
	if (op->c & 3)
		s->big = 0;
	for (unsigned int i = 0; i < N_PAGES; i++)
		if ((op->c & 3) == 3 || (!(op->c & 3) && i >= first && i < first + n))
			s->prot[i] = 0;
}

/* ---- changes of one group ---- */

static void op_attach(struct world *w, const struct fuzz_op *op)
{
	int g = op->a % N_GROUPS, k = pick_domain(w, op->b), err, want = 0;
	struct shadow_group *s = &w->group[g];
	struct uiommu_report report;

	if (!s->group)
		return;
	w->what = "attach_group";
	if (k < 0)
		want = -EINVAL;
	else if (s->txn >= 0 || (s->domain && s->domain != s->deflt))
		want = -EBUSY;
	else if (k != s->domain && group_stuck(w, g))
		want = -EIO;
	err = uiommu_attach_group(s->group, domain_ptr(w, k), &report);
	check_report(&report, err);
	check_error(w, err, want);
	if (!err)
		settle(w, g, k, false);
}

static void op_replace(struct world *w, const struct fuzz_op *op)
{
	int g = op->a % N_GROUPS, k = pick_domain(w, op->b), err, want = 0;
	struct shadow_group *s = &w->group[g];
	struct uiommu_replace_opts opts;
	const struct uiommu_replace_opts *o = pick_opts(op->c, &opts);
	struct uiommu_report report;

	if (!s->group)
		return;
	w->what = "group_replace_domain";
	if (k < 0)
		want = -EINVAL;
	else if (s->txn >= 0)
		want = -EBUSY;
	else if (k != s->domain && group_stuck(w, g))
		want = -EIO;
	err = uiommu_group_replace_domain(s->group, domain_ptr(w, k), o, &report);
	check_report(&report, err);
	if (!refused(o, err, &report))
		check_error(w, err, want);
	if (!err)
		settle(w, g, k, false);
}

static void op_must(struct world *w, const struct fuzz_op *op)
{
	int g = op->a % N_GROUPS;
	struct shadow_group *s = &w->group[g];

	if (!s->group)
		return;
	cancel(w, g);
	if (op->b & 1) {
		w->what = "block_group";
		uiommu_block_group(s->group);
		settle(w, g, 0, false);
	} else {
		w->what = "detach_group";
		uiommu_detach_group(s->group);
		settle(w, g, s->deflt, true);
	}
}

static void op_default(struct world *w, const struct fuzz_op *op)
{
	int g = op->a % N_GROUPS, k = pick_domain(w, op->b), err, want = 0;
	struct shadow_group *s = &w->group[g];

	if (!s->group)
		return;
	w->what = "set_default_domain";
	if (k < 0)
		want = -EINVAL;
	else if (s->txn >= 0 || (s->domain && s->domain != s->deflt))
		want = -EBUSY;
	else if (k != s->deflt && !s->blocked && k != s->domain && group_stuck(w, g))
		want = -EIO;
	err = uiommu_group_set_default_domain(s->group, domain_ptr(w, k));
	check_error(w, err, want);
	if (err)
		return;
	if (k != s->deflt && !s->blocked)
		settle(w, g, k, true);
	s->deflt = k;
}

/* ---- transactions ---- */

static int prepare_wants(struct world *w, const struct shadow_txn *t)
{
	int want = t->n ? 0 : -EINVAL;

	for (unsigned int i = 0; i < t->n; i++) {
		const struct shadow_group *s = &w->group[t->group[i]];

		if (!s->group || t->domain[i] < 0)
			return -EINVAL;
		for (unsigned int j = 0; j < i; j++)
			if (t->group[j] == t->group[i])
				return -EINVAL;
	}
	/* In the order of the targets. */
	for (unsigned int i = 0; i < t->n && !want; i++) {
		if (w->group[t->group[i]].txn >= 0)
			want = -EBUSY;
		else if (group_stuck(w, t->group[i]))
			want = -EIO;
	}
	return want;
}

static void op_prepare(struct world *w, const struct fuzz_op *op)
{
	int index = op->a % N_TXNS, err, want;
	struct uiommu_replace_target targets[N_GROUPS] = { 0 };
	struct shadow_txn *t = &w->txn[index];
	struct uiommu_replace_opts opts;
	const struct uiommu_replace_opts *o = pick_opts(op->c, &opts);
	struct uiommu_report report;

	if (t->txn)
		return;
	memset(t, 0, sizeof(*t));
	t->n = op->b % (N_GROUPS + 1);
	for (unsigned int i = 0; i < t->n; i++) {
		t->group[i] = (int)((op->val >> (8 * i)) % N_GROUPS);
		t->domain[i] = pick_domain(w, (unsigned int)(op->val >> (32 + 8 * i)) & 0xFF);
		targets[i].group = w->group[t->group[i]].group;
		targets[i].domain = domain_ptr(w, t->domain[i]);
		targets[i].pasid = UIOMMU_NO_PASID;
	}
	w->what = "replace_prepare";
	want = prepare_wants(w, t);
	err = uiommu_replace_prepare(w->ctx, targets, t->n, o, &t->txn, &report);
	check_report(&report, err);
	if (!refused(o, err, &report))
		check_error(w, err, want);
	FUZZ_CHECK(!err == !!t->txn, "a transaction without success, or success without");
	if (err)
		t->n = 0;
	for (unsigned int i = 0; i < t->n; i++) {
		t->pins[i] = true;
		w->group[t->group[i]].txn = index;
	}
}

static void txn_end(struct world *w, struct shadow_txn *t)
{
	for (unsigned int i = 0; i < t->n; i++)
		if (t->pins[i])
			w->group[t->group[i]].txn = -1;
	t->txn = NULL;
	t->n = 0;
}

static void op_commit(struct world *w, const struct fuzz_op *op)
{
	struct shadow_txn *t = &w->txn[op->a % N_TXNS];
	struct uiommu_report report;
	int err;

	if (!t->txn)
		return;
	if (op->b & 1) {
		w->what = "replace_abort";
		uiommu_replace_abort(t->txn);
		txn_end(w, t);
		return;
	}
	w->what = "replace_commit";
	err = uiommu_replace_commit(t->txn, op->c & 1 ? NULL : &report);
	if (!(op->c & 1))
		check_report(&report, err);
	/* Everything was reserved: memory is not wanted any more. */
	FUZZ_CHECK(err != -ENOMEM, "operation %u: commit without memory", w->n);
	check_error(w, err, t->cancelled ? -ECANCELED : 0);
	for (unsigned int i = 0; i < t->n && !err; i++)
		settle(w, t->group[i], t->domain[i], false);
	txn_end(w, t);
}

/* ---- the program ---- */

/* d: which allocation and which descriptor of this operation fail. */
static void arm(struct world *w, const struct fuzz_op *op)
{
	unsigned int memory = op->d & 31, hardware = op->d >> 5 & 15;

	w->no_memory = memory && !(op->d & 0x8000);
	w->bad_hardware = hardware && (op->d & 0x4000);
	w->rearm = op->d >> 9 & 3;
	w->rearm_at = 1 + (op->d >> 11 & 1);
	w->hung = w->bad_hardware && (op->d & 0x3000) == 0x3000;
	w->ever_hung |= w->hung;
	if (w->no_memory)
		alloc_fail_nth(&w->ctx->alloc, memory);
	if (w->bad_hardware)
		vtd_model_fail_descriptor(w->hw, hardware, w->hung ? VTD_FAIL_HANG : VTD_FAIL_IQE);
}

static void disarm(struct world *w)
{
	alloc_fail_nth(&w->ctx->alloc, 0);
	vtd_model_fail_descriptor(w->hw, 1, VTD_FAIL_NONE);
	w->no_memory = w->bad_hardware = w->hung = false;
	collect_parked(w);
}

static void run(struct world *w, const struct fuzz_op *op)
{
	static void (*const ops[16])(struct world *, const struct fuzz_op *) = {
		op_group,   op_device, op_domain_alloc, op_domain_free, op_map,	 op_map,
		op_unmap,   op_attach, op_replace,	op_replace,	op_must, op_default,
		op_prepare, op_commit, op_device,	op_replace,
	};

	w->what = "nothing";
	w->page = op->b % N_PAGES;
	arm(w, op);
	ops[op->code % 16](w, op);
	disarm(w);
	check_world(w);
	w->n++;
}

static void end(struct world *w)
{
	for (unsigned int t = 0; t < N_TXNS; t++)
		uiommu_replace_abort(w->txn[t].txn);
	for (unsigned int i = 0; i < N_DEVS; i++) {
		uiommu_device_remove(w->dev[i].dev);
		uiommu_port_destroy(w->dev[i].port);
	}
	for (unsigned int g = 0; g < N_GROUPS; g++)
		uiommu_group_destroy(w->group[g].group);
	for (unsigned int k = 1; k < N_DOMAINS; k++)
		FUZZ_CHECK(!w->domain[k].domain || !uiommu_domain_free(w->domain[k].domain), "domain %u", k);
	uiommu_iommu_destroy(w->iommu);
	FUZZ_CHECK(!pool_live(w->ctx->pool), "%zu pages leaked", pool_live(w->ctx->pool));
	check_ram(w);
	uiommu_agent_destroy(w->agent);
	uiommu_hw_destroy(w->hw);
	uiommu_ctx_destroy(w->ctx);
	fuzz_heap_check(&w->heap);
	free(w->ram);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w;
	struct fuzz_op op;

	if (size < FUZZ_HEADER)
		return 0;
	begin(&w, data);
	data += FUZZ_HEADER;
	size -= FUZZ_HEADER;
	while (w.n < FUZZ_OPS && fuzz_next(&data, &size, &op))
		run(&w, &op);
	end(&w);
	return 0;
}
