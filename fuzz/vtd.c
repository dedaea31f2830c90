/* SPDX-License-Identifier: MIT */
/*
 * A VT-d unit among hostile bytes: the input is a program of register accesses, writes
 * to tables and queue, and DMA. Most of its operations build entries that are nearly
 * right, so that walks go deep; a word of the operation can spoil any bit of them.
 */
#include <errno.h>
#include <sys/mman.h>

#include "vtd.h"

const uint16_t fuzz_rids[PORTS] = { 0x0000, 0x0081, 0x0007, 0xFF10 };

/* What naive.c sees of memory. */
uint64_t *rig_word(struct rig *r, uint64_t pa)
{
	FUZZ_CHECK(pa >= RIG_BASE && pa + 8 <= RIG_BASE + RIG_SIZE && pa % 8 == 0, "0x%llx",
		   (unsigned long long)pa);
	return (uint64_t *)(void *)(r->host + (pa - RIG_BASE));
}

/* ---- memory ---- */

static int accessor_read(void *opaque, uint64_t off, void *buf, size_t len)
{
	struct world *w = opaque;

	if (w->rig.accessor_fails)
		return -EIO;
	memcpy(buf, w->rig.host + off, len);
	return 0;
}

static int accessor_write(void *opaque, uint64_t off, const void *buf, size_t len)
{
	struct world *w = opaque;

	if (w->rig.accessor_fails)
		return -EIO;
	memcpy(w->rig.host + off, buf, len);
	return 0;
}

static const struct uiommu_mem_ops accessor_ops = { accessor_read, accessor_write };

static void add_memory(struct world *w)
{
	int err;

	if (w->rig.accessor)
		err = uiommu_mem_add_accessor(w->rig.ctx, RIG_BASE, RIG_SIZE, &accessor_ops, w);
	else
		err = uiommu_mem_add_pointer(w->rig.ctx, RIG_BASE, RIG_SIZE, w->rig.host);
	FUZZ_CHECK(!err, "memory: %d", err);
}

/* Memory that comes and goes: for the pool, which cannot, nothing happens. */
static void toggle_memory(struct world *w, bool in_pool)
{
	if (in_pool)
		return;
	if (w->rig.accessor) {
		w->rig.accessor_fails = !w->rig.accessor_fails;
	} else if (w->removed) {
		add_memory(w);
		w->removed = false;
		w->rig.accessor_fails = false;
	} else {
		FUZZ_CHECK(!uiommu_mem_remove(w->rig.ctx, RIG_BASE), "remove");
		w->removed = true;
		w->rig.accessor_fails = true; /* what naive.c calls it */
	}
	w->clean = false;
}

static void put(struct world *w, uint64_t pa, uint64_t val)
{
	if (pa >= RIG_BASE && pa + 8 <= RIG_BASE + RIG_SIZE && pa % 8 == 0)
		*rig_word(&w->rig, pa) = val;
	w->clean = false;
}

/* ---- begin and end ---- */

static void on_irq(void *opaque, uint64_t address, uint32_t data)
{
	struct world *w = opaque;
	struct uiommu_hw *hw = w->rig.hw;

	w->rig.irqs++;
	FUZZ_CHECK(!(address & 3) && !(data >> 16), "an event message 0x%llx 0x%x",
		   (unsigned long long)address, data);
	if (!w->irq_clears)
		return;
	for (unsigned int i = 0; i < w->opts.fault_records; i++)
		hw->ops->write32(hw, 0x40C + 16 * i, 1u << 31);
	hw->ops->write32(hw, 0x34, 1);
}

/* Aligned dwords to the interrupt range, and nothing else. */
static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	struct world *w = opaque;

	(void)data;
	w->rig.msis++;
	FUZZ_CHECK(address >> 20 == 0xFEE && !(address & 3), "an interrupt at 0x%llx",
		   (unsigned long long)address);
}

