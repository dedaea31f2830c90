/* SPDX-License-Identifier: MIT */
/* Core and rules side by side, call by call: see model_calls.h. */
#include "model_side.h"

#include <stdio.h>
#include <stdlib.h>

unsigned long model_done[64], model_succeeded[64];

static void *side_alloc(void *opaque, size_t size)
{
	struct model_side *s = opaque;

	if (s->nomem && ++s->allocs == s->nomem) {
		s->no_memory |= !s->md.inside;
		return NULL;
	}
	return calloc(1, size);
}

static void side_free(void *opaque, void *p)
{
	(void)opaque;
	free(p);
}

static void side_event(void *opaque, const struct uiommu_event *event)
{
	struct model_side *s = opaque;

	s->events += event->kind == UIOMMU_EVENT_PARKED || event->kind == UIOMMU_EVENT_UNWIND_FAILED ||
		     event->kind == UIOMMU_EVENT_QUARANTINED;
	s->parked_events += event->kind == UIOMMU_EVENT_PARKED;
}

static const struct uiommu_alloc_ops side_alloc_ops = { side_alloc, side_free };

/* ---- numbers to pointers ---- */

/* The number of a domain as an argument: 9 is the group's default. */
static int domain_arg(const struct model_side *s, int g, uint32_t arg)
{
	int d = (int)(arg % 10);

	if (d == 9)
		return s->r.group[g].deflt;
	return !d || s->domain[d] ? d : NONE;
}

/* One that is attached, from 4 on. */
static int pasid_arg(const struct model_side *s, int g, uint32_t arg)
{
	for (uint32_t i = 0; i < MD_PASIDS && arg >= MD_PASIDS; i++) {
		int p = (int)((arg + i) % MD_PASIDS);

		if (p && s->r.group[g].dom[p] != NONE)
			return p;
	}
	return (int)(arg % MD_PASIDS);
}

static bool handle_used(const struct model_side *s, int h)
{
	for (int g = 0; g < R_GROUPS; g++)
		for (int p = 0; p < MD_PASIDS; p++)
			if (s->r.group[g].handle[0] == h || s->r.group[g].handle[p] == h)
				return true;
	for (int i = 0; i < s->r.targets; i++)
		if (s->r.target[i].handle == h)
			return true;
	return false;
}

/* 0: none, 1: a new one, 2: the one that is there. @taken: also used. */
static int handle_arg(struct model_side *s, uint32_t arg, int there, int taken)
{
	int h = 1;

	if (arg % 3 == 0)
		return 0;
	if (arg % 3 == 2 && there)
		return there;
	while (handle_used(s, h) || h <= taken)
		h++;
	memset(&s->handle[h], 0, sizeof(s->handle[h]));
	return h;
}

static struct uiommu_attach_handle *handle_of(struct model_side *s, int h)
{
	return h > 0 ? &s->handle[h] : NULL;
}

/* ---- calls: each returns what the core did, and sets s->result to what the rules say ---- */

enum op {
	OP_ALLOC,
	OP_ADD,
	OP_REMOVE,
	OP_ATTACH,
	OP_ATTACH_DEVICE,
	OP_DETACH,
	OP_DETACH_DEVICE,
	OP_BLOCK,
	OP_REPLACE,
	OP_SET_DEFAULT,
	OP_SETUP_DEFAULT,
	OP_DEFAULT_TYPE,
	OP_SET_TYPE,
	OP_CLAIM,
	OP_RELEASE,
	OP_CLAIM_DEVICE,
	OP_RELEASE_DEVICE,
	OP_USE,
	OP_UNUSE,
	OP_RESET,
	OP_DONE,
	OP_ATTACH_PASID,
	OP_REPLACE_PASID,
	OP_DETACH_PASID,
	OP_PREPARE,
	OP_COMMIT,
	OP_ABORT,
	OP_FREE,
	OP_DEFERRED,
	OP_REGIONS,
	OP_REGROUP,
	OPS
};

