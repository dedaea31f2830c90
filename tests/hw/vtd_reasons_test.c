/* SPDX-License-Identifier: MIT */
/*
 * Every fault reason that the model can raise, each reached by DMA through tables made
 * by hand: good ones, of which one or two words are changed. The access is refused with
 * that reason, memory stays as it is, and the record says what the specification wants,
 * or is missing where FPD suppresses it. The list is complete: it is compared with the
 * names in layout.h and with those that the model's sources use. The same for the
 * reasons of the invalidation queue.
 */
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hw/vtd/layout.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOWHERE UINT64_C(0x18000000)	/* no memory there, but within every address width */
#define IOVA UINT64_C(0x12345678000)
#define MARK UINT64_C(0x5EEDF00D5EEDF00D)
#define RID 0x1234u
#define PASID 0x43u	/* of the request, and RID_PASID: entry 3 of directory entry 1 */
#define HAW 46
#define POINTER UINT64_C(0xFFFFFFFFFF000)
#define BIT(n) (UINT64_C(1) << (n))

/* Kinds of tables; what they have in common is typed once. */
enum kind { LEGACY, LEGACY_PASS, FIRST, SECOND, PASS };

/* Words that a row can change. */
enum where { NOTHING, RTADDR, ROOT, CTX, CTX1, DIR, PE, PE1, PE2, L4, L3, L2, L1, WHERES };

enum pasid_use { BOTH, NONE, ONLY };	/* requests without PASID, with one; in legacy mode without */

struct row {
	enum vtd_reason reason;
	const char *name;
	bool qualified;		/* FPD suppresses the record */
	enum kind kind;
	struct {
		enum where at;
		uint64_t keep, set;
	} edit[2];
	uint64_t iova;		/* 0: IOVA */
	bool write;
	enum pasid_use use;
	uint32_t pasid;		/* 0: PASID */
	bool accessor;		/* memory without atomic updates */
};

#define Q(reason) VTD_##reason, "VTD_" #reason, true	/* qualified */
#define U(reason) VTD_##reason, "VTD_" #reason, false
#define KEEP(at, clear) { at, ~(uint64_t)(clear), 0 }
#define SET(at, bits) { at, UINT64_MAX, bits }
#define PUT(at, clear, bits) { at, ~(uint64_t)(clear), bits }
#define TO_NOWHERE(at) { at, ~POINTER, NOWHERE }
#define TO_MSI(at) { at, ~POINTER, UINT64_C(0xFEE00000) }

