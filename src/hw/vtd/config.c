/* SPDX-License-Identifier: MIT */
/*
 * From a requester to its translation type: root, context, PASID directory and
 * PASID table (3.4), through the context cache and the PASID cache.
 *
 * Invariants:
 * 1. An entry is read in aligned units of 16 bytes, each once. Preset weakest reads
 *    the unit with P first and the others in any order: the weakest order under which
 *    6.5.3.3's way of making an entry present (all other fields, then P) is correct.
 * 2. If an invalidation of the entry's cache that covers the entry began between the
 *    first and the last unit, all are read again: software may rely on a completed
 *    invalidation to have ended fetches of an entry that was half old. Whether a PASID
 *    entry is covered says the domain id that was read; before that is read (preset
 *    any-order), any PASID-cache invalidation covers the fetch. An entry that was read
 *    wholly may be used by its transaction, whatever completes meanwhile.
 * 3. Fault precedence is that of the walk: mode, root, context, directory, PASID entry;
 *    within an entry that of decode.h.
 */
#include <string.h>

#include "base/choice.h"
#include "hw/vtd/access.h"
#include "hw/vtd/vtd_model.h"

#define ENTRY_P BIT64(0)	/* of every entry, in its word 0 */
#define SM_CONTEXT_UNITS 2
#define PASID_UNITS 4
#define QEMU_READS 16		/* a whole entry is one that reads alike twice; how often to try */

_Static_assert(sizeof(struct vtd_context) <= CONFIG_WORDS * 8, "line too small");
_Static_assert(sizeof(struct vtd_sm_context) <= CONFIG_WORDS * 8, "line too small");
_Static_assert(sizeof(struct vtd_pasid) <= CONFIG_WORDS * 8, "line too small");

enum {
	KEY_LEGACY = 1,
	KEY_SCALABLE = 2,
	KEY_PASID = 4,		/* plus the PASID in the upper half */
};

/* ---- fetching ---- */

static int load_unit(struct vtd_txn *t, uint64_t pa, uint64_t *e)
{
	struct u128 v;
	int err = mem_load128(t->model->hw.ctx->mem, pa, &v);

	if (err)
		return err;
	e[0] = v.lo;
	e[1] = v.hi;
	return 0;
}

/* The k-th unit that is left, from below or from above. */
static unsigned int kth(unsigned int left, unsigned int k, bool from_above)
{
	for (;; k--) {
		unsigned int i = (unsigned int)(from_above ? 31 - __builtin_clz(left) : __builtin_ctz(left));

		if (!k)
			return i;
		left &= ~(1u << i);
	}
}

/* One entry on its way in. */
struct fetch {
	uint64_t since;		/* this try came after this invalidation, or the begin of it */
	uint64_t blind;		/* last PASID-cache invalidation when the domain id was read */
};

static int fetch_once(struct vtd_txn *t, struct fetch *f, uint64_t pa, unsigned int units, uint64_t *e)
{
	enum uiommu_preset preset = t->model->preset;
	bool any = preset == UIOMMU_PRESET_ANY_ORDER;
	unsigned int left = (1u << units) - 1;

	while (left) {
		unsigned int n = (unsigned int)__builtin_popcount(left);
		unsigned int k = 0, i;
		int err;

		if (n < units && preset != UIOMMU_PRESET_QEMU)
			choice_interleave(CHOICE_FETCH);
		if (any || (preset == UIOMMU_PRESET_WEAKEST && n < units))
			k = choose(CHOICE_FETCH_ORDER, n);
		/* Production has no adversary: the far end first is the order that software expects least. */
		i = kth(left, k, any);
		err = load_unit(t, pa + 16 * i, e + 2 * i);
		if (err)
			return err;
		if (i == 0)
			f->blind = gen_read(&t->model->cache.pasid_any);
		if (i == 0 && !(e[0] & ENTRY_P))
			return 0;	/* nothing else counts (9.x: ignored when P=0) */
		left &= ~(1u << i);
	}
	return 0;
}

/* Preset qemu: as if read at once. Memory that changes all the time is used as it is. */
static int fetch_whole(struct vtd_txn *t, struct fetch *f, uint64_t pa, unsigned int units, uint64_t *e)
{
	uint64_t again[VTD_PE_WORDS];
	int err = fetch_once(t, f, pa, units, e);

	for (unsigned int i = 0; !err && units > 1 && i < QEMU_READS; i++) {
		memset(again, 0, sizeof(again));
		err = fetch_once(t, f, pa, units, again);
		if (err || !memcmp(again, e, units * 16))
			break;
		memcpy(e, again, units * 16);
	}
	return err;
}

