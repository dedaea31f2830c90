/* SPDX-License-Identifier: MIT */
/*
 * What stays cached and what goes. Lines of every type and size are cached, memory is
 * changed behind the model's back, one invalidation is given, and every line is probed:
 * exactly those that the specification's table names must be gone, and all others must
 * still give the old answer.
 */
#include "rig.h"

#include <stdio.h>
#include <string.h>

#define NEW_TABLE 2		/* versions of a translation, in bits 38 and up of its output */
#define NEW_LEAF 3

enum type { SECOND, FIRST, PASS };

struct line {
	unsigned int port;	/* index into rids */
	uint32_t pasid;		/* of the request; UIOMMU_NO_PASID: RID_PASID 0 */
	unsigned int did;
	enum type type;
};

static const uint16_t rids[] = { 0x0108, 0x0109, 0x010C, 0x0208 };

static const struct line lines[] = {
	{ 0, UIOMMU_NO_PASID, 9, SECOND },
	{ 0, 1, 11, FIRST },
	{ 0, 2, 11, FIRST },
	{ 0, 3, 12, PASS },
	{ 0, 4, 10, SECOND },
	{ 1, 1, 16, FIRST },
	{ 1, UIOMMU_NO_PASID, 11, SECOND },
	{ 2, 4, 15, SECOND },
	{ 3, UIOMMU_NO_PASID, 10, SECOND },
};
#define LINES (sizeof(lines) / sizeof(lines[0]))
#define PROBE_PASID 40u

struct world {
	struct rig r;
	struct uiommu_port *port[4];
	uint64_t ss[3], fs[3];		/* tables of version 1 and 2 */
	uint64_t ctx[4];		/* context entries */
	uint64_t dir[4][3], table[4][3];
};

static uint32_t table_pasid(uint32_t pasid)
{
	return pasid == UIOMMU_NO_PASID ? 0 : pasid;
}

/* One leaf of 4K << 9 * (level - 1). */
static void map(struct rig *r, uint64_t table, uint64_t iova, unsigned int level, uint64_t version,
		bool first)
{
	uint64_t flags = first ? 7 : 3;

	for (unsigned int l = 4; l > level; l--) {
		uint64_t *e = rig_word(r, table + 8 * ((iova >> (12 + 9 * (l - 1))) & 511));

		if (!*e)
			*e = rig_page(r) | flags;
		table = *e & 0xFFFFFFFFFF000ull;
	}
	*rig_word(r, table + 8 * ((iova >> (12 + 9 * (level - 1))) & 511)) =
		(version << 38 | iova) | flags | (level > 1 ? 0x80 : 0) | (first ? 0x60 : 0);
}

/* The places that line k uses: two pages, one 2M page, one 1G page; and one that nobody has used yet. */
static uint64_t place(unsigned int k, unsigned int what, unsigned int *level)
{
	*level = what == 2 ? 2 : what == 3 ? 3 : 1;
	switch (what) {
	case 2:
		return 0x40000000 + k * 0x200000ull;
	case 3:
		return 0x80000000 + k * 0x40000000ull;
	case 4:
		return 0x2000000 + k * 0x1000ull;
	default:
		return k * 0x100000ull + 0x1000 * (what + 1);
	}
}

static void map_all(struct world *w, unsigned int table, uint64_t version)
{
	unsigned int level;

	for (unsigned int k = 0; k < LINES; k++)
		for (unsigned int what = 0; what < 5; what++) {
			uint64_t iova = place(k, what, &level);

			map(&w->r, w->ss[table], iova, level, version, false);
			map(&w->r, w->fs[table], iova, level, version, true);
		}
}

static void put_pasid(struct world *w, uint64_t entry, enum type type, unsigned int did, unsigned int version)
{
	uint64_t *q = rig_word(&w->r, entry);

	memset(q, 0, 64);
	q[0] = 1 | 2 << 2;
	q[1] = did | 1u << 23;
	if (type == SECOND)
		q[0] |= w->ss[version] | 2 << 6;
	if (type == FIRST) {
		q[0] |= 1 << 6;
		q[2] = w->fs[version];
	}
	if (type == PASS)
		q[0] |= 4 << 6;
}