/* Arguments: g group, r RID, d domain, p PASID, h handle, o owner, w type, f flag, x anything. */
static const struct op_info {
	const char *name, *args;
	unsigned int weight, begin;
} ops[OPS] = {
	[OP_ALLOC] = { "uiommu_domain_alloc", "d", 6, 0 },
	[OP_ADD] = { "uiommu_device_add_opts", "grx", 8, 8 },
	[OP_REMOVE] = { "uiommu_device_remove", "r", 4, 0 },
	[OP_ATTACH] = { "uiommu_attach_group", "gdh", 8, 0 },
	[OP_ATTACH_DEVICE] = { "uiommu_attach_device", "rd", 6, 0 },
	[OP_DETACH] = { "uiommu_detach_group", "g", 6, 0 },
	[OP_DETACH_DEVICE] = { "uiommu_detach_device", "r", 1, 0 },
	[OP_BLOCK] = { "uiommu_block_group", "g", 2, 0 },
	[OP_REPLACE] = { "uiommu_group_replace_domain", "gdhf", 10, 0 },
	[OP_SET_DEFAULT] = { "uiommu_group_set_default_domain", "gd", 5, 2 },
	[OP_SETUP_DEFAULT] = { "uiommu_group_setup_default", "gw", 5, 1 },
	[OP_DEFAULT_TYPE] = { "uiommu_group_default_type", "gw", 1, 0 },
	[OP_SET_TYPE] = { "uiommu_iommu_set_default_type", "gw", 1, 0 },
	[OP_CLAIM] = { "uiommu_group_claim_dma_owner", "go", 4, 0 },
	[OP_RELEASE] = { "uiommu_group_release_dma_owner", "g", 3, 0 },
	[OP_CLAIM_DEVICE] = { "uiommu_device_claim_dma_owner", "ro", 4, 0 },
	[OP_RELEASE_DEVICE] = { "uiommu_device_release_dma_owner", "r", 4, 0 },
	[OP_USE] = { "uiommu_device_use_default_domain", "r", 2, 0 },
	[OP_UNUSE] = { "uiommu_device_unuse_default_domain", "r", 4, 0 },
	[OP_RESET] = { "uiommu_reset_prepare", "r", 3, 0 },
	[OP_DONE] = { "uiommu_reset_done", "r", 16, 0 },
	[OP_ATTACH_PASID] = { "uiommu_attach_pasid", "gpdh", 10, 0 },
	[OP_REPLACE_PASID] = { "uiommu_replace_pasid", "gpdhf", 10, 0 },
	[OP_DETACH_PASID] = { "uiommu_detach_pasid", "gp", 4, 0 },
	[OP_PREPARE] = { "uiommu_replace_prepare", "xf", 16, 0 },
	[OP_COMMIT] = { "uiommu_replace_commit", "", 7, 0 },
	[OP_ABORT] = { "uiommu_replace_abort", "", 2, 0 },
	[OP_FREE] = { "uiommu_domain_free", "d", 3, 0 },
	[OP_DEFERRED] = { "uiommu_device_attach_deferred", "r", 3, 0 },
	[OP_REGIONS] = { "uiommu_group_resv_regions", "gx", 1, 0 },
	[OP_REGROUP] = { "uiommu_group_destroy", "g", 1, 0 },
};

unsigned int model_ops(void)
{
	return OPS;
}

const char *model_op_name(unsigned int op)
{
	return ops[op].name;
}

/* The core had no memory: nothing has changed but what hardware let go of. True: nothing more to check. */
static bool out_of_memory(struct model_side *s, int result, int g, int p)
{
	if (result != -ENOMEM || !s->no_memory || s->md.err)
		return false;
	for (int rid = 0; rid < MD_RIDS; rid++)
		for (int i = MD_PASIDS; i--;)
			if (s->r.att[rid][i].live && (g == NONE ? s->r.dev[rid].group == NONE
								: s->r.dev[rid].group == g && i == p && p))
				r_ghost(&s->r, rid, i);
	/* A device that had been deferred stays attached. */
	for (int rid = 0; rid < MD_RIDS && p; rid++)
		if (s->r.dev[rid].group == g && s->r.hit[rid][0])
			r_end_deferred(&s->r, rid);
	memset(s->r.hit, 0, sizeof(s->r.hit));
	s->result = result;
	return true;
}

static const struct uiommu_replace_opts gapless = { .size = sizeof(gapless), .worst_gap = UIOMMU_GAP_NONE };

static void rules_begin(struct model_side *s)
{
	memcpy(s->r.hit, s->md.hit, sizeof(s->r.hit));
	s->r.err = s->md.err;
}

static int call_attach(struct model_side *s, int g, const uint32_t *arg, enum op op)
{
	int d = domain_arg(s, g, arg[1]), h = handle_arg(s, arg[2], s->r.group[g].handle[0], 0), result;
	const struct uiommu_replace_opts *opts = op == OP_REPLACE && arg[3] % 2 ? &gapless : NULL;
	struct uiommu_domain *domain = side_domain(s, g == 2, d);

	if (op == OP_ATTACH)
		result = h ? uiommu_attach_group_handle(s->group[g], domain, handle_of(s, h), NULL)
			   : uiommu_attach_group(s->group[g], domain, NULL);
	else if (h)
		result = uiommu_replace_group_handle(s->group[g], domain, handle_of(s, h), opts, NULL);
	else
		result = uiommu_group_replace_domain(s->group[g], domain, opts, NULL);
	rules_begin(s);
	if (!out_of_memory(s, result, g, 0))
		s->result = r_replace(&s->r, g, 0, d, h, op == OP_ATTACH, opts ? GAPLESS : 0);
	return result;
}

/* A device of the group that can do PASIDs; NULL: none. */
static struct uiommu_device *pasid_device(const struct model_side *s, int g)
{
	for (int rid = 0; rid < MD_RIDS; rid++)
		if (s->dev[rid] && s->r.dev[rid].group == g && s->r.dev[rid].max)
			return s->dev[rid];
	return NULL;
}