static const struct row rows[] = {
	/* Legacy mode */
	{ U(LRT_1), LEGACY, { TO_NOWHERE(RTADDR) } },
	{ U(LRT_2), LEGACY, { KEEP(ROOT, 1) } },
	{ U(LRT_3), LEGACY, { SET(ROOT, BIT(5)) } },
	{ U(LCT_1), LEGACY, { TO_NOWHERE(ROOT) } },
	{ Q(LCT_2), LEGACY, { KEEP(CTX, 1) } },
	{ Q(LCT_3), LEGACY, { SET(CTX, BIT(7)) } },
	{ Q(LCT_3), LEGACY, { SET(CTX1, BIT(7)) } },
	{ Q(LCT_4), LEGACY, { SET(CTX, 3 << 2) } },
	{ Q(LCT_4), LEGACY, { SET(CTX, 1 << 2) } },	/* device TLBs are not there */
	{ Q(LCT_4), LEGACY, { KEEP(CTX1, 7) } },
	{ Q(LCT_4), LEGACY, { TO_NOWHERE(CTX) } },
	{ Q(LGN_1), LEGACY, { { 0 } }, .iova = BIT(48) },
	{ Q(LGN_1), LEGACY_PASS, { { 0 } }, .iova = BIT(HAW) },
	{ Q(LGN_2), LEGACY, { KEEP(L1, 2) }, .write = true },
	{ Q(LGN_2), LEGACY, { KEEP(L2, 3) }, .write = true },
	{ Q(LGN_3), LEGACY, { KEEP(L1, 1) } },
	{ Q(LGN_3), LEGACY, { KEEP(L3, 3) } },
	{ Q(LGN_4), LEGACY, { TO_MSI(L1) } },
	{ Q(LSS_1), LEGACY, { TO_NOWHERE(L4) } },
	{ Q(LSS_1), LEGACY, { TO_NOWHERE(L2) } },
	{ Q(LSS_2), LEGACY, { SET(L1, BIT(62)) } },
	{ Q(LSS_2), LEGACY, { SET(L4, BIT(7)) } },
	/* Of requests and modes */
	{ U(INT_RANGE), LEGACY, { { 0 } }, .iova = 0xFEE01000 },
	{ U(INT_RANGE), SECOND, { { 0 } }, .iova = 0xFEE01008, .write = true, .use = NONE },
	{ U(RTA_1), SECOND, { PUT(RTADDR, 3 << 10, 2 << 10) } },
	{ U(RTA_1), SECOND, { PUT(RTADDR, 3 << 10, 3 << 10) } },	/* abort mode is not there */
	{ U(RTA_2), LEGACY, { { 0 } }, .use = ONLY },
	/* Scalable mode: the way to the PASID entry */
	{ U(SRT_1), SECOND, { TO_NOWHERE(RTADDR) } },
	{ U(SRT_2), SECOND, { KEEP(ROOT, 1) } },
	{ U(SRT_3), SECOND, { SET(ROOT, BIT(11)) } },
	{ U(SCT_1), SECOND, { TO_NOWHERE(ROOT) } },
	{ Q(SCT_2), SECOND, { KEEP(CTX, 1) } },
	{ Q(SCT_3), SECOND, { SET(CTX, BIT(5)) } },
	{ Q(SCT_3), SECOND, { SET(CTX1, BIT(21)) } },
	{ Q(SCT_6), SECOND, { KEEP(CTX, BIT(3)) }, .use = ONLY },
	{ Q(SCT_7), SECOND, { { 0 } }, .use = ONLY, .pasid = 1 << 13 },
	{ Q(SCT_9), SECOND, { SET(CTX1, 1 << 13) }, .use = NONE },
	{ U(SPD_1), SECOND, { TO_NOWHERE(CTX) } },
	{ Q(SPD_2), SECOND, { KEEP(DIR, 1) } },
	{ Q(SPD_3), SECOND, { SET(DIR, BIT(2)) } },
	{ U(SPT_1), SECOND, { TO_NOWHERE(DIR) } },
	{ Q(SPT_2), SECOND, { KEEP(PE, 1) } },
	{ Q(SPT_3), SECOND, { SET(PE, BIT(5)) } },
	{ Q(SPT_3), FIRST, { SET(PE2, BIT(0)) } },	/* supervisor requests are not there */
	{ Q(SPT_4), SECOND, { KEEP(PE, 7 << 6) } },
	{ Q(SPT_4), SECOND, { PUT(PE, 7 << 6, 3 << 6) } },	/* nor is nesting */
	{ Q(SPT_4), SECOND, { KEEP(PE, 7 << 2) } },
	{ Q(SPT_4), FIRST, { SET(PE2, 2 << 2) } },
	/* First stage */
	{ Q(SGN_1), FIRST, { { 0 } }, .iova = BIT(47) },
	{ Q(SFS_4), FIRST, { TO_NOWHERE(PE2) } },
	{ Q(SFS_1), FIRST, { TO_NOWHERE(L3) } },
	{ Q(SFS_2), FIRST, { KEEP(L1, 1) } },
	{ Q(SFS_2), FIRST, { KEEP(L4, 1) } },
	{ Q(SFS_3), FIRST, { SET(L4, BIT(7)) } },
	{ Q(SFS_3), FIRST, { SET(L1, BIT(51)) } },
	{ Q(SGN_2), FIRST, { KEEP(L2, BIT(2)) } },
	{ Q(SGN_6), FIRST, { KEEP(L3, BIT(1)) }, .write = true },
	{ Q(SGN_8), FIRST, { TO_MSI(L1) } },
	{ Q(SFS_9), FIRST, { KEEP(L1, BIT(5)), KEEP(PE1, BIT(23)) } },
	{ Q(SFS_9), FIRST, { KEEP(L1, BIT(6)), KEEP(PE1, BIT(23)) }, .write = true },
	{ Q(SFS_10), FIRST, { KEEP(L2, BIT(5)) }, .accessor = true },
	/* Second stage */
	{ Q(SGN_5), SECOND, { { 0 } }, .iova = BIT(48) },
	{ Q(SSS_4), SECOND, { TO_NOWHERE(PE) } },
	{ Q(SSS_1), SECOND, { TO_NOWHERE(L4) } },
	{ Q(SSS_2), SECOND, { KEEP(L1, 3) } },
	{ Q(SSS_2), SECOND, { KEEP(L4, 2), KEEP(L1, 1) } },	/* nothing is left of both */
	{ Q(SSS_3), SECOND, { SET(L3, BIT(11)) } },
	{ Q(SSS_3), SECOND, { SET(L1, BIT(62)) } },
	{ Q(SGN_6), SECOND, { KEEP(L1, 2) }, .write = true },
	{ Q(SGN_7), SECOND, { KEEP(L2, 1) } },
	{ Q(SGN_8), SECOND, { TO_MSI(L1) } },
	/* Pass-through */
	{ Q(SGN_4), PASS, { { 0 } }, .iova = BIT(HAW) },
};