static void put_context(struct world *w, unsigned int i, unsigned int version)
{
	uint64_t *q = rig_word(&w->r, w->ctx[i]);

	q[0] = w->dir[i][version] | 8 | 1;
	q[1] = 0;
}

static void build(struct world *w, enum uiommu_preset preset, bool own_thread)
{
	struct uiommu_vtd_model_opts opts = {
		.size = sizeof(opts),
		.preset = preset,
		.own_thread = own_thread,
	};
	uint64_t root, tables[2];

	rig_start(&w->r, &opts, false);
	for (unsigned int v = 1; v <= 2; v++) {
		w->ss[v] = rig_page(&w->r);
		w->fs[v] = rig_page(&w->r);
		map_all(w, v, v);
	}
	root = rig_page(&w->r);
	tables[0] = rig_page(&w->r);
	tables[1] = rig_page(&w->r);
	for (unsigned int i = 0; i < 4; i++) {
		*rig_word(&w->r, root + 16 * (rids[i] >> 8)) = tables[i == 3] | 1;
		w->ctx[i] = tables[i == 3] + 32 * (rids[i] & 0x7F);
		for (unsigned int v = 1; v <= 2; v++) {
			w->dir[i][v] = rig_page(&w->r);
			w->table[i][v] = rig_page(&w->r);
			*rig_word(&w->r, w->dir[i][v]) = w->table[i][v] | 1;
			put_pasid(w, w->table[i][v] + 64 * PROBE_PASID, SECOND, 20 + i, v);
		}
		put_context(w, i, 1);
		assert_int_equal(uiommu_port_create(w->r.hw, rids[i], &w->port[i]), 0);
	}
	for (unsigned int k = 0; k < LINES; k++)
		put_pasid(w, w->table[lines[k].port][1] + 64 * table_pasid(lines[k].pasid), lines[k].type,
			  lines[k].did, 1);
	rig_root(&w->r, root | 1u << 10);
	rig_queue_on(&w->r, true);
	rig_flush(&w->r);
	rig_te(&w->r, true);
}

static void end(struct world *w)
{
	for (unsigned int i = 0; i < 4; i++)
		uiommu_port_destroy(w->port[i]);
	assert_int_equal(w->r.misuses, 0);
	rig_stop(&w->r);
}

/* The version that a request sees; 0: identity. */
static unsigned int version_at(struct world *w, unsigned int port, uint32_t pasid, uint64_t iova)
{
	uint64_t pa = 0;

	assert_int_equal(rig_translate(&w->r, w->port[port], pasid, iova, true, &pa), 0);
	assert_true((pa & 0x3FFFFFFFFF) == iova);
	return (unsigned int)(pa >> 38);
}

static void cache_all(struct world *w)
{
	unsigned int level;

	for (unsigned int k = 0; k < LINES; k++)
		for (unsigned int what = 0; what < 4; what++)
			assert_int_equal(version_at(w, lines[k].port, lines[k].pasid, place(k, what, &level)),
					 lines[k].type == PASS ? 0 : 1);
}

/* An invalidation in the terms of the specification's table. */
enum command {
	CC_GLOBAL, CC_DOMAIN, CC_DEVICE,
	PC_GLOBAL, PC_DOMAIN, PC_PASID,
	IOTLB_GLOBAL, IOTLB_DOMAIN, IOTLB_PAGE,
	PIOTLB_PASID, PIOTLB_PAGE,
};

struct inv {
	enum command command;
	unsigned int did, pasid, sid, fm, am;
	uint64_t addr;
};

static void give(struct world *w, const struct inv *i)
{
	uint64_t did = (uint64_t)i->did << 16, pasid = (uint64_t)i->pasid << 32;
	uint64_t page = i->addr | i->am;

	switch (i->command) {
	case CC_GLOBAL:
		rig_push(&w->r, 1 | 1 << 4, 0);
		break;
	case CC_DOMAIN:
		rig_push(&w->r, 1 | 2 << 4 | did, 0);
		break;
	case CC_DEVICE:
		rig_push(&w->r, 1 | 3 << 4 | did | (uint64_t)i->sid << 32 | (uint64_t)i->fm << 48, 0);
		break;
	case PC_GLOBAL:
		rig_push(&w->r, 7 | 3 << 4, 0);
		break;
	case PC_DOMAIN:
		rig_push(&w->r, 7 | did, 0);
		break;
	case PC_PASID:
		rig_push(&w->r, 7 | 1 << 4 | did | pasid, 0);
		break;
	case IOTLB_GLOBAL:
		rig_push(&w->r, 2 | 1 << 4, 0);
		break;
	case IOTLB_DOMAIN:
		rig_push(&w->r, 2 | 2 << 4 | did, 0);
		break;
	case IOTLB_PAGE:
		rig_push(&w->r, 2 | 3 << 4 | did, page);
		break;
	case PIOTLB_PASID:
		rig_push(&w->r, 6 | 2 << 4 | did | pasid, 0);
		break;
	case PIOTLB_PAGE:
		rig_push(&w->r, 6 | 3 << 4 | did | pasid, page);
	}
	assert_true(rig_sync(&w->r));
}

