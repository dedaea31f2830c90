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
const uint32_t core_pasids[N_ATTS] = { UIOMMU_NO_PASID, 1, 63, 64, 5000, 0xFFFFF };

/* ---- begin and end ---- */

static int dev_of(uint16_t rid)
{
	for (int i = 0; i < N_DEVS; i++)
		if (core_rids[i] == rid)
			return i;
	return -1;
}

/* Of an event; NULL: none of the shadow's. */
static struct shadow_att *att_of(struct world *w, const struct uiommu_event *event)
{
	int i = dev_of(event->rid);

	for (unsigned int att = 0; i >= 0 && att < N_ATTS; att++)
		if (core_pasids[att] == event->pasid)
			return &w->dev[i].att[att];
	return NULL;
}

static void on_fault(struct world *w, const struct uiommu_event *event)
{
	if (w->probing)
		FUZZ_CHECK(event->data == (w->fault ? w->fault->data : NULL),
			   "operation %u, %s: a fault of RID 0x%x, PASID 0x%x has the handle of another",
			   w->n, w->what, event->rid, event->pasid);
}

static void on_event(void *opaque, const struct uiommu_event *event)
{
	struct world *w = opaque;
	struct shadow_att *att = att_of(w, event);

	switch (event->kind) {
	case UIOMMU_EVENT_PARKED:
		att->now_parked = true;
		att->stuck = false;
		break;
	case UIOMMU_EVENT_QUARANTINED:
		att->now_parked = false;
		att->stuck = true;
		break;
	case UIOMMU_EVENT_FAULT:
		on_fault(w, event);
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
	for (unsigned int g = 0; g < N_GROUPS; g++) {
		const struct shadow_group *s = &w->group[g];

		if (s->group && (s->domain == k || s->deflt == k))
			return true;
		for (unsigned int att = 1; att < N_ATTS; att++)
			if (s->group && s->pasid[att] == k)
				return true;
	}
	for (unsigned int t = 0; t < N_TXNS; t++)
		for (unsigned int i = 0; i < w->txn[t].n; i++)
			if (w->txn[t].pins[i] && w->txn[t].domain[i] == k)
				return true;
	return false;
}

bool att_stuck(const struct world *w, int g, unsigned int att)
{
	for (unsigned int i = 0; i < N_DEVS; i++)
		if (w->dev[i].group == g && w->dev[i].att[att].stuck)
			return true;
	return false;
}

bool group_resetting(const struct world *w, int g)
{
	for (unsigned int i = 0; i < N_DEVS; i++)
		if (w->dev[i].group == g && w->dev[i].resets)
			return true;
	return false;
}

bool any_pasid(const struct shadow_group *s)
{
	for (unsigned int att = 1; att < N_ATTS; att++)
		if (s->pasid[att] >= 0)
			return true;
	return false;
}

void cancel(struct world *w, int g)
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

void settle(struct world *w, int g, unsigned int att, int to, struct uiommu_attach_handle *handle)
{
	int *domain = att ? &w->group[g].pasid[att] : &w->group[g].domain;

	for (unsigned int i = 0; i < N_DEVS; i++)
		if (w->dev[i].group == g && *domain != to)
			w->dev[i].att[att].parked = w->dev[i].att[att].now_parked;
	*domain = to;
	w->group[g].handle[att] = handle;
}

void settle_group(struct world *w, int g, int to, bool to_default, struct uiommu_attach_handle *handle)
{
	settle(w, g, 0, to, handle);
	w->group[g].blocked = to == 0 && !to_default;
}

/* At the end of each operation: parked is who was parked and not moved since. */
static void collect_parked(struct world *w)
{
	for (unsigned int i = 0; i < N_DEVS; i++) {
		for (unsigned int att = 0; att < N_ATTS; att++) {
			w->dev[i].att[att].parked |= w->dev[i].att[att].now_parked;
			w->dev[i].att[att].now_parked = false;
		}
	}
}

/* ---- operands ---- */

int pick_domain(const struct world *w, unsigned int k)
{
	k %= N_DOMAINS;
	return w->domain[k].domain ? (int)k : -1;
}

struct uiommu_domain *domain_ptr(struct world *w, int k)
{
	return k < 0 ? NULL : w->domain[k].domain;
}

const struct uiommu_replace_opts *pick_opts(unsigned int how, struct uiommu_replace_opts *opts)
{
	*opts = (struct uiommu_replace_opts){ .size = sizeof(*opts),
					      .worst_gap = (enum uiommu_gap)(how & 3) };
	return how & 4 ? opts : NULL;
}

struct uiommu_attach_handle *pick_handle(struct world *w)
{
	struct uiommu_attach_handle *handle = w->handles < N_HANDLES ? &w->handle[w->handles] : NULL;

	if (!handle)
		return NULL;
	w->handles++;
	handle->data = handle;
	return handle;
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
		s->owner = 0;
		s->claims = 0;
		for (unsigned int att = 0; att < N_ATTS; att++) {
			s->pasid[att] = -1;
			s->handle[att] = NULL;
		}
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

static void remove_device(struct world *w, struct shadow_dev *d)
{
	bool last = true, last_pasid = true;
	int g = d->group;
	struct shadow_group *s = &w->group[g];

	w->what = "device_remove";
	cancel(w, g);
	uiommu_device_remove(d->dev);
	d->dev = NULL;
	d->group = -1;
	d->resets = 0;
	for (unsigned int att = 0; att < N_ATTS; att++)
		d->att[att].parked = d->att[att].now_parked = false;
	for (unsigned int i = 0; i < N_DEVS; i++) {
		last &= w->dev[i].group != g;
		last_pasid &= w->dev[i].group != g || !w->dev[i].max_pasids;
	}
	/* A PASID without devices is not attached any more. */
	for (unsigned int att = 1; last_pasid && att < N_ATTS; att++)
		settle(w, g, att, -1, NULL);
	if (last && !s->blocked)
		settle_group(w, g, s->owner ? 0 : s->deflt, !s->owner, NULL);
}

static void add_device(struct world *w, const struct fuzz_op *op)
{
	static const uint32_t max_pasids[] = {
		0, UIOMMU_MAX_PASIDS, 65, 128, 1, UIOMMU_MAX_PASIDS + 1, 2, 0
	};
	struct uiommu_device_opts opts = { .size = sizeof(opts), .max_pasids = max_pasids[op->off % 8] };
	struct shadow_dev *d = &w->dev[op->a % N_DEVS];
	int g = op->b % N_GROUPS, err;
	struct shadow_group *s = &w->group[g];
	struct uiommu_device *dev = NULL;
	struct wants wants = { 0 };

	w->what = "device_add";
	want(&wants, opts.max_pasids > UIOMMU_MAX_PASIDS, -EINVAL);
	want(&wants, s->txn >= 0 || group_resetting(w, g) || (opts.max_pasids && any_pasid(s)), -EBUSY);
	want(&wants, d->dev, -EEXIST);
	err = uiommu_device_add_opts(s->group, core_rids[op->a % N_DEVS], &opts, &dev);
	check_wants(w, err, &wants);
	FUZZ_CHECK(!err == !!dev, "a device without success, or success without");
	if (err) {
		for (unsigned int att = 0; !d->dev && att < N_ATTS; att++)
			d->att[att].now_parked = false; /* it was blocked, and is */
		return;
	}
	FUZZ_CHECK(uiommu_device_rid(dev) == core_rids[op->a % N_DEVS], "RID");
	d->dev = dev;
	d->group = g;
	d->max_pasids = uiommu_device_max_pasids(dev);
	FUZZ_CHECK(d->max_pasids <= opts.max_pasids && (w->scalable || !d->max_pasids), "max_pasids");
	for (unsigned int att = 0; att < N_ATTS; att++)
		d->att[att].parked = d->att[att].now_parked = false;
}

static void op_device(struct world *w, const struct fuzz_op *op)
{
	struct shadow_dev *d = &w->dev[op->a % N_DEVS];

	if (d->dev && (op->c & 1))
		remove_device(w, d);
	else if (w->group[op->b % N_GROUPS].group)
		add_device(w, op);
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
	int g = op->a % N_GROUPS, k = pick_domain(w, op->b), err;
	struct shadow_group *s = &w->group[g];
	struct uiommu_report report;
	struct wants wants = { 0 };

	if (!s->group)
		return;
	w->what = "attach_group";
	want(&wants, k < 0, -EINVAL);
	want(&wants, s->txn >= 0 || group_resetting(w, g) || (s->domain && s->domain != s->deflt), -EBUSY);
	want(&wants, k != s->domain && att_stuck(w, g, 0), -EIO);
	err = uiommu_attach_group(s->group, domain_ptr(w, k), &report);
	check_report(&report, err);
	check_wants(w, err, &wants);
	if (!err)
		settle_group(w, g, k, false, NULL);
}

static void op_replace(struct world *w, const struct fuzz_op *op)
{
	int g = op->a % N_GROUPS, k = pick_domain(w, op->b), err;
	struct shadow_group *s = &w->group[g];
	struct uiommu_replace_opts opts;
	const struct uiommu_replace_opts *o = pick_opts(op->c, &opts);
	struct uiommu_report report;
	struct wants wants = { 0 };

	if (!s->group)
		return;
	w->what = "group_replace_domain";
	want(&wants, k < 0, -EINVAL);
	want(&wants, s->txn >= 0 || group_resetting(w, g), -EBUSY);
	want(&wants, k != s->domain && att_stuck(w, g, 0), -EIO);
	err = uiommu_group_replace_domain(s->group, domain_ptr(w, k), o, &report);
	check_report(&report, err);
	if (!refused(o, err, &report))
		check_wants(w, err, &wants);
	if (!err)
		settle_group(w, g, k, false, NULL);
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
		settle_group(w, g, 0, false, NULL);
	} else {
		w->what = "detach_group";
		uiommu_detach_group(s->group);
		settle_group(w, g, s->owner ? 0 : s->deflt, !s->owner, NULL);
	}
}

static void op_default(struct world *w, const struct fuzz_op *op)
{
	int g = op->a % N_GROUPS, k = pick_domain(w, op->b), err;
	struct shadow_group *s = &w->group[g];
	struct wants wants = { 0 };

	if (!s->group)
		return;
	w->what = "set_default_domain";
	want(&wants, k < 0, -EINVAL);
	want(&wants, s->claims, -EPERM);
	want(&wants, s->txn >= 0 || group_resetting(w, g) || (s->domain && s->domain != s->deflt), -EBUSY);
	want(&wants, k != s->deflt && !s->blocked && k != s->domain && att_stuck(w, g, 0), -EIO);
	err = uiommu_group_set_default_domain(s->group, domain_ptr(w, k));
	check_wants(w, err, &wants);
	if (err)
		return;
	if (k != s->deflt && !s->blocked)
		settle_group(w, g, k, true, NULL);
	s->deflt = k;
}

/* ---- transactions ---- */

/* Every rule that the targets break. */
static void prepare_wants(struct world *w, const struct shadow_txn *t, struct wants *wants)
{
	want(wants, !t->n, -EINVAL);
	for (unsigned int i = 0; i < t->n; i++) {
		const struct shadow_group *s = &w->group[t->group[i]];
		unsigned int att = (unsigned int)t->att[i];

		want(wants, !s->group || t->domain[i] < 0, -EINVAL);
		if (!s->group)
			continue;
		want(wants, att && (s->pasid[att] < 0 || !t->handle[i] || !t->domain[i]), -EINVAL);
		want(wants, t->handle[i] && t->handle[i] == s->handle[att], -EINVAL);
		for (unsigned int j = 0; j < i; j++)
			want(wants, t->group[j] == t->group[i] && t->att[j] == t->att[i], -EINVAL);
		want(wants, s->txn >= 0 || group_resetting(w, t->group[i]), -EBUSY);
		want(wants, att_stuck(w, t->group[i], att), -EIO);
	}
}

/* val: two bytes for each target: group and PASID, domain and handle. */
static void pick_target(struct world *w, struct shadow_txn *t, unsigned int i, uint64_t val)
{
	unsigned int how = (unsigned int)(val >> (16 * i)) & 0xFFFF, att = how >> 2 & 7;

	t->group[i] = (int)(how % N_GROUPS);
	t->att[i] = att < N_ATTS ? (int)att : 0;
	t->domain[i] = pick_domain(w, how >> 8 & 15);
	t->handle[i] = how & 0x4000 ? NULL : pick_handle(w);
	if ((how & 0xC000) == 0xC000)
		t->handle[i] = w->group[t->group[i]].handle[t->att[i]];
}

static void op_prepare(struct world *w, const struct fuzz_op *op)
{
	int index = op->a % N_TXNS, err;
	struct uiommu_replace_target targets[MAX_TARGETS] = { 0 };
	struct shadow_txn *t = &w->txn[index];
	struct uiommu_replace_opts opts;
	const struct uiommu_replace_opts *o = pick_opts(op->c, &opts);
	struct uiommu_report report;
	struct wants wants = { 0 };

	if (t->txn)
		return;
	memset(t, 0, sizeof(*t));
	t->n = op->b % (MAX_TARGETS + 1);
	for (unsigned int i = 0; i < t->n; i++) {
		pick_target(w, t, i, op->val);
		targets[i].group = w->group[t->group[i]].group;
		targets[i].domain = domain_ptr(w, t->domain[i]);
		targets[i].pasid = core_pasids[t->att[i]];
		targets[i].handle = t->handle[i];
	}
	w->what = "replace_prepare";
	prepare_wants(w, t, &wants);
	err = uiommu_replace_prepare(w->ctx, targets, t->n, o, &t->txn, &report);
	check_report(&report, err);
	if (!refused(o, err, &report))
		check_wants(w, err, &wants);
	FUZZ_CHECK(!err == !!t->txn, "a transaction without success, or success without");
	if (err)
		t->n = 0;
	for (unsigned int i = 0; i < t->n; i++) {
		t->pins[i] = true;
		w->group[t->group[i]].txn = index;
	}
}

void txn_end(struct world *w, struct shadow_txn *t)
{
	for (unsigned int i = 0; i < t->n; i++)
		if (t->pins[i])
			w->group[t->group[i]].txn = -1;
	t->txn = NULL;
	t->n = 0;
}

static void txn_settle(struct world *w, struct shadow_txn *t, unsigned int i)
{
	if (t->att[i])
		settle(w, t->group[i], (unsigned int)t->att[i], t->domain[i], t->handle[i]);
	else
		settle_group(w, t->group[i], t->domain[i], false, t->handle[i]);
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
		txn_settle(w, t, i);
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
	static void (*const ops[32])(struct world *, const struct fuzz_op *) = {
		op_group,	 op_device,	  op_domain_alloc, op_domain_free,   op_map,
		op_map,		 op_unmap,	  op_attach,	   op_replace,	     op_replace,
		op_must,	 op_default,	  op_prepare,	   op_commit,	     op_device,
		op_replace,	 op_attach_pasid, op_attach_pasid, op_replace_pasid, op_replace_pasid,
		op_detach_pasid, op_group_handle, op_claim,	   op_release,	     op_use,
		op_reset,	 op_reset,	  op_commit,	   op_device,	     op_map,
		op_unmap,	 op_prepare,
	};

	w->what = "nothing";
	w->page = op->b % N_PAGES;
	arm(w, op);
	ops[op->code % 32](w, op);
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