/* Those of layout.h that no request can get here, and why. */
static const struct {
	const char *name, *why;
} unreachable[] = {
	{ "VTD_OK", "is none" },
	{ "VTD_LCT_5", "translation requests and translated ones: no device TLBs (ECAP.DT = 0)" },
	{ "VTD_RTA_3", "page requests: ECAP.PRS = 0" },
	{ "VTD_RTA_4", "abort mode: ECAP.ADMS = 0, so that its mode is an invalid one (RTA.1)" },
	{ "VTD_SCT_4", "no field of a context entry can be wrong without being reserved (SCT.3)" },
	{ "VTD_SCT_5", "translation requests and translated ones: no device TLBs (ECAP.DT = 0)" },
	{ "VTD_SCT_8", "page requests: ECAP.PRS = 0" },
	{ "VTD_SPT_6", "supervisor requests: ECAP.SRS = 0, and requests have no such bit" },
	{ "VTD_SSS_5", "second-stage accessed and dirty bits: ECAP.SSADS = 0" },
	{ "VTD_SSS_6", "second-stage accessed and dirty bits: ECAP.SSADS = 0" },
};

/* ---- tables ---- */

struct world {
	struct rig rig;
	struct uiommu_port *port;
	uint64_t rtaddr;
	uint64_t at[WHERES];	/* addresses of the words */
	uint64_t target;	/* of L1 */
};

static bool legacy(enum kind kind)
{
	return kind == LEGACY || kind == LEGACY_PASS;
}

/* Four levels down to a page; @table: bits of a table's entry, @leaf: of the last. */
static uint64_t make_levels(struct world *w, uint64_t table, uint64_t leaf)
{
	uint64_t top = rig_page(&w->rig), pa = top;

	for (unsigned int level = 4; level >= 1; level--) {
		uint64_t next = level == 1 ? w->target : rig_page(&w->rig);

		w->at[L4 + 4 - level] = pa + 8 * (IOVA >> (12 + 9 * (level - 1)) & 511);
		rig_put(&w->rig, w->at[L4 + 4 - level], next | (level == 1 ? leaf : table));
		pa = next;
	}
	return top;
}

static void make_pasid(struct world *w, enum kind kind)
{
	uint64_t dir = rig_page(&w->rig), table = rig_page(&w->rig);

	w->at[DIR] = dir + 8 * (PASID >> 6);
	w->at[PE] = table + 64 * (PASID & 63);
	w->at[PE1] = w->at[PE] + 8;
	w->at[PE2] = w->at[PE] + 16;
	rig_put(&w->rig, w->at[CTX], dir | BIT(3) | 1);
	rig_put(&w->rig, w->at[CTX1], PASID);
	rig_put(&w->rig, w->at[DIR], table | 1);
	rig_put(&w->rig, w->at[PE1], 77 | BIT(23));
	if (kind == FIRST)
		rig_put(&w->rig, w->at[PE2], make_levels(w, 0x27, 0x67));
	rig_put(&w->rig, w->at[PE], (kind == FIRST ? 1 << 6 :
				     kind == SECOND ? make_levels(w, 3, 3) | 2 << 2 | 2 << 6 : 4 << 6) | 1);
}

static void world_begin(struct world *w, enum kind kind, bool accessor)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts), .haw = HAW };
	uint64_t root, ctx;

	rig_start(&w->rig, &opts, accessor);
	assert_int_equal(uiommu_port_create(w->rig.hw, RID, &w->port), 0);
	root = rig_page(&w->rig);
	ctx = rig_page(&w->rig);
	w->target = rig_page(&w->rig);
	rig_put(&w->rig, w->target, MARK);
	w->rtaddr = root | (legacy(kind) ? 0 : 1 << 10);
	w->at[ROOT] = root + 16 * (RID >> 8);	/* RID bit 7 is 0: the lower half */
	w->at[CTX] = ctx + (legacy(kind) ? 16 * (RID & 0xFF) : 32 * (RID & 0x7F));
	w->at[CTX1] = w->at[CTX] + 8;
	rig_put(&w->rig, w->at[ROOT], ctx | 1);
	if (!legacy(kind)) {
		make_pasid(w, kind);
		return;
	}
	rig_put(&w->rig, w->at[CTX1], 77 << 8 | 2);
	rig_put(&w->rig, w->at[CTX], (kind == LEGACY_PASS ? 2 << 2 : make_levels(w, 3, 3)) | 1);
}