static int call_pasid(struct model_side *s, int g, const uint32_t *arg, enum op op)
{
	int p = pasid_arg(s, g, arg[1]), d = domain_arg(s, g, arg[2]), result;
	int h = handle_arg(s, arg[3], s->r.group[g].handle[p], 0);
	const struct uiommu_replace_opts *opts = arg[3] / 4 % 2 ? &gapless : NULL;
	struct uiommu_device *dev = arg[3] / 8 % 2 ? pasid_device(s, g) : NULL;
	struct uiommu_domain *domain;

	/* The core's own defaults end while PASIDs are on them: who attaches one sees to it. */
	d = d >= R_OWN ? NONE : d;
	domain = side_domain(s, g == 2, d);
	if (op == OP_ATTACH_PASID)
		result = dev ? uiommu_attach_device_pasid(dev, (uint32_t)p, domain, handle_of(s, h), NULL)
			     : uiommu_attach_pasid(s->group[g], (uint32_t)p, domain, handle_of(s, h), NULL);
	else if (dev)
		result = uiommu_replace_device_pasid(dev, (uint32_t)p, domain, handle_of(s, h), opts, NULL);
	else
		result = uiommu_replace_pasid(s->group[g], (uint32_t)p, domain, handle_of(s, h), opts, NULL);
	rules_begin(s);
	if (out_of_memory(s, result, g, p))
		return result;
	if (op == OP_ATTACH_PASID)
		s->result = r_attach_pasid(&s->r, g, p, d, h);
	else {
		no(&s->r, !p, -EINVAL);
		s->result = r_replace(&s->r, g, p, d, h, false, opts ? GAPLESS : 0);
	}
	return result;
}

/* A device as the number @x says. Returns whether its options are valid. */
static bool draw_device(int g, int rid, uint32_t x, struct r_dev *dev, struct uiommu_device_opts *opts,
			uint16_t *aliases, struct uiommu_resv_region *region)
{
	static const uint32_t max[] = { 0, 4, 3, 100 };

	*dev = (struct r_dev){ .real = true, .group = g };
	*opts = (struct uiommu_device_opts){ .size = sizeof(*opts), .aliases = aliases, .regions = region };
	opts->max_pasids = max[x & 3];
	dev->max = opts->max_pasids > MD_PASIDS ? MD_PASIDS : (int)opts->max_pasids;
	opts->untrusted = dev->untrusted = (x >> 2 & 7) == 7;
	opts->deferred = dev->deferred = (x >> 5 & 3) == 3;
	for (unsigned int i = 0; i < (x >> 8 & 3) % 3; i++) {
		int alias = g == 2 ? 16 + (int)(x >> (10 + 4 * i) & 7) : (int)(x >> (10 + 4 * i) & 15);

		aliases[opts->n_aliases++] = (uint16_t)alias;
		dev->aliases |= alias == rid ? 0 : 1u << alias;
	}
	for (unsigned int i = 0; i < (x >> 18 & 3) % 3; i++) {
		uint64_t start = (x >> (20 + i) & 31) + i, n = 1 + (x >> 25 & 3);

		region[i] = (struct uiommu_resv_region){ start << 12, ((start + n) << 12) - 1,
							 (enum uiommu_resv_type)((x >> (27 + i)) % 5),
							 1 + (x >> (26 + i) & 1) };
		opts->n_regions++;
		if (region[i].type <= UIOMMU_RESV_DIRECT_RELAXABLE)
			dev->pages |= ((UINT64_C(1) << n) - 1) << start;
		dev->direct |= region[i].type == UIOMMU_RESV_DIRECT;
	}
	if (x >> 24 != 255)
		return true;
	opts->max_pasids = UIOMMU_MAX_PASIDS + 1;
	return false;
}

static int call_add(struct model_side *s, const uint32_t *arg)
{
	int g = (int)(arg[0] % R_GROUPS), rid = g == 2 ? 16 + (int)(arg[1] % 8) : (int)(arg[1] % 16), result;
	struct uiommu_resv_region region[REGIONS];
	struct uiommu_device *dev = NULL;
	struct uiommu_device_opts opts;
	uint16_t aliases[2];
	struct r_dev want;
	bool valid = draw_device(g, rid, arg[2], &want, &opts, aliases, region);

	if (arg[2])
		result = uiommu_device_add_opts(s->group[g], (uint16_t)rid, &opts, &dev);
	else
		result = uiommu_device_add(s->group[g], (uint16_t)rid, &dev);
	rules_begin(s);
	if (!out_of_memory(s, result, NONE, 0))
		s->result = r_add(&s->r, g, rid, &want, valid);
	if (result)
		return result;
	s->dev[rid] = dev;
	s->regions[rid] = (int)opts.n_regions;
	memcpy(s->region[rid], region, sizeof(region));
	return result;
}

static int call_remove(struct model_side *s, int rid)
{
	for (; s->uses[rid]; s->uses[rid]--) {
		uiommu_device_unuse_default_domain(s->dev[rid]);
		s->r.group[s->r.dev[rid].group].uses--;
	}
	uiommu_device_remove(s->dev[rid]);
	s->dev[rid] = NULL;
	s->regions[rid] = 0;
	rules_begin(s);
	r_remove(&s->r, rid);
	return 0;
}