static void begin(struct world *w, const uint8_t *header)
{
	struct uiommu_ctx_opts ctx = { .size = sizeof(ctx),
				       .pool_bytes = 1 << 20,
				       .pool_base = UINT64_C(1) << 60,
				       .alloc_ops = &fuzz_heap_ops,
				       .opaque = w };
	bool in_pool = header[1] % 4 == 0;
	struct uiommu_vtd_model_opts o = {
		.size = sizeof(o),
		.preset = (enum uiommu_preset)(header[0] & 3),
		.no_scalable = header[0] & 4 && header[0] & 8,
		.no_pass_through = header[0] & 16 && header[0] & 32,
		.no_first_stage = header[0] & 64 && header[0] & 128,
		.haw = 36 + header[2] % 17,
		.fault_records = 1 + header[3] % 8,
		.msi = on_msi,
		.msi_opaque = w,
	};

	memset(w, 0, sizeof(*w));
	w->opts = o;
	w->irq_clears = header[4] & 1;
	w->rig.accessor = header[1] % 4 == 1;
	w->unit = (struct naive_unit){ .haw = o.haw,
				       .scalable = !o.no_scalable,
				       .pass_through = !o.no_pass_through,
				       .first_stage = !o.no_scalable && !o.no_first_stage };
	if (in_pool) {
		ctx.pool_bytes = RIG_SIZE;
		ctx.pool_base = RIG_BASE;
	}
	FUZZ_CHECK(!uiommu_ctx_create(&ctx, &w->rig.ctx), "context");
	if (in_pool) {
		w->rig.host = pool_va(w->rig.ctx->pool, RIG_BASE);
	} else {
		w->rig.host =
			mmap(NULL, RIG_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		FUZZ_CHECK(w->rig.host != MAP_FAILED, "mmap");
		add_memory(w);
	}
	FUZZ_CHECK(!uiommu_vtd_model_create(w->rig.ctx, &o, &w->rig.hw), "model");
	FUZZ_CHECK(!uiommu_agent_create(w->rig.ctx, &w->rig.agent), "agent");
	w->rig.hw->unit_irq = on_irq;
	w->rig.hw->unit_irq_opaque = w;
	for (unsigned int i = 0; i < PORTS; i++)
		FUZZ_CHECK(!uiommu_port_create(w->rig.hw, fuzz_rids[i], &w->port[i]), "port");
	regs_read(w, &w->reset);
}

static void end(struct world *w, bool in_pool)
{
	for (unsigned int i = 0; i < PORTS; i++)
		uiommu_port_destroy(w->port[i]);
	uiommu_agent_destroy(w->rig.agent);
	uiommu_hw_destroy(w->rig.hw);
	uiommu_ctx_destroy(w->rig.ctx);
	fuzz_heap_check(&w->heap);
	if (!in_pool)
		munmap(w->rig.host, RIG_SIZE);
}

/* ---- operands ---- */

/* Addresses that meet every width, both halves of a table, the interrupt range. */
static uint64_t iova_of(const struct fuzz_op *op)
{
	static const uint64_t base[] = {
		0,
		0x1000,
		0x200000,
		0x40000000,
		0x7FC0201000,
		0xFEE00000,
		0x8000000000,
		0x800000000000,
		0xFFFF800000000000,
		0x1000000000000,
		0xFFFFFFFFFFFFF000,
		0x0100000000000000,
		RIG_BASE,
		0xFEFFF000,
		0x3FFFFFF000,
		0xFFFFFFF000,
	};

	return op->c & 0x80 ? op->val : base[op->c % 16] + (op->c & 0x40 ? 0 : op->off);
}

static uint32_t pasid_of(unsigned int kind, uint64_t val)
{
	switch (kind & 3) {
	case 0:
		return UIOMMU_NO_PASID;
	case 1:
		return kind >> 2;
	default:
		return (uint32_t)(val >> 32) & 0xFFFFF;
	}
}

/* One bit of a word that is otherwise right: 0 leaves it. */
static uint64_t spoil(uint16_t how, unsigned int word)
{
	if (!(how & 0x8000) || (how >> 8 & 7) != word)
		return 0;
	return UINT64_C(1) << (how & 63);
}

/* ---- tables ---- */

/* Root and context entry. a: port; b: context table; c: second-stage table; off: AW, TT, FPD, DID. */
static void op_legacy(struct world *w, const struct fuzz_op *op)
{
	uint16_t rid = fuzz_rids[op->a % PORTS];
	uint64_t root = (w->live ? w->live : w->reset.rtaddr | page_pa(0)) & ~UINT64_C(0xFFF);
	uint64_t tt = op->off >> 2 & 2; /* 00 or 10; others by spoiling */
	uint64_t at = page_pa(op->b) + 16 * (rid & 0xFF);

	put(w, root + 16 * (rid >> 8), (page_pa(op->b) | 1) ^ spoil(op->d, 0));
	put(w, root + 16 * (rid >> 8) + 8, spoil(op->d, 1));
	put(w, at, (page_pa(op->c) | 1 | tt << 2 | (op->off >> 4 & 2)) ^ spoil(op->d, 2));
	put(w, at + 8, (1 + op->off % 3 + ((op->off >> 8) << 8)) ^ spoil(op->d, 3));
}

/* Scalable root and context entry. c: PASID directory; off: PDTS, PASIDE, FPD; val: RID_PASID. */
static void op_scalable(struct world *w, const struct fuzz_op *op)
{
	uint16_t rid = fuzz_rids[op->a % PORTS];
	uint64_t root = (w->live ? w->live : w->reset.rtaddr | page_pa(0)) & ~UINT64_C(0xFFF);
	uint64_t at = page_pa(op->b) + 32 * (rid & 0x7F), fpd = op->off >> 4 & 2;

	put(w, root + 16 * (rid >> 8) + (rid & 0x80 ? 8 : 0), (page_pa(op->b) | 1) ^ spoil(op->d, 0));
	put(w, at,
	    (page_pa(op->c) | 1 | fpd | (op->off & 8) | (uint64_t)(op->off & 7) << 9) ^ spoil(op->d, 1));
	put(w, at + 8, (op->val & 0xFFFFF) ^ spoil(op->d, 2));
	put(w, at + 16, spoil(op->d, 3));
	put(w, at + 24, spoil(op->d, 4));
}

/* Directory and PASID entry. a: directory; b: table; c: page table; off: type; val: PASID, 63:32 DID. */
static void op_pasid(struct world *w, const struct fuzz_op *op)
{
	static const uint8_t types[] = { 1, 2, 4, 2 };
	uint64_t pasid = op->val & 0xFFFFF, pgtt = types[op->off & 3], aw = 1 + (op->off >> 2 & 3) % 3;
	uint64_t dir = page_pa(op->a) + 8 * (pasid >> 6), at = page_pa(op->b) + 64 * (pasid & 63);
	uint64_t snoop = op->off & 0x10 ? 0 : 1u << 23;

	put(w, dir, (page_pa(op->b) | 1 | (op->off >> 4 & 2)) ^ spoil(op->d, 0));
	put(w, at, (page_pa(op->c) | 1 | aw << 2 | pgtt << 6 | (op->off >> 5 & 2)) ^ spoil(op->d, 1));
	put(w, at + 8, ((op->val >> 32 & 0xFFFF) | snoop) ^ spoil(op->d, 2));
	put(w, at + 16, (page_pa(op->c) | (op->off >> 5 & 4)) ^ spoil(op->d, 3));
	for (unsigned int i = 3; i < 8; i++)
		put(w, at + 8 * i, spoil(op->d, i < 7 ? 4 : 5));
}

/* A way down for one address. a: first table; b: how many levels; c: address; val: flags, and the leaf. */
static void op_way(struct world *w, const struct fuzz_op *op)
{
	unsigned int levels = 1 + op->b % 5, leaf = 1 + (op->b >> 3) % 3;
	uint64_t iova = iova_of(op), flags = op->val & 0xFFF;

	for (unsigned int level = levels; level >= 1; level--) {
		uint64_t index = iova >> (12 + 9 * (level - 1)) & 511;
		uint64_t at = page_pa(op->a + (levels - level)) + 8 * index, e;
		bool last = level == 1 || level == leaf;

		if (last)
			e = (op->val & ~UINT64_C(0xFFF)) >> (op->b & 0x40 ? 0 : 12) | flags |
			    (level > 1 ? 0x80 : 0);
		if (last && op->b & 0x80)
			e = UINT64_C(0xFEE00000) | (e & 0xFFF); /* no memory, but interrupts */
		if (!last)
			e = page_pa(op->a + (levels - level) + 1) | (flags & 0x77) | 7;
		put(w, at, e ^ spoil(op->d, level));
		if (last)
			return;
	}
}

static void op_word(struct world *w, const struct fuzz_op *op)
{
	uint64_t at = page_pa(op->a) + (op->off & 0xFF8), val = op->val;

	if (op->c & 1)
		val = page_pa(op->b) | (op->val & 0xFFF) | (op->val >> 52) << 52;
	if (op->c & 2)
		val = *rig_word(&w->rig, at) ^ UINT64_C(1) << (op->b & 63);
	put(w, at, val);
}

/* ---- queue ---- */

/* Puts a descriptor behind those that are there; rings only if asked. */
static void push(struct world *w, uint64_t w0, uint64_t w1, bool ring)
{
	struct uiommu_hw *hw = w->rig.hw;
	uint64_t iqa = hw->ops->read64(hw, 0x90), mask = (UINT64_C(4096) << (iqa & 7)) - 1;
	uint64_t at = (iqa & ~UINT64_C(0xFFF)) + (w->rig.tail & mask);

	put(w, at, w0);
	put(w, at + 8, w1);
	if (iqa & 1u << 11) {
		put(w, at + 16, 0);
		put(w, at + 24, 0);
	}
	w->rig.tail = (uint32_t)((w->rig.tail + (iqa & 1u << 11 ? 32 : 16)) & mask);
	if (ring)
		checked_write(w, 0x88, 64, w->rig.tail);
}

/* a: kind; b: granularity and flags; c: address; d: domain id; val: PASID above, what is xored. */
static void op_descriptor(struct world *w, const struct fuzz_op *op)
{
	uint64_t did = (uint64_t)op->d << 16, g = (uint64_t)(op->b & 3) << 4,
		 pasid = (op->val >> 32 & 0xFFFFF) << 32;
	uint64_t iova = (iova_of(op) & ~UINT64_C(0xFFF)) | (op->b >> 2 & 63), w0, w1 = 0;

	switch (op->a & 7) {
	case 0:
		w0 = 1 | g | did | (uint64_t)fuzz_rids[op->c % PORTS] << 32 | (uint64_t)(op->c >> 6) << 48;
		break;
	case 1:
		w0 = 2 | g | did | (op->off & 0xC0);
		w1 = iova;
		break;
	case 2:
		w0 = 5 | (op->off & 0x70) | pasid;
		w1 = page_pa(op->c) + (op->d & 0xFFC);
		break;
	case 3:
		w0 = 6 | (op->off & 1 ? g : 0x20 | (g & 0x10)) | did | pasid;
		w1 = iova;
		break;
	case 4:
		w0 = 7 | g | did | pasid;
		break;
	default:
		w0 = op->val;
		w1 = op->off;
	}
	if (op->a & 0x40)
		w0 ^= UINT64_C(1) << (op->val & 63);
	if (op->a & 0x20)
		w1 ^= UINT64_C(1) << (op->val & 63);
	push(w, w0, w1, op->a & 0x80);
}

/* Turns the queue on as a driver would. b: pages; c: width. */
static void op_queue(struct world *w, const struct fuzz_op *op)
{
	struct uiommu_hw *hw = w->rig.hw;
	uint32_t gsts = hw->ops->read32(hw, 0x1C) & 0x96FFFFFFu;

	if (gsts & 1u << 26)
		checked_write(w, 0x18, 32, gsts & ~(1u << 26));
	checked_write(w, 0x34, 32, 0x71);
	checked_write(w, 0x88, 64, 0);
	checked_write(w, 0x90, 64,
		      page_pa(op->a ? op->a : QUEUE_PAGE) | (op->b & 7) | (op->c & 1 ? 1u << 11 : 0));
	w->rig.tail = 0;
	checked_write(w, 0x18, 32, (gsts & ~(1u << 26)) | 1u << 26);
}

/* Everything is forgotten; the naive unit may be asked again. Needs a queue that works. */
static void op_flush(struct world *w)
{
	struct uiommu_hw *hw = w->rig.hw;
	bool scalable = (w->live >> 10 & 3) == 1;

	if (!(hw->ops->read32(hw, 0x1C) & 1u << 26) || w->rig.accessor_fails)
		return;
	w->rig.tail = (uint32_t)hw->ops->read64(hw, 0x88);
	push(w, 1 | 1u << 4, 0, false);
	if (scalable)
		push(w, 7 | 3u << 4, 0, false);
	push(w, 2 | 1u << 4 | 3u << 6, 0, false);
	push(w, 5 | 1u << 6, 0, true);
	w->clean = hw->ops->read64(hw, 0x80) == w->rig.tail && !(hw->ops->read32(hw, 0x34) & 0x10);
	w->clean_any = false;
}

/* ---- the program ---- */

/* Latches a root table and turns translation on. a: root; c: mode. */
static void op_root(struct world *w, const struct fuzz_op *op)
{
	struct uiommu_hw *hw = w->rig.hw;
	uint32_t gsts = hw->ops->read32(hw, 0x1C) & 0x96FFFFFFu;

	checked_write(w, 0x20, 64, page_pa(op->a) | (uint64_t)(op->c & 3) << 10);
	checked_write(w, 0x18, 32, gsts | 1u << 30);
	if (!(op->b & 1) && !(gsts >> 31))
		checked_write(w, 0x18, 32, gsts | 1u << 31);
}

static void op_register(struct world *w, const struct fuzz_op *op)
{
	static const uint16_t regs[] = { 0x18, 0x20, 0x34, 0x38, 0x3C, 0x40, 0x44,  0x80,  0x88,
					 0x90, 0x9C, 0xA0, 0xA4, 0xA8, 0xAC, 0x400, 0x408, 0x40C };
	uint32_t off =
		op->a & 1 ? op->off : regs[op->b % (sizeof(regs) / sizeof(regs[0]))] + (op->b >> 5) % 2 * 4;
	unsigned int bits = op->a & 2 ? 64 : 32;
	uint64_t val = op->val;

	if (op->a & 8) /* a command that changes one bit */
		val = (w->rig.hw->ops->read32(w->rig.hw, 0x1C) & 0x96FFFFFFu) ^ 1u << (op->c & 31);
	if (op->a & 4)
		checked_read(w, off, bits);
	else
		checked_write(w, off, bits, val);
	if (op->a & 16)
		checked_write(w, 0x88, 64, w->rig.tail);
}

/* a: port; b: PASID; c: address; d: length, direction; val: what is written. */
static void op_dma(struct world *w, const struct fuzz_op *op)
{
	uint64_t iova = iova_of(op);
	unsigned int room = 4096 - (unsigned int)(iova & 0xFFF), len = 1 + (op->d & 0xFFF);

	if (op->d & 0x4000) {
		len = 4;
		iova &= ~UINT64_C(3);
	}
	checked_dma(w, op->a % PORTS, pasid_of(op->b, op->val), iova, len < room ? len : room, op->d & 0x8000,
		    (uint8_t)op->val);
}

/* Addresses that follow one another, by whole pages or not, or go to and fro between two. */
static void op_list(struct world *w, const struct fuzz_op *op)
{
	uint64_t iova[LIST_MAX], base = iova_of(op);
	size_t n = op->d % (LIST_MAX + 1);

	for (size_t i = 0; i < n; i++)
		iova[i] = base + (op->val & 1 ? i : i & 1) * (op->val >> 1 & 0x1FFFFF);
	checked_list(w, op->a % PORTS, pasid_of(op->b, op->val), iova, n, op->d & 0x8000);
}

static void op_rare(struct world *w, const struct fuzz_op *op, bool in_pool)
{
	struct uiommu_hw *hw = w->rig.hw;
	uint64_t pa = page_pa(op->a) + (op->off & 0xFF0);
	unsigned int i = op->a % PORTS;

	switch (op->b % 7) {
	case 0:
		toggle_memory(w, in_pool);
		break;
	case 1:
		vtd_model_fail_descriptor(hw, 1 + op->c % 8, (enum vtd_fail)(op->off % 3));
		w->clean = false;
		break;
	case 2:
		uiommu_port_destroy(w->port[i]);
		FUZZ_CHECK(!uiommu_port_create(hw, fuzz_rids[i], &w->port[i]), "port");
		break;
	case 3:
		hw->ops->store64(hw, op->c & 1 ? op->val & ~UINT64_C(7) : pa, op->val);
		w->clean = false;
		break;
	case 4:
		hw->ops->store128(hw, op->c & 1 ? op->val & ~UINT64_C(15) : pa,
				  (struct u128){ op->val, op->d });
		w->clean = false;
		break;
	case 5:
		checked_misuse(w, i, iova_of(op));
		break;
	default:
		hw->ops->load64(hw, op->val & ~UINT64_C(7));
		hw->ops->load32(hw, op->val & ~UINT64_C(3));
		hw->ops->relax(hw);
		w->clean = false;
	}
}

static void run(struct world *w, const struct fuzz_op *op, bool in_pool)
{
	switch (op->code % 16) {
	case 0:
		op_register(w, op);
		break;
	case 1:
		op_root(w, op);
		break;
	case 2:
		op_queue(w, op);
		break;
	case 3:
		op_legacy(w, op);
		break;
	case 4:
		op_scalable(w, op);
		break;
	case 5:
	case 6:
		op_pasid(w, op);
		break;
	case 7:
	case 8:
		op_way(w, op);
		break;
	case 9:
		op_word(w, op);
		break;
	case 10:
	case 11:
		op_descriptor(w, op);
		break;
	case 12:
		op_flush(w);
		break;
	case 13:
		op_rare(w, op, in_pool);
		break;
	case 14:
		op_dma(w, op);
		break;
	default:
		if (op->code & 0x10)
			op_list(w, op);
		else
			op_dma(w, op);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w;
	struct regs regs;
	struct fuzz_op op;
	bool in_pool;

	if (size < FUZZ_HEADER)
		return 0;
	in_pool = data[1] % 4 == 0;
	begin(&w, data);
	data += FUZZ_HEADER;
	size -= FUZZ_HEADER;
	for (unsigned int n = 0; n < FUZZ_OPS && fuzz_next(&data, &size, &op); n++) {
		run(&w, &op, in_pool);
		regs_read(&w, &regs);
		regs_check(&w, &regs);
	}
	end(&w, in_pool);
	return 0;
}