static void world_end(struct world *w)
{
	uiommu_port_destroy(w->port);
	rig_stop(&w->rig);
}

static void edit(struct world *w, const struct row *row)
{
	for (size_t i = 0; i < COUNT(row->edit); i++) {
		enum where at = row->edit[i].at;

		if (at == RTADDR)
			w->rtaddr = (w->rtaddr & row->edit[i].keep) | row->edit[i].set;
		else if (at != NOTHING)
			rig_put(&w->rig, w->at[at],
				(*rig_word(&w->rig, w->at[at]) & row->edit[i].keep) | row->edit[i].set);
	}
}

static int dma(struct world *w, uint32_t pasid, uint64_t iova, bool write, uint64_t *val,
	       struct uiommu_fault *fault)
{
	int err;

	uiommu_agent_begin(w->rig.agent);
	err = write ? uiommu_dma_write(w->port, w->rig.agent, pasid, iova, val, 8, fault) :
		      uiommu_dma_read(w->port, w->rig.agent, pasid, iova, val, 8, fault);
	uiommu_agent_end(w->rig.agent);
	return err;
}

/* ---- requests ---- */

/* The tables as they are before a row changes them. */
static void good_tables_translate(void **state)
{
	for (unsigned int kind = LEGACY; kind <= PASS; kind++) {
		for (unsigned int with = 0; with < (legacy((enum kind)kind) ? 1 : 2); with++) {
			uint32_t pasid = with ? PASID : UIOMMU_NO_PASID;
			uint64_t val = 0, iova = IOVA;
			struct world w;

			world_begin(&w, (enum kind)kind, false);
			if (kind == PASS || kind == LEGACY_PASS)
				iova = w.target;
			rig_root(&w.rig, w.rtaddr);
			rig_te(&w.rig, true);
			assert_int_equal(dma(&w, pasid, iova, false, &val, NULL), 0);
			assert_true(val == MARK);
			val = 1;
			assert_int_equal(dma(&w, pasid, iova, true, &val, NULL), 0);
			assert_true(*rig_word(&w.rig, w.target) == 1);
			world_end(&w);
		}
	}
}

/* 11.4.7.6: what the record of a fault holds. */
static void check_record(struct world *w, const struct row *row, uint32_t pasid, uint64_t iova, bool fpd)
{
	const struct hw_ops *ops = w->rig.hw->ops;
	uint32_t fsts = ops->read32(w->rig.hw, 0x34), off;
	uint64_t want;

	if (fpd && row->qualified) {
		assert_int_equal(fsts, 0);
		return;
	}
	assert_int_equal(fsts, 2);
	off = 16 * (uint32_t)(ops->read64(w->rig.hw, 8) >> 24 & 0x3FF);
	want = BIT(63) | (row->write ? 0 : BIT(62)) | (uint64_t)row->reason << 32 | RID;
	if (pasid != UIOMMU_NO_PASID)
		want |= BIT(31) | (uint64_t)pasid << 40;
	assert_true(ops->read64(w->rig.hw, off) == (iova & ~UINT64_C(0xFFF)));
	assert_true(ops->read64(w->rig.hw, off + 8) == want);
}

static void refuse(const struct row *row, uint32_t pasid, bool fpd)
{
	uint64_t iova = row->iova ? row->iova : IOVA, val = 0xBAD;
	struct uiommu_fault fault = { 0 };
	struct world w;
	int err;

	world_begin(&w, row->kind, row->accessor);
	edit(&w, row);
	if (fpd)
		rig_put(&w.rig, w.at[CTX], *rig_word(&w.rig, w.at[CTX]) | 2);
	rig_root(&w.rig, w.rtaddr);
	rig_te(&w.rig, true);
	err = dma(&w, pasid, iova, row->write, &val, &fault);
	if (err != -EFAULT || fault.reason != row->reason || fault.iova != iova)
		fail_msg("row %u: error %d, reason 0x%02x instead of 0x%02x (%s)%s%s",
			 (unsigned int)(row - rows), err, fault.reason, row->reason, row->name,
			 pasid == UIOMMU_NO_PASID ? "" : ", with PASID", fpd ? ", FPD" : "");
	assert_true(val == 0xBAD && *rig_word(&w.rig, w.target) == MARK);
	check_record(&w, row, pasid, iova, fpd);
	world_end(&w);
}