/* 6.2 and 6.5.2: does it drop this IOTLB line? */
static bool drops_iotlb(enum uiommu_preset preset, const struct inv *i, const struct line *l, uint64_t iova,
			unsigned int level)
{
	uint64_t size = 4096ull << (9 * (level - 1)), range = 4096ull << (i->am < 40 ? i->am : 40);
	uint64_t first = i->addr & ~(range - 1);
	bool overlap = iova < first + range && first < iova + size;
	bool pasid = table_pasid(l->pasid) == i->pasid;

	switch (i->command) {
	case IOTLB_GLOBAL:
		return true;
	case IOTLB_DOMAIN:
		return l->did == i->did;
	case IOTLB_PAGE:
		return l->did == i->did && (l->type == FIRST || overlap);
	case PIOTLB_PASID:
		/* Second-stage lines have no PASID in their tag, unless hardware remembers it. */
		return l->did == i->did && pasid && (l->type != SECOND || preset == UIOMMU_PRESET_IN_ORDER);
	case PIOTLB_PAGE:
		return l->did == i->did && pasid && l->type == FIRST && overlap;
	default:
		return false;
	}
}

static bool drops_pasid(const struct inv *i, const struct line *l)
{
	switch (i->command) {
	case PC_GLOBAL:
		return true;
	case PC_DOMAIN:
		return l->did == i->did;
	case PC_PASID:
		return l->did == i->did && table_pasid(l->pasid) == i->pasid;
	default:
		return false;
	}
}

static bool drops_context(const struct inv *i, uint16_t rid)
{
	static const unsigned int ignore[] = { 0, 4, 6, 7 };

	switch (i->command) {
	case CC_GLOBAL:
	case CC_DOMAIN:		/* scalable entries have no domain id */
		return true;
	case CC_DEVICE:
		return (rid | ignore[i->fm]) == (i->sid | ignore[i->fm]);
	default:
		return false;
	}
}