/* One of the right IOMMU as a rule. */
static uint32_t draw_domain(uint32_t x, bool second)
{
	static const uint8_t of[2][8] = { { 0, 1, 2, 3, 4, 5, 9, 3 }, { 0, 6, 7, 8, 9, 7, 8, 6 } };

	return x % 16 ? of[second][x / 16 % 8] : x / 16 % 10;
}

/* What the number @x says of the i-th target: as a rule a group that is no target yet, or an attached PASID.
 */
struct target {
	int group, pasid;
	uint32_t domain, handle;
};

static struct target target_draw(const struct model_side *s, uint32_t x, unsigned int i)
{
	uint32_t y = (x >> 2) * (2654435761u + i * 40503u) >> 3;
	struct target t = { .group = (int)((x / 64 + (y % 8 ? i : 0)) % R_GROUPS), .handle = y / 2048 % 8 };

	if (y / 8 % 16 == 15)
		t.pasid = (int)(y / 128 % MD_PASIDS);
	else if (y / 8 % 16 > 8)
		t.pasid = r_any_pasid(&s->r, t.group) ? pasid_arg(s, t.group, 4 + y / 128 % 4) : 0;
	t.domain = draw_domain(y / 16384, t.group == 2);
	/* New ones as a rule; a group's may be none. */
	t.handle = t.handle == 7 ? 2 : t.pasid || t.handle > 3;
	return t;
}

static int targets_in(uint32_t x)
{
	return 1 + (int)(x & x >> 2) % R_TARGETS;
}

static int call_prepare(struct model_side *s, uint32_t x, uint32_t demand)
{
	struct uiommu_replace_target targets[R_TARGETS];
	struct r_target want[R_TARGETS] = { { 0 } };
	int n = targets_in(x), h = 0, result;

	for (int i = 0; i < n; i++) {
		struct target t = target_draw(s, x, (unsigned int)i);
		int there = t.pasid ? s->r.group[t.group].handle[t.pasid] : s->r.group[t.group].handle[0];
		int d = domain_arg(s, t.group, t.domain);

		d = t.pasid && d >= R_OWN ? NONE : d;
		want[i] = (struct r_target){ t.group, t.pasid, d, handle_arg(s, t.handle, there, h) };
		h = want[i].handle > h ? want[i].handle : h;
		targets[i] = (struct uiommu_replace_target){
			s->group[t.group],
			t.pasid ? (uint32_t)t.pasid : UIOMMU_NO_PASID,
			side_domain(s, t.group == 2, d),
			handle_of(s, want[i].handle),
		};
	}
	result = uiommu_replace_prepare(s->ctx, targets, (unsigned int)n, demand % 2 ? &gapless : NULL,
					&s->txn, NULL);
	rules_begin(s);
	if (!out_of_memory(s, result, NONE, 0))
		s->result = r_prepare(&s->r, want, n, demand % 2 ? GAPLESS : 0);
	if (s->md.err || result)
		memset(s->r.hit, 0, sizeof(s->r.hit));
	for (int rid = 0; rid < MD_RIDS && !result; rid++)
		for (int p = 0; p < MD_PASIDS; p++)
			s->r.hit[rid][p] &= ~(unsigned int)MD_SEEN;
	side_wrong(s, !result == !!s->txn, "a transaction, or none", result, 0);
	return result;
}

static int call_setup_default(struct model_side *s, int g, uint32_t wish)
{
	enum uiommu_default type = (enum uiommu_default)(wish % 3);
	int result;

	s->md.next_id = R_OWN + 2 * g;
	result = uiommu_group_setup_default(s->group[g], type);
	rules_begin(s);
	if (out_of_memory(s, result, g, 0))
		return result;
	/* No memory for an identity domain: a paging one will do if nobody asked. */
	if (s->no_memory && !result && type == UIOMMU_DEFAULT_ANY &&
	    uiommu_domain_type(uiommu_group_default_domain(s->group[g])) == UIOMMU_DOMAIN_PAGING)
		type = UIOMMU_DEFAULT_PAGING;
	s->result = r_setup_default(&s->r, g, type);
	return result;
}

static int call_default_type(struct model_side *s, int g, uint32_t wish)
{
	enum uiommu_default type = UIOMMU_DEFAULT_ANY, want = UIOMMU_DEFAULT_ANY;
	int result = uiommu_group_default_type(s->group[g], (enum uiommu_default)(wish % 3), &type);

	s->result = r_default_type(&s->r, g, (enum uiommu_default)(wish % 3), &want);
	side_wrong(s, result || type == want, "type of default domain: is, should be", (int)type, (int)want);
	return result;
}

static int skip(struct model_side *s)
{
	s->skipped = true;
	return 0;
}

static int call_alloc(struct model_side *s, uint32_t arg)
{
	int d = 1 + (int)(arg % USER_DOMAINS), result;
	struct uiommu_domain_opts opts = {
		.size = sizeof(opts),
		.type = d == 1 || d == 6 ? UIOMMU_DOMAIN_IDENTITY : UIOMMU_DOMAIN_PAGING,
	};

	if (s->domain[d])
		return skip(s);
	s->md.next_id = d;
	result = uiommu_domain_alloc(&s->md.iommu[d > 5]->base, &opts, &s->domain[d]);
	s->r.type[d] = opts.type;
	s->r.pages[d] = 0;
	no(&s->r, s->no_memory, -ENOMEM);
	return result;
}