/* (2) The last invalidation that covers what was fetched; 0: none. */
static uint64_t covered(struct vtd_txn *t, const struct fetch *f, unsigned int units, const uint64_t *e)
{
	struct cache *c = &t->model->cache;
	uint64_t gen;

	if (units == SM_CONTEXT_UNITS)
		return cache_context_gen(c, &t->port->context_gen);
	if (units != PASID_UNITS)
		return 0;
	gen = cache_pasid_gen(c, (uint16_t)field_get(VTD_PE1_DID, e[1]), t->pasid);
	return f->blind > gen ? f->blind : gen;
}

static int fetch_entry(struct vtd_txn *t, uint64_t pa, unsigned int units, uint64_t *e)
{
	struct fetch f = { 0 };
	uint64_t gen = cache_begin(&t->model->cache);
	int err;

	if (pa & vtd_beyond_haw(&t->model->caps))
		return -1;
	do {
		/* Not the count, once it was covered: whoever raises it may not be running. */
		f.since = gen;
		memset(e, 0, units * 16);
		if (t->model->preset == UIOMMU_PRESET_QEMU)
			err = fetch_whole(t, &f, pa, units, e);
		else
			err = fetch_once(t, &f, pa, units, e);
		gen = covered(t, &f, units, e);
	} while (!err && (e[0] & ENTRY_P) && gen > f.since);
	return err;
}

/* ---- caches ---- */

/* True: out is what was cached, with its stamp. */
static bool cached(struct vtd_txn *t, struct config_line *line, uint64_t key, void *out, size_t size,
		   uint64_t *stamp)
{
	uint64_t words[CONFIG_WORDS];

	if (!t->model->caching)
		return false;
	if (choose(CHOICE_EVICT, 2))
		config_drop(line);
	if (!config_read(line, key, words, stamp) || choose(CHOICE_HIT, 2))
		return false;
	memcpy(out, words, size);
	return true;
}

static void fill(struct vtd_txn *t, struct config_line *line, uint64_t key, const void *in, size_t size)
{
	uint64_t words[CONFIG_WORDS] = { 0 };

	if (!t->model->caching || choose(CHOICE_FILL, 2))
		return;
	memcpy(words, in, size);
	config_fill(line, key, words, t->stamp);
}

/* ---- legacy mode ---- */

static enum vtd_reason read_context(struct vtd_txn *t, struct vtd_context *out)
{
	const struct vtd_caps *caps = &t->model->caps;
	uint16_t rid = t->port->port.rid;
	uint64_t e[2], table;
	enum vtd_reason reason;

	if (fetch_entry(t, (t->live & VTD_RTADDR_RTA) + (rid >> 8) * VTD_ROOT_ENTRY_SIZE, 1, e))
		return VTD_LRT_1;
	reason = vtd_decode_root(caps, e, &table);
	if (reason)
		return reason;
	choice_interleave(CHOICE_WALK);
	if (fetch_entry(t, table + (rid & 0xFF) * VTD_CONTEXT_ENTRY_SIZE, 1, e))
		return VTD_LCT_1;
	reason = vtd_decode_context(caps, e, out);
	t->fpd |= out->fpd;
	return reason;
}

static enum vtd_reason lookup_legacy(struct vtd_txn *t)
{
	struct vtd_port *port = t->port;
	struct cache *c = &t->model->cache;
	struct vtd_context ctx;
	enum vtd_reason reason;
	uint64_t stamp;

	if (t->req->pasid != UIOMMU_NO_PASID)
		return VTD_RTA_2;
	if (cached(t, &port->context, KEY_LEGACY, &ctx, sizeof(ctx), &stamp) &&
	    cache_legacy_gen(c, &port->context_gen, port->port.rid, ctx.did) <= stamp) {
		t->fpd |= ctx.fpd;
	} else {
		reason = read_context(t, &ctx);
		if (reason)
			return reason;
		choice_interleave(CHOICE_FILL);
		fill(t, &port->context, KEY_LEGACY, &ctx, sizeof(ctx));
	}
	t->pasid = 0;
	t->xlat.pgtt = ctx.tt == VTD_TT_PASS ? VTD_PGTT_PASS : VTD_PGTT_SECOND;
	t->xlat.did = ctx.did;
	t->xlat.ptr = ctx.ptr;
	t->xlat.levels = ctx.levels;
	t->xlat.width = ctx.width;
	return VTD_OK;
}

/* ---- scalable mode ---- */

static enum vtd_reason read_sm_context(struct vtd_txn *t, struct vtd_sm_context *out)
{
	const struct vtd_caps *caps = &t->model->caps;
	uint16_t rid = t->port->port.rid;
	uint64_t e[4], table;
	enum vtd_reason reason;