static const struct inv invs[] = {
	{ .command = CC_GLOBAL },
	{ .command = CC_DOMAIN, .did = 10 },
	{ .command = CC_DEVICE, .sid = 0x0108 },
	{ .command = CC_DEVICE, .sid = 0x0108, .fm = 1 },
	{ .command = CC_DEVICE, .sid = 0x010F, .fm = 2 },
	{ .command = CC_DEVICE, .sid = 0x010F, .fm = 3 },
	{ .command = CC_DEVICE, .sid = 0x0208, .fm = 3 },
	{ .command = CC_DEVICE, .sid = 0x0300, .fm = 3 },
	{ .command = PC_GLOBAL },
	{ .command = PC_DOMAIN, .did = 11 },
	{ .command = PC_DOMAIN, .did = 10 },
	{ .command = PC_PASID, .did = 11, .pasid = 1 },
	{ .command = PC_PASID, .did = 10, .pasid = 0 },
	{ .command = PC_PASID, .did = 10, .pasid = 1 },
	{ .command = IOTLB_GLOBAL },
	{ .command = IOTLB_DOMAIN, .did = 10 },
	{ .command = IOTLB_DOMAIN, .did = 11 },
	{ .command = IOTLB_DOMAIN, .did = 12 },
	{ .command = IOTLB_DOMAIN, .did = 1 },
	{ .command = IOTLB_PAGE, .did = 9, .addr = 0x1000 },
	{ .command = IOTLB_PAGE, .did = 9, .addr = 0x1000, .am = 1 },
	{ .command = IOTLB_PAGE, .did = 9, .addr = 0, .am = 18 },
	{ .command = IOTLB_PAGE, .did = 9, .addr = 0x40123000 },
	{ .command = IOTLB_PAGE, .did = 9, .addr = 0x40000000, .am = 11 },
	{ .command = IOTLB_PAGE, .did = 9, .addr = 0xBFFFF000 },
	{ .command = IOTLB_PAGE, .did = 9, .addr = 0xC0000000 },
	{ .command = IOTLB_PAGE, .did = 9, .addr = 0x1234567000, .am = 5 },
	{ .command = IOTLB_PAGE, .did = 11, .addr = 0x1000 },
	{ .command = IOTLB_PAGE, .did = 12, .addr = 0x301000 },
	{ .command = PIOTLB_PASID, .did = 11, .pasid = 1 },
	{ .command = PIOTLB_PASID, .did = 11, .pasid = 0 },
	{ .command = PIOTLB_PASID, .did = 10, .pasid = 4 },
	{ .command = PIOTLB_PASID, .did = 12, .pasid = 3 },
	{ .command = PIOTLB_PASID, .did = 12, .pasid = 1 },
	{ .command = PIOTLB_PAGE, .did = 11, .pasid = 1, .addr = 0x101000 },
	{ .command = PIOTLB_PAGE, .did = 11, .pasid = 1, .addr = 0x100000, .am = 3 },
	{ .command = PIOTLB_PAGE, .did = 11, .pasid = 2, .addr = 0x40000000, .am = 30 },
	{ .command = PIOTLB_PAGE, .did = 11, .pasid = 2, .addr = 0, .am = 63 },
	{ .command = PIOTLB_PAGE, .did = 10, .pasid = 4, .addr = 0x401000 },
	{ .command = PIOTLB_PAGE, .did = 12, .pasid = 3, .addr = 0x301000 },
};
#define INVS (sizeof(invs) / sizeof(invs[0]))

static void iotlb_granularities(enum uiommu_preset preset)
{
	for (unsigned int n = 0; n < INVS; n++) {
		struct inv one = { .command = PC_PASID };
		struct world w;
		unsigned int level;

		build(&w, preset, n & 1);
		cache_all(&w);
		map_all(&w, 1, NEW_LEAF);
		give(&w, &invs[n]);
		for (unsigned int k = 0; k < LINES; k++) {
			const struct line *l = &lines[k];

			/* Pass-through lines show when the entry translates and keeps its tags. */
			if (l->type == PASS && preset != UIOMMU_PRESET_WEAKEST)
				continue;	/* not cached */
			if (l->type == PASS) {
				put_pasid(&w, w.table[l->port][1] + 64 * l->pasid, FIRST, l->did, 1);
				one.did = l->did;
				one.pasid = l->pasid;
				give(&w, &one);
			}
			for (unsigned int what = 0; what < 4; what++) {
				uint64_t iova = place(k, what, &level);
				unsigned int v = version_at(&w, l->port, l->pasid, iova);
				unsigned int old = l->type != PASS;

				if (l->type == PASS)
					level = 1;	/* cached by pages */
				if (v != (drops_iotlb(preset, &invs[n], l, iova, level) ? NEW_LEAF : old))
					fail_msg("invalidation %u, line %u, place %u: version %u", n, k,
						 what, v);
			}
		}
		end(&w);
	}
}

static void test_iotlb_granularities(void **state)
{
	iotlb_granularities(UIOMMU_PRESET_WEAKEST);
	iotlb_granularities(UIOMMU_PRESET_IN_ORDER);
}

static void test_pasid_granularities(void **state)
{
	for (unsigned int n = 0; n < INVS; n++) {
		struct world w;
		unsigned int level;

		build(&w, UIOMMU_PRESET_WEAKEST, false);
		cache_all(&w);
		for (unsigned int k = 0; k < LINES; k++)
			put_pasid(&w, w.table[lines[k].port][1] + 64 * table_pasid(lines[k].pasid),
				  lines[k].type == PASS ? SECOND : lines[k].type, 30 + k, NEW_TABLE);
		give(&w, &invs[n]);
		for (unsigned int k = 0; k < LINES; k++) {
			unsigned int v = version_at(&w, lines[k].port, lines[k].pasid, place(k, 4, &level));
			unsigned int old = lines[k].type == PASS ? 0 : 1;

			if (v != (drops_pasid(&invs[n], &lines[k]) ? NEW_TABLE : old))
				fail_msg("invalidation %u, line %u: version %u", n, k, v);
		}
		end(&w);
	}
}