static int call_free(struct model_side *s, uint32_t arg)
{
	int d = 1 + (int)(arg % USER_DOMAINS), result;
	bool kept = s->md.domain[d] && s->md.domain[d]->kept;

	if (!s->domain[d])
		return skip(s);
	result = uiommu_domain_free(s->domain[d]);
	no(&s->r, r_used(&s->r, d), -EBUSY);
	if (!result) {
		s->domain[d] = NULL;
		side_wrong(s, kept || !s->md.domain[d], "a domain that was freed is kept: domain", d, 0);
		s->md.domain[d] = NULL;
	}
	return result;
}

static int call_device(struct model_side *s, int rid, enum op op, const uint32_t *arg)
{
	struct uiommu_device *dev = s->dev[rid];
	int g = s->r.dev[rid].group, result = 0, others = 0, d;

	for (int i = 0; i < MD_RIDS; i++)
		others += s->r.dev[i].group == g && s->r.dev[i].real && i != rid;
	switch (op) {
	case OP_ATTACH_DEVICE:
		d = domain_arg(s, g, arg[1]);
		result = uiommu_attach_device(dev, side_domain(s, g == 2, d), NULL);
		rules_begin(s);
		no(&s->r, others, -EINVAL);
		s->result = r_replace(&s->r, g, 0, d, 0, true, 0);
		break;
	case OP_DETACH_DEVICE:
		uiommu_detach_device(dev);
		rules_begin(s);
		if (!others)
			r_detach(&s->r, g);
		break;
	case OP_CLAIM_DEVICE:
		result = uiommu_device_claim_dma_owner(dev, arg[1] % 3 ? &s->handle[arg[1] % 3] : NULL);
		rules_begin(s);
		s->result = r_claim(&s->r, g, (int)(arg[1] % 3), true);
		break;
	case OP_RELEASE_DEVICE:
		result = uiommu_device_release_dma_owner(dev);
		rules_begin(s);
		s->result = r_release(&s->r, g, true);
		break;
	case OP_USE:
		result = uiommu_device_use_default_domain(dev);
		s->result = r_use(&s->r, rid);
		s->uses[rid] += !s->result;
		break;
	case OP_UNUSE:
		uiommu_device_unuse_default_domain(dev);
		s->uses[rid]--;
		s->r.group[g].uses--;
		break;
	case OP_RESET:
		result = uiommu_reset_prepare(dev);
		rules_begin(s);
		if (!out_of_memory(s, result, g, 0))
			s->result = r_reset_prepare(&s->r, rid);
		break;
	case OP_DONE:
		uiommu_reset_done(dev);
		rules_begin(s);
		r_reset_done(&s->r, rid);
		break;
	case OP_DEFERRED:
		result = uiommu_device_attach_deferred(dev);
		rules_begin(s);
		s->result = r_attach_deferred(&s->r, rid);
		break;
	default:
		result = call_remove(s, rid);
	}
	return result;
}

/* An empty group that nobody owns ends; another takes its place. */
static int call_regroup(struct model_side *s, int g)
{
	for (int rid = 0; rid < MD_RIDS; rid++)
		if (s->r.dev[rid].group == g)
			return skip(s);
	if (s->r.group[g].claims || s->r.group[g].uses || r_any_pasid(&s->r, g))
		return skip(s);
	r_cancel(&s->r, g);
	uiommu_group_destroy(s->group[g]);
	s->r.group[g] = (struct r_group){ .dom = { 0, NONE, NONE, NONE } };
	s->nomem = 0;
	return uiommu_group_create(&s->md.iommu[g == 2]->base, &s->group[g]);
}

static int call_group(struct model_side *s, int g, enum op op, const uint32_t *arg)
{
	int result = 0, d;

	switch (op) {
	case OP_DETACH:
		uiommu_detach_group(s->group[g]);
		rules_begin(s);
		r_detach(&s->r, g);
		break;
	case OP_BLOCK:
		uiommu_block_group(s->group[g]);
		rules_begin(s);
		r_must(&s->r, g, 0, 0);
		break;
	case OP_SET_DEFAULT:
		d = domain_arg(s, g, arg[1]);
		result = uiommu_group_set_default_domain(s->group[g], side_domain(s, g == 2, d));
		rules_begin(s);
		if (!out_of_memory(s, result, g, 0))
			s->result = r_set_default(&s->r, g, d);
		break;
	case OP_CLAIM:
		result =
			uiommu_group_claim_dma_owner(s->group[g], arg[1] % 3 ? &s->handle[arg[1] % 3] : NULL);
		rules_begin(s);
		s->result = r_claim(&s->r, g, (int)(arg[1] % 3), false);
		break;
	case OP_RELEASE:
		result = uiommu_group_release_dma_owner(s->group[g]);
		rules_begin(s);
		s->result = r_release(&s->r, g, false);
		break;
	case OP_DETACH_PASID:
		d = pasid_arg(s, g, arg[1]);
		if (arg[1] / 8 % 2 && pasid_device(s, g))
			uiommu_detach_device_pasid(pasid_device(s, g), (uint32_t)d);
		else
			uiommu_detach_pasid(s->group[g], (uint32_t)d);
		rules_begin(s);
		r_detach_pasid(&s->r, g, d);
		break;
	case OP_SET_TYPE:
		result = uiommu_iommu_set_default_type(&s->md.iommu[g == 2]->base,
						       (enum uiommu_default)(arg[1] % 3));
		no(&s->r, arg[1] % 3 == 0, -EINVAL);
		s->r.wish[g == 2] = arg[1] % 3 ? (enum uiommu_default)(arg[1] % 3) : s->r.wish[g == 2];
		break;
	default:
		result = call_regroup(s, g);
	}
	return result;
}