static void each_reason_is_reached(void **state)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *row = &rows[i];
		bool with = row->use == ONLY || (row->use == BOTH && !legacy(row->kind));

		for (unsigned int fpd = 0; fpd < 2; fpd++) {
			if (row->use != ONLY)
				refuse(row, UIOMMU_NO_PASID, fpd);
			if (with)
				refuse(row, row->pasid ? row->pasid : PASID, fpd);
		}
	}
}

/* ---- nothing is missing ---- */

static const char *const all[] = {
#include "hw/reason_names.h"
};

/* What the model's sources use as a value. */
static const char *const raised[] = {
#include "hw/raised_names.h"
};

static bool in_rows(const char *name)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (!strcmp(rows[i].name, name))
			return true;
	return false;
}

static bool is_unreachable(const char *name)
{
	for (size_t i = 0; i < COUNT(unreachable); i++)
		if (!strcmp(unreachable[i].name, name))
			return true;
	return false;
}

static void no_reason_is_missing(void **state)
{
	assert_true(COUNT(all) > 50);
	for (size_t i = 0; i < COUNT(all); i++)
		if (in_rows(all[i]) == is_unreachable(all[i]))
			fail_msg("%s is neither reached nor said to be unreachable, or both", all[i]);
	for (size_t i = 0; i < COUNT(raised); i++)
		if (strcmp(raised[i], "VTD_OK") && !in_rows(raised[i]))
			fail_msg("the model can raise %s, but no row reaches it", raised[i]);
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool found = false;

		for (size_t k = 0; k < COUNT(raised); k++)
			found |= !strcmp(rows[i].name, raised[k]);
		assert_true(found);
	}
}

/* ---- the queue ---- */

static const struct {
	enum vtd_iqei info;
	uint64_t ttm, iqa, tail, lo, hi;	/* iqa: beside the base address */
} queue_rows[] = {
	{ VTD_IQEI_TAIL, 0, 0, 0x1000, 1 | 1 << 4, 0 },
	{ VTD_IQEI_FETCH, 0, NOWHERE ^ RIG_QUEUE, 0x10, 1 | 1 << 4, 0 },
	{ VTD_IQEI_TYPE, 0, 0, 0x10, 0, 0 },
	{ VTD_IQEI_TYPE, 0, 0, 0x10, 7 | 3 << 4, 0 },	/* PASID caches in legacy mode */
	{ VTD_IQEI_RSVD, 0, 0, 0x10, 1 | 1 << 4 | BIT(63), 0 },
	{ VTD_IQEI_RSVD, 0, 0, 0x10, 2, 0 },		/* no granularity */
	{ VTD_IQEI_WIDTH, 1, 0, 0x10, 1 | 1 << 4, 0 },
	{ VTD_IQEI_TAIL_ALIGN, 1, 1 << 11, 0x10, 1 | 1 << 4, 0 },
	{ VTD_IQEI_TTM, 2, 1 << 11, 0x20, 1 | 1 << 4, 0 },
};

static void each_queue_error_is_reached(void **state)
{
	unsigned int seen = 1u << VTD_IQEI_NONE;	/* "not available": this model always knows */

	for (size_t i = 0; i < COUNT(queue_rows); i++) {
		const struct hw_ops *ops;
		struct rig r;

		rig_start(&r, NULL, false);
		ops = r.hw->ops;
		rig_root(&r, rig_page(&r) | queue_rows[i].ttm << 10);
		ops->write64(r.hw, 0x90, RIG_QUEUE ^ queue_rows[i].iqa);
		ops->write32(r.hw, 0x18, 1u << 26);
		rig_put(&r, RIG_QUEUE, queue_rows[i].lo);
		rig_put(&r, RIG_QUEUE + 8, queue_rows[i].hi);
		assert_int_equal(ops->read64(r.hw, 0xB0), 0);
		ops->write64(r.hw, 0x88, queue_rows[i].tail);
		assert_int_equal(ops->read32(r.hw, 0x34), 1 << 4);
		assert_int_equal(ops->read64(r.hw, 0xB0), queue_rows[i].info);
		assert_int_equal(ops->read64(r.hw, 0x80), 0);	/* the head stays */
		seen |= 1u << queue_rows[i].info;
		rig_stop(&r);
	}
	assert_int_equal(seen, (2u << VTD_IQEI_TTM) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_tables_translate),
		cmocka_unit_test(each_reason_is_reached),
		cmocka_unit_test(no_reason_is_missing),
		cmocka_unit_test(each_queue_error_is_reached),
	};

	return cmocka_run_group_tests_name("vtd reasons", tests, NULL, NULL);
}