static void test_context_granularities(void **state)
{
	for (unsigned int n = 0; n < INVS; n++) {
		struct world w;
		unsigned int level;

		build(&w, UIOMMU_PRESET_WEAKEST, false);
		cache_all(&w);
		for (unsigned int i = 0; i < 4; i++)
			put_context(&w, i, 2);
		give(&w, &invs[n]);
		for (unsigned int i = 0; i < 4; i++) {
			unsigned int v = version_at(&w, i, PROBE_PASID, place(i, 4, &level));

			if (v != (drops_context(&invs[n], rids[i]) ? 2 : 1))
				fail_msg("invalidation %u, port %u: version %u", n, i, v);
		}
		end(&w);
	}
}

/* Legacy mode: context entries carry the domain id, so that a domain-selective one takes just those. */
static void legacy_granularities(enum uiommu_preset preset)
{
	static const unsigned int dids[4] = { 10, 11, 10, 12 };
	static const struct inv some[] = {
		{ .command = CC_GLOBAL },
		{ .command = CC_DOMAIN, .did = 10 },
		{ .command = CC_DOMAIN, .did = 13 },
		{ .command = CC_DEVICE, .did = 10, .sid = 0x0108 },
		{ .command = CC_DEVICE, .did = 10, .sid = 0x0108, .fm = 3 },
		{ .command = CC_DEVICE, .did = 11, .sid = 0x0108 },
		{ .command = CC_DEVICE, .did = 11, .sid = 0x0108, .fm = 3 },
		{ .command = CC_DEVICE, .did = 0, .sid = 0x0208 },
		{ .command = IOTLB_GLOBAL },
		{ .command = IOTLB_DOMAIN, .did = 10 },
		{ .command = IOTLB_PAGE, .did = 11, .addr = 0x1000 },
	};

	for (unsigned int n = 0; n < sizeof(some) / sizeof(some[0]); n++) {
		struct world w;
		uint64_t root, tables[2], ctx[4];
		unsigned int level;

		build(&w, preset, false);
		rig_te(&w.r, false);
		root = rig_page(&w.r);
		tables[0] = rig_page(&w.r);
		tables[1] = rig_page(&w.r);
		for (unsigned int i = 0; i < 4; i++) {
			*rig_word(&w.r, root + 16 * (rids[i] >> 8)) = tables[i == 3] | 1;
			ctx[i] = tables[i == 3] + 16 * (rids[i] & 0xFF);
			*rig_word(&w.r, ctx[i]) = w.ss[1] | 1;
			*rig_word(&w.r, ctx[i] + 8) = 2 | dids[i] << 8;
		}
		rig_root(&w.r, root);
		rig_push(&w.r, 1 | 1u << 4, 0);
		rig_push(&w.r, 2 | 1u << 4, 0);
		assert_true(rig_sync(&w.r));
		rig_te(&w.r, true);
		for (unsigned int i = 0; i < 4; i++)
			assert_int_equal(version_at(&w, i, UIOMMU_NO_PASID, place(0, 0, &level)), 1);
		/* Another table, with the old domain id; the old page in the IOTLB changed too. */
		for (unsigned int i = 0; i < 4; i++)
			*rig_word(&w.r, ctx[i]) = w.ss[2] | 1;
		map_all(&w, 1, NEW_LEAF);
		give(&w, &some[n]);
		for (unsigned int i = 0; i < 4; i++) {
			struct line l = { i, UIOMMU_NO_PASID, dids[i], SECOND };
			bool ctx_gone = drops_context(&some[n], rids[i]);
			unsigned int v;

			if (some[n].command == CC_DOMAIN)
				ctx_gone = some[n].did == dids[i];
			/* Device-selective by a wrong domain id: the weakest keeps the line. */
			if (some[n].command == CC_DEVICE && preset == UIOMMU_PRESET_WEAKEST)
				ctx_gone &= some[n].did == dids[i];
			v = version_at(&w, i, UIOMMU_NO_PASID, place(0, 0, &level));
			if (i < 2 || i == 3)	/* port 2 shares the lines of port 0 */
				assert_int_equal(v, !drops_iotlb(preset, &some[n], &l, 0x1000, 1) ? 1 :
						    ctx_gone ? 2 : NEW_LEAF);
			v = version_at(&w, i, UIOMMU_NO_PASID, place(i, 4, &level));
			if (i < 2 || i == 3)	/* and the tables, where they are cached */
				if (v != (ctx_gone ? 2 : NEW_LEAF))
					fail_msg("preset %d, invalidation %u, port %u: version %u",
						 (int)preset, n, i, v);
		}
		end(&w);
	}
}