static int call_txn(struct model_side *s, bool abort)
{
	int result = 0;

	if (abort)
		uiommu_replace_abort(s->txn);
	else
		result = uiommu_replace_commit(s->txn, NULL);
	s->txn = NULL;
	rules_begin(s);
	s->result = r_commit(&s->r, abort);
	return result;
}

/* The group that a number means: one with devices as a rule. */
static int group_arg(const struct model_side *s, uint32_t arg, enum op op)
{
	int g = (int)(arg % R_GROUPS);

	for (int i = 0; i < R_GROUPS && op != OP_ADD && op != OP_REGROUP && arg / R_GROUPS % 8; i++) {
		for (int rid = 0; rid < MD_RIDS; rid++)
			if (s->r.dev[rid].group == (g + i) % R_GROUPS)
				return (g + i) % R_GROUPS;
	}
	return g;
}

/* The device that a number means: one that is there, and for which the call makes sense. */
static int device_arg(const struct model_side *s, uint32_t arg, enum op op)
{
	int found[MD_RIDS], n = 0;

	for (int rid = 0; rid < MD_RIDS; rid++)
		if (s->dev[rid] &&
		    (op == OP_UNUSE ? s->uses[rid]
				    : op != OP_DONE || s->r.dev[rid].depth || arg % 32 == 31) &&
		    (op != OP_DEFERRED || s->r.dev[rid].deferred || arg % 32 == 31))
			found[n++] = rid;
	return n ? found[arg % (uint32_t)n] : NONE;
}

static int dispatch(struct model_side *s, const struct model_call *c)
{
	enum op op = (enum op)(c->op % OPS);
	int g = group_arg(s, c->arg[0], op), rid = device_arg(s, c->arg[0], op);

	switch (op) {
	case OP_ALLOC:
		return call_alloc(s, c->arg[0]);
	case OP_FREE:
		return call_free(s, c->arg[0]);
	case OP_ADD:
		return call_add(s, c->arg);
	case OP_ATTACH:
	case OP_REPLACE:
		return call_attach(s, g, c->arg, op);
	case OP_ATTACH_PASID:
	case OP_REPLACE_PASID:
		return call_pasid(s, g, c->arg, op);
	case OP_SETUP_DEFAULT:
		return call_setup_default(s, g, c->arg[1]);
	case OP_DEFAULT_TYPE:
		return call_default_type(s, g, c->arg[1]);
	case OP_REGIONS:
		return side_call_regions(s, g, c->arg[1] % 4);
	case OP_PREPARE:
		return s->txn ? skip(s) : call_prepare(s, c->arg[0], c->arg[1]);
	case OP_COMMIT:
	case OP_ABORT:
		return s->txn ? call_txn(s, op == OP_ABORT) : skip(s);
	case OP_DETACH:
	case OP_BLOCK:
	case OP_SET_DEFAULT:
	case OP_CLAIM:
	case OP_RELEASE:
	case OP_DETACH_PASID:
	case OP_SET_TYPE:
	case OP_REGROUP:
		return call_group(s, g, op, c->arg);
	default:
		return rid != NONE ? call_device(s, rid, op, c->arg) : skip(s);
	}
}

/* Whether the core's answer is the one of the rules, or one of them. */
static bool result_wrong(struct model_side *s, int result)
{
	bool ok = result == s->result;

	if (s->r.refusals) {
		ok = s->md.err && result == s->md.err && !s->md.commits;
		for (int i = 0; i < s->r.refusals; i++)
			ok |= result == s->r.no[i];
		memset(s->r.hit, 0, sizeof(s->r.hit));
		if (ok)
			return side_wrong(s, !s->md.commits, "refused, but hardware was changed: result",
					  result, 0);
		return side_wrong(s, false, "result is, should be (or another refusal)", result, s->r.no[0]);
	}
	return side_wrong(s, ok, "result is, should be", result, s->result);
}