	if (fetch_entry(t, (t->live & VTD_RTADDR_RTA) + (rid >> 8) * VTD_ROOT_ENTRY_SIZE, 1, e))
		return VTD_SRT_1;
	/* One unit holds both halves; each has its own P, and only ours is looked at. */
	reason = vtd_decode_sm_root(caps, rid & 0x80 ? e[1] : e[0], &table);
	if (reason)
		return reason;
	choice_interleave(CHOICE_WALK);
	if (fetch_entry(t, table + (rid & 0x7F) * VTD_SM_CONTEXT_ENTRY_SIZE, SM_CONTEXT_UNITS, e))
		return VTD_SCT_1;
	reason = vtd_decode_sm_context(caps, e, out);
	t->fpd |= out->fpd;
	return reason;
}

static enum vtd_reason read_pasid(struct vtd_txn *t, uint64_t dir, struct vtd_pasid *out)
{
	const struct vtd_caps *caps = &t->model->caps;
	struct vtd_pasid_dir pde;
	uint64_t e[VTD_PE_WORDS], word, pa = dir + VTD_PASID_DIR_INDEX(t->pasid) * VTD_PASID_DIR_ENTRY_SIZE;
	enum vtd_reason reason;

	choice_interleave(CHOICE_WALK);
	if ((pa & vtd_beyond_haw(caps)) || vtd_table_load64(t->model->hw.ctx, pa, &word))
		return VTD_SPD_1;
	reason = vtd_decode_pasid_dir(caps, word, &pde);
	t->fpd |= pde.fpd;
	if (reason)
		return reason;
	choice_interleave(CHOICE_WALK);
	if (fetch_entry(t, pde.table + VTD_PASID_TABLE_INDEX(t->pasid) * VTD_PASID_ENTRY_SIZE,
			PASID_UNITS, e))
		return VTD_SPT_1;
	reason = vtd_decode_pasid(caps, e, out);
	/* Of the line: FPD of both entries that it stands for. */
	out->fpd |= pde.fpd;
	t->fpd |= out->fpd;
	return reason;
}

static enum vtd_reason check_pasid(struct vtd_txn *t, const struct vtd_sm_context *ctx)
{
	if (t->req->pasid == UIOMMU_NO_PASID) {
		t->pasid = ctx->rid_pasid;
		return t->pasid < ctx->pasid_limit ? VTD_OK : VTD_SCT_9;
	}
	t->pasid = t->req->pasid;
	if (!ctx->paside)
		return VTD_SCT_6;
	return t->pasid < ctx->pasid_limit ? VTD_OK : VTD_SCT_7;
}

static enum vtd_reason lookup_sm_context(struct vtd_txn *t, struct vtd_sm_context *ctx)
{
	struct vtd_port *port = t->port;
	struct cache *c = &t->model->cache;
	enum vtd_reason reason;
	uint64_t stamp;

	if (cached(t, &port->context, KEY_SCALABLE, ctx, sizeof(*ctx), &stamp) &&
	    cache_context_gen(c, &port->context_gen) <= stamp) {
		t->fpd |= ctx->fpd;
		return VTD_OK;
	}
	reason = read_sm_context(t, ctx);
	choice_interleave(CHOICE_FILL);
	if (!reason)
		fill(t, &port->context, KEY_SCALABLE, ctx, sizeof(*ctx));
	return reason;
}

static enum vtd_reason lookup_scalable(struct vtd_txn *t)
{
	struct cache *c = &t->model->cache;
	struct vtd_sm_context ctx;
	struct config_line *line;
	enum vtd_reason reason;
	uint64_t stamp, key;

	reason = lookup_sm_context(t, &ctx);
	if (!reason)
		reason = check_pasid(t, &ctx);
	if (reason)
		return reason;
	line = &t->port->pasid[t->pasid % VTD_PORT_PASIDS];
	key = (uint64_t)t->pasid << 32 | KEY_PASID;
	if (cached(t, line, key, &t->xlat, sizeof(t->xlat), &stamp) &&
	    cache_pasid_gen(c, t->xlat.did, t->pasid) <= stamp) {
		t->fpd |= t->xlat.fpd;
		return VTD_OK;
	}
	reason = read_pasid(t, ctx.dir, &t->xlat);
	choice_interleave(CHOICE_FILL);
	if (!reason)
		fill(t, line, key, &t->xlat, sizeof(t->xlat));
	return reason;
}

enum vtd_reason vtd_config_lookup(struct vtd_txn *t)
{
	uint64_t ttm = field_get(VTD_RTADDR_TTM, t->live);

	t->legacy = ttm == VTD_TTM_LEGACY;
	if (t->legacy)
		return lookup_legacy(t);
	if (ttm != VTD_TTM_SCALABLE || !(t->model->caps.ecap & VTD_ECAP_SMTS))
		return VTD_RTA_1;
	return lookup_scalable(t);
}