static void test_legacy_granularities(void **state)
{
	legacy_granularities(UIOMMU_PRESET_WEAKEST);
	legacy_granularities(UIOMMU_PRESET_IN_ORDER);
}

/*
 * Tables are cached under the tags of translations: IH=1 keeps them, IH=0 does not, and
 * a command that is not for their type does not either.
 */
static void test_tables(void **state)
{
	static const struct {
		unsigned int line;	/* index into lines */
		uint64_t w0, w1;
		bool kept;
	} cases[] = {
		{ 0, 2 | 3 << 4 | 9 << 16, 0x5000, false },
		{ 0, 2 | 3 << 4 | 9 << 16, 0x5000 | 1 << 6, true },
		{ 0, 2 | 3 << 4 | 9 << 16, 18, false },
		{ 0, 2 | 3 << 4 | 9 << 16, 18 | 1 << 6, true },
		{ 0, 2 | 3 << 4 | 9 << 16, 0x600000, true },
		{ 0, 2 | 3 << 4 | 10 << 16, 0x5000, true },
		{ 0, 2 | 2 << 4 | 9 << 16, 0, false },
		{ 0, 2 | 1 << 4, 0, false },
		{ 0, 6 | 2 << 4 | 9 << 16, 0, true },
		{ 0, 6 | 3 << 4 | 9 << 16, 0x5000, true },
		{ 1, 6 | 3 << 4 | 11 << 16 | 1ull << 32, 0x5000, false },
		{ 1, 6 | 3 << 4 | 11 << 16 | 1ull << 32, 0x5000 | 1 << 6, true },
		{ 1, 6 | 3 << 4 | 11 << 16 | 2ull << 32, 0x5000, true },
		{ 1, 6 | 2 << 4 | 11 << 16 | 1ull << 32, 0, false },
		{ 1, 6 | 2 << 4 | 11 << 16 | 2ull << 32, 0, true },
		{ 1, 2 | 2 << 4 | 11 << 16, 0, false },
		{ 1, 7 | 3 << 4, 0, true },
	};

	for (unsigned int n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		const struct line *l = &lines[cases[n].line];
		struct world w;
		uint64_t *e, other;

		build(&w, UIOMMU_PRESET_WEAKEST, false);
		/* Two pages in the region of 2M that one table of the lowest level spans. */
		map(&w.r, w.ss[1], 0x5000, 1, 1, false);
		map(&w.r, w.fs[1], 0x5000, 1, 1, true);
		e = rig_word(&w.r, l->type == SECOND ? w.ss[1] : w.fs[1]);
		for (unsigned int level = 4; level > 2; level--)
			e = rig_word(&w.r, *e & ~0xFFFull);
		assert_int_equal(version_at(&w, l->port, l->pasid, place(0, 0, &(unsigned int){ 0 })), 1);
		/* Another table, in which the second page goes elsewhere; the second page is not cached. */
		other = rig_page(&w.r);
		*rig_word(&w.r, other + 40) = (2ull << 38 | 0x5000) | (l->type == SECOND ? 3 : 0x67);
		*e = other | (*e & 0xFFF);
		rig_push(&w.r, cases[n].w0, cases[n].w1);
		assert_true(rig_sync(&w.r));
		if (version_at(&w, l->port, l->pasid, 0x5000) != (cases[n].kept ? 1 : 2))
			fail_msg("case %u", n);
		end(&w);
	}
}