const char *model_call(struct model_side *s, const struct model_call *c)
{
	int result;

	s->text[0] = 0;
	s->r.refusals = 0;
	s->r.err = 0;
	s->result = 0;
	s->skipped = false;
	s->no_memory = false;
	s->allocs = 0;
	s->events = 0;
	s->parked_events = 0;
	s->nomem = c->nomem;
	md_begin(&s->md, c->fail, c->lose, c->lose_behind);
	result = dispatch(s, c);
	s->nomem = 0;
	model_done[c->op % OPS] += !s->skipped;
	model_succeeded[c->op % OPS] += !s->skipped && !result;
	if (s->text[0] || result_wrong(s, result) || side_compare(s))
		return s->text;
	if (side_wrong(s, s->parked_events >= s->md.parks, "devices parked, events", (int)s->md.parks,
		       (int)s->parked_events) ||
	    side_wrong(s, s->md.err || s->md.backs || !s->events || s->md.parks, "an event without a reason",
		       0, 0))
		return s->text;
	/* Whether a reset that failed has cancelled is the core's choice. */
	if (s->txn && c->op % OPS == OP_RESET && result) {
		uiommu_replace_abort(s->txn);
		s->txn = NULL;
		r_commit(&s->r, true);
		return side_compare(s) ? s->text : NULL;
	}
	return NULL;
}

static void call_quietly(struct model_side *s, enum op op, uint32_t a, uint32_t b)
{
	struct model_call c = { .op = op, .arg = { a, b } };

	if (!s->text[0])
		model_call(s, &c);
}

const char *model_side_end(struct model_side *s)
{
	long live;

	s->text[0] = 0;
	call_quietly(s, OP_ABORT, 0, 0);
	for (uint32_t g = 0; g < R_GROUPS; g++) {
		for (uint32_t p = 1; p < MD_PASIDS; p++)
			call_quietly(s, OP_DETACH_PASID, g, p);
		call_quietly(s, OP_RELEASE, g, 0);
		call_quietly(s, OP_DETACH, g, 0);
	}
	while (device_arg(s, 0, OP_REMOVE) != NONE && !s->text[0])
		call_quietly(s, OP_REMOVE, 0, 0);
	for (uint32_t g = 0; g < R_GROUPS; g++)
		call_quietly(s, OP_REGROUP, g, 0);
	for (uint32_t d = 0; d < USER_DOMAINS; d++)
		call_quietly(s, OP_FREE, d, 0);
	if (s->text[0])
		return s->text;
	for (int g = 0; g < R_GROUPS; g++)
		uiommu_group_destroy(s->group[g]);
	for (int i = 0; i < 2; i++) {
		uiommu_iommu_destroy(&s->md.iommu[i]->base);
		if (side_wrong(s, !s->md.iommu[i], "groups or domains are left: IOMMU", i, 0))
			return s->text;
	}
	live = alloc_live(&s->ctx->alloc) - s->live;
	if (side_wrong(s, !live && !s->md.broken, "allocations left", (int)live, 0))
		return s->text;
	uiommu_ctx_destroy(s->ctx);
	free(s);
	return NULL;
}

struct model_side *model_side_create(void)
{
	struct model_side *s = calloc(1, sizeof(*s));
	struct uiommu_ctx_opts opts = {
		.size = sizeof(opts),
		.event = side_event,
		.opaque = s,
		.pool_bytes = 1 << 21,
		.alloc_ops = &side_alloc_ops,
	};

	if (!s || uiommu_ctx_create(&opts, &s->ctx))
		abort();
	s->live = alloc_live(&s->ctx->alloc);
	if (md_create(&s->md, s->ctx, 0) || md_create(&s->md, s->ctx, 1))
		abort();
	s->r.type[0] = UIOMMU_DOMAIN_BLOCKED;
	s->r.wish[0] = s->r.wish[1] = UIOMMU_DEFAULT_PAGING;
	for (int i = 0; i < MD_RIDS; i++)
		s->r.dev[i].group = NONE;
	for (uint32_t d = 0; d < USER_DOMAINS; d++)
		if (call_alloc(s, d))
			abort();
	for (int g = 0; g < R_GROUPS; g++) {
		if (uiommu_group_create(&s->md.iommu[g == 2]->base, &s->group[g]))
			abort();
		for (int p = 1; p < MD_PASIDS; p++)
			s->r.group[g].dom[p] = NONE;
	}
	return s;
}

/* ---- drawing and printing ---- */

static uint32_t draw(uint64_t *r, uint32_t n)
{
	*r ^= *r >> 12;
	*r ^= *r << 25;
	*r ^= *r >> 27;
	return (uint32_t)((*r * UINT64_C(2685821657736338717)) >> 32) % n;
}

static uint64_t draw64(uint64_t *r)
{
	return (uint64_t)draw(r, UINT32_MAX) << 32 | draw(r, UINT32_MAX);
}

/* Few RIDs and groups meet more often. @second: for the second IOMMU. */
static uint32_t draw_arg(uint64_t *r, char kind, unsigned int few, bool second)
{
	switch (kind) {
	case 'g':
		return (few ? draw(r, 2) : draw(r, R_GROUPS)) + R_GROUPS * draw(r, 8);
	case 'r':
		return few ? draw(r, 8) : draw(r, 32);
	case 'd':
		return draw_domain(draw(r, UINT32_MAX), second);
	case 'p':
		return draw(r, 16) ? 4 * draw(r, 4) + 1 + draw(r, 4) % 3 : 0;
	case 'h':
		return draw(r, 4) ? 1 + 3 * draw(r, 8) : draw(r, 24);
	case 'o':
		return draw(r, 8) ? 1 + draw(r, 2) : 0;
	case 'w':
		return draw(r, 3);
	case 'f':
		return draw(r, 4) / 3;
	default:
		return draw(r, UINT32_MAX);
	}
}

void model_call_draw(struct model_call *c, uint64_t *r, bool begin)
{
	unsigned int sum = 0, at, few = draw(r, 2);

	for (unsigned int i = 0; i < OPS; i++)
		sum += begin ? ops[i].begin : ops[i].weight;
	at = draw(r, sum);
	*c = (struct model_call){ 0 };
	for (unsigned int i = 0; i < OPS; at -= begin ? ops[i].begin : ops[i].weight, i++) {
		if (at < (begin ? ops[i].begin : ops[i].weight)) {
			c->op = i;
			break;
		}
	}
	for (unsigned int i = 0; ops[c->op].args[i]; i++)
		c->arg[i] = draw_arg(r, ops[c->op].args[i], few,
				     ops[c->op].args[0] == 'g' ? c->arg[0] % R_GROUPS == 2 : c->arg[0] >= 16);
	/* Half of the devices are nothing special, and most have not all that can be special. */
	if (c->op == OP_ADD)
		c->arg[2] = (draw(r, 3) ? c->arg[2] & draw(r, UINT32_MAX) : 0) | draw(r, 4);
	if (begin)
		return;
	switch (draw(r, 16)) {
	case 0:
	case 1:
	case 2:
		c->fail = UINT64_C(1) << draw(r, 12);
		break;
	case 3:
		c->fail = draw64(r) & draw64(r);
		break;
	case 4:
		c->fail = draw64(r) & draw64(r) & draw64(r) & draw64(r);
		break;
	case 5:
	case 6:
		c->nomem = 1 + draw(r, 12);
		break;
	}
	if (c->fail) {
		c->lose = draw64(r) & draw64(r);
		c->lose_behind = draw64(r) & draw64(r) & draw64(r);
	}
}

static void print_device(uint32_t arg, uint32_t rid, uint32_t x)
{
	struct uiommu_resv_region region[REGIONS];
	struct uiommu_device_opts o;
	uint16_t aliases[2];
	struct r_dev dev;
	int g = (int)(arg % R_GROUPS);

	draw_device(g, (int)rid, x, &dev, &o, aliases, region);
	printf("group[%d], %u, { max_pasids %u%s%s", g, rid, o.max_pasids, o.untrusted ? ", untrusted" : "",
	       o.deferred ? ", deferred" : "");
	for (unsigned int i = 0; i < o.n_aliases; i++)
		printf(", alias %u", aliases[i]);
	for (unsigned int i = 0; i < o.n_regions; i++)
		printf(", region type %d 0x%llx to 0x%llx", (int)region[i].type,
		       (unsigned long long)region[i].start, (unsigned long long)region[i].last);
	printf(" }");
}

static void print_targets(const struct model_side *s, uint32_t x)
{
	for (unsigned int i = 0; (int)i < targets_in(x); i++) {
		struct target t = target_draw(s, x, i);

		printf("%s{ group[%d], pasid %d, domain[%u], handle %u }", i ? ", " : "", t.group, t.pasid,
		       t.domain, t.handle);
	}
}

void model_call_print(const struct model_side *s, const struct model_call *c)
{
	const struct op_info *op = &ops[c->op % OPS];

	printf("\t%s(", op->name);
	if (c->op == OP_ADD)
		print_device(c->arg[0], c->arg[0] % R_GROUPS == 2 ? 16 + c->arg[1] % 8 : c->arg[1] % 16,
			     c->arg[2]);
	else if (c->op == OP_PREPARE)
		print_targets(s, c->arg[0]);
	for (unsigned int i = 0; op->args[i] && c->op != OP_ADD; i++) {
		uint32_t v = c->arg[i];

		switch (op->args[i]) {
		case 'g':
			printf("group[%d]", group_arg(s, v, (enum op)c->op));
			break;
		case 'r':
			printf("dev[%d]", device_arg(s, v, (enum op)c->op));
			break;
		case 'd':
			printf("%sdomain[%u]", i ? ", " : "",
			       c->op == OP_ALLOC || c->op == OP_FREE ? 1 + v % USER_DOMAINS : v % 10);
			break;
		case 'p':
			printf(", %d", pasid_arg(s, group_arg(s, c->arg[0], (enum op)c->op), v));
			break;
		case 'h':
			printf(", %s", v % 3 ? v % 3 == 1 ? "new handle" : "same handle" : "no handle");
			break;
		case 'o':
			printf(", owner %u", v % 3);
			break;
		case 'w':
			printf(", type %u", v % 3);
			break;
		case 'f':
			printf("%s", v % 2 ? ", gapless" : "");
			break;
		default:
			break;
		}
	}
	printf(");");
	if (c->fail)
		printf("\t/* failing steps 0x%llx, lost 0x%llx, behind 0x%llx */",
		       (unsigned long long)c->fail, (unsigned long long)c->lose,
		       (unsigned long long)c->lose_behind);
	if (c->nomem)
		printf("\t/* allocation %u fails */", c->nomem);
	printf("\n");
}