/* Without caches nothing is stale, whatever software forgets. */
static void test_qemu_preset(void **state)
{
	struct world w;
	unsigned int level;

	build(&w, UIOMMU_PRESET_QEMU, false);
	cache_all(&w);
	map_all(&w, 1, NEW_LEAF);
	for (unsigned int k = 0; k < LINES; k++)
		if (lines[k].type != PASS)
			assert_int_equal(version_at(&w, lines[k].port, lines[k].pasid, place(k, 0, &level)),
					 NEW_LEAF);
	put_pasid(&w, w.table[0][1] + 64, SECOND, 11, 2);
	assert_int_equal(version_at(&w, 0, 1, place(0, 0, &level)), 2);
	put_context(&w, 0, 2);
	assert_int_equal(version_at(&w, 0, PROBE_PASID, place(0, 0, &level)), 2);
	end(&w);
}

/* What is not present is not cached: making it present needs no invalidation (CAP.CM=0). */
static void test_absent_not_cached(void **state)
{
	struct world w;
	uint64_t pa, *q;

	build(&w, UIOMMU_PRESET_WEAKEST, false);
	assert_int_equal(rig_translate(&w.r, w.port[0], 7, 0x1000, false, &pa), 0x59);
	put_pasid(&w, w.table[0][1] + 64 * 7, SECOND, 50, 1);
	assert_int_equal(rig_translate(&w.r, w.port[0], 7, 0x5000000, false, &pa), 0x79);
	map(&w.r, w.ss[1], 0x5000000, 1, 1, false);
	assert_int_equal(rig_translate(&w.r, w.port[0], 7, 0x5000000, false, &pa), 0);
	q = rig_word(&w.r, w.ctx[1]);
	q[0] &= ~1ull;
	assert_int_equal(rig_translate(&w.r, w.port[1], 1, 0x1000, false, &pa), 0x41);
	q[0] |= 1;
	assert_int_equal(rig_translate(&w.r, w.port[1], 1, 0x1000, false, &pa), 0);
	end(&w);
}

/* Permissions are part of a line: more of them need an invalidation. D is asked of memory. */
static void test_permissions_and_dirty(void **state)
{
	struct inv flush = { .command = IOTLB_DOMAIN, .did = 9 };
	struct world w;
	uint64_t pa, l1, *e;

	build(&w, UIOMMU_PRESET_WEAKEST, false);
	l1 = *rig_word(&w.r, w.ss[1]) & ~0xFFFull;
	l1 = *rig_word(&w.r, l1) & ~0xFFFull;
	l1 = *rig_word(&w.r, l1) & ~0xFFFull;
	e = rig_word(&w.r, l1 + 8);
	*e &= ~2ull;
	assert_int_equal(rig_translate(&w.r, w.port[0], UIOMMU_NO_PASID, 0x1000, false, &pa), 0);
	*e |= 2;
	assert_int_equal(rig_translate(&w.r, w.port[0], UIOMMU_NO_PASID, 0x1000, true, &pa), 0x85);
	give(&w, &flush);
	assert_int_equal(rig_translate(&w.r, w.port[0], UIOMMU_NO_PASID, 0x1000, true, &pa), 0);

	l1 = *rig_word(&w.r, w.fs[1]) & ~0xFFFull;
	l1 = *rig_word(&w.r, l1) & ~0xFFFull;
	l1 = *rig_word(&w.r, l1) & ~0xFFFull;
	e = rig_word(&w.r, l1 + 8);
	*e &= ~0x60ull;
	assert_int_equal(rig_translate(&w.r, w.port[0], 1, 0x1000, false, &pa), 0);
	assert_int_equal(*e & 0x60, 0x20);
	assert_int_equal(rig_translate(&w.r, w.port[0], 1, 0x1000, true, &pa), 0);
	assert_int_equal(*e & 0x60, 0x60);
	/* Cleared without a flush: not set again. */
	*e &= ~0x60ull;
	assert_int_equal(rig_translate(&w.r, w.port[0], 1, 0x1000, true, &pa), 0);
	assert_int_equal(*e & 0x60, 0);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iotlb_granularities),  cmocka_unit_test(test_pasid_granularities),
		cmocka_unit_test(test_context_granularities), cmocka_unit_test(test_legacy_granularities),
		cmocka_unit_test(test_qemu_preset),	      cmocka_unit_test(test_absent_not_cached),
		cmocka_unit_test(test_permissions_and_dirty), cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests_name("vtd caches", tests, NULL, NULL);
}
