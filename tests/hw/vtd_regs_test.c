/* SPDX-License-Identifier: MIT */
/*
 * Registers: capabilities, access widths, one command bit at a time, the root latch,
 * fault records with overflow, event interrupts; making a model when memory is short.
 */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GCMD 0x18
#define GSTS 0x1C
#define FSTS 0x34
#define FECTL 0x38
#define IM (1u << 31)
#define IP (1u << 30)

static uint32_t rd32(struct rig *r, uint32_t off)
{
	return r->hw->ops->read32(r->hw, off);
}

static void wr32(struct rig *r, uint32_t off, uint32_t val)
{
	r->hw->ops->write32(r->hw, off, val);
}

static uint64_t rd64(struct rig *r, uint32_t off)
{
	return r->hw->ops->read64(r->hw, off);
}

static void wr64(struct rig *r, uint32_t off, uint64_t val)
{
	r->hw->ops->write64(r->hw, off, val);
}

static uint32_t frcd(struct rig *r, unsigned int i)
{
	return 16 * (uint32_t)((rd64(r, 0x08) >> 24) & 0x3FF) + 16 * i;
}

static void test_capabilities(void **state)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts), .fault_records = 5 };
	struct rig r;
	uint64_t cap, ecap;

	rig_start(&r, &opts, false);
	cap = rd64(&r, 0x08);
	ecap = rd64(&r, 0x10);
	assert_int_equal(rd32(&r, 0x00), 0x10);
	assert_true(cap == (rd32(&r, 0x08) | (uint64_t)rd32(&r, 0x0C) << 32));
	assert_int_equal(cap & 7, 6);
	assert_int_equal((cap >> 8) & 0x1F, 0xE);		/* 3, 4, 5 levels */
	assert_int_equal((cap >> 16) & 0x3F, 56);
	assert_int_equal((cap >> 34) & 15, 3);			/* 2M, 1G */
	assert_int_equal((cap >> 40) & 255, 4);			/* five records */
	assert_int_equal((cap >> 54) & 3, 3);			/* DWD, DRD */
	assert_int_equal((cap >> 39) & 1, 1);			/* PSI */
	assert_int_equal(cap & (1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7), 0);
	assert_int_equal(ecap & 0xFF, 0xC3);			/* C, QI, PT, SC; no DT, IR, EIM */
	assert_true((ecap >> 43) & 1 && (ecap >> 46) & 7 && (ecap >> 49) & 1);
	assert_int_equal((ecap >> 35) & 31, 19);
	assert_int_equal((ecap >> 26) & 0x3F, 0);		/* NEST .. SRS */
	rig_stop(&r);

	opts.no_scalable = opts.no_pass_through = true;
	rig_start(&r, &opts, false);
	assert_int_equal(rd64(&r, 0x10) >> 33, 0);
	assert_int_equal(rd64(&r, 0x10) & 0xFF, 0x83);
	assert_false((rd64(&r, 0x08) >> 60) & 1);
	rig_stop(&r);
}

static void test_options(void **state)
{
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw;
	struct uiommu_vtd_model_opts bad[] = {
		{ .size = 1 },
		{ .size = sizeof(bad[0]) + 1 },
		{ .size = sizeof(bad[0]), .haw = 35 },
		{ .size = sizeof(bad[0]), .haw = 53 },
		{ .size = sizeof(bad[0]), .fault_records = 129 },
		{ .size = sizeof(bad[0]), .preset = (enum uiommu_preset)4 },
	};

	assert_int_equal(uiommu_ctx_create(NULL, &ctx), 0);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(uiommu_vtd_model_create(ctx, &bad[i], &hw), -EINVAL);
	assert_int_equal(uiommu_vtd_model_create(ctx, NULL, &hw), 0);
	assert_int_equal(hw->haw, 46);
	uiommu_hw_destroy(hw);
	uiommu_hw_destroy(NULL);
	uiommu_port_destroy(NULL);
	uiommu_ctx_destroy(ctx);
}

static void test_access_widths(void **state)
{
	struct rig r;

	rig_start(&r, NULL, false);
	/* A 64-bit register by halves. */
	wr32(&r, 0x24, 0x12);
	wr32(&r, 0x20, 0x34567400);
	assert_true(rd64(&r, 0x20) == 0x1234567400ull);
	assert_int_equal(rd32(&r, 0x24), 0x12);
	assert_int_equal(r.misuses, 0);
	assert_int_equal(rd32(&r, 0xA4), 0);			/* IEDATA */
	assert_int_equal(rd32(&r, 0x0C0), 0);			/* reserved: zero */
	assert_int_equal(r.misuses, 0);
	/* Everything else is an event and changes nothing. */
	assert_int_equal(rd32(&r, 0x1A), UINT32_MAX);
	assert_true(rd64(&r, 0x18) == UINT64_MAX);		/* two 32-bit registers */
	assert_true(rd64(&r, 0x24) == UINT64_MAX);
	assert_int_equal(rd32(&r, 0x1000), UINT32_MAX);
	assert_int_equal(r.misuses, 4);
	wr32(&r, 0x00, 1);
	wr32(&r, 0x22, 1);
	wr64(&r, 0x34, 1);
	wr64(&r, 0x80, 1);
	wr32(&r, 0xFFFFFFFC, 1);
	assert_int_equal(r.misuses, 9);
	assert_true(rd64(&r, 0x20) == 0x1234567400ull);
	wr64(&r, 0x20, 0x1234567001ull);			/* reserved bits: dropped */
	assert_int_equal(r.misuses, 10);
	assert_true(rd64(&r, 0x20) == 0x1234567000ull);
	rig_stop(&r);
}

static void test_commands(void **state)
{
	struct rig r;

	rig_start(&r, NULL, false);
	assert_int_equal(rd32(&r, GCMD), 0);
	assert_int_equal(rd32(&r, GSTS), 0);
	wr32(&r, GCMD, 0);
	assert_int_equal(r.misuses, 0);
	/* Two at once: neither. */
	wr32(&r, GCMD, 1u << 31 | 1u << 30);
	assert_int_equal(rd32(&r, GSTS), 0);
	assert_int_equal(r.misuses, 1);
	/* Not in the capabilities: IRE, SIRTP, CFI, WBF, SFL, EAFL, reserved. */
	for (unsigned int i = 0; i < 30; i++) {
		if (i == 26)
			continue;
		wr32(&r, GCMD, 1u << i);
		assert_int_equal(rd32(&r, GSTS), 0);
	}
	assert_int_equal(r.misuses, 30);
	rig_root(&r, RIG_TABLES);
	rig_queue_on(&r, false);
	rig_te(&r, true);
	assert_int_equal(rd32(&r, GSTS), 1u << 31 | 1u << 30 | 1u << 26);
	/* Forgetting QIE while setting SRTP are two changes. */
	wr32(&r, GCMD, 1u << 31 | 1u << 30);
	assert_int_equal(r.misuses, 31);
	/* A new SRTP is allowed; another mode while translation is on is misuse. */
	wr32(&r, GCMD, 1u << 31 | 1u << 30 | 1u << 26);
	assert_int_equal(r.misuses, 31);
	wr64(&r, 0x20, RIG_TABLES | 1u << 10);
	wr32(&r, GCMD, 1u << 31 | 1u << 30 | 1u << 26);
	assert_int_equal(r.misuses, 32);
	rig_stop(&r);
}

static void test_root_latch(void **state)
{
	struct uiommu_port *port;
	uint64_t root, ctx, pa;
	struct rig r;

	rig_start(&r, NULL, false);
	root = rig_page(&r);
	ctx = rig_page(&r);
	*rig_word(&r, root) = ctx | 1;
	*rig_word(&r, ctx) = 2 << 2 | 1;			/* pass-through */
	*rig_word(&r, ctx + 8) = 3;
	assert_int_equal(uiommu_port_create(r.hw, 0, &port), 0);
	rig_root(&r, root);
	rig_te(&r, true);
	assert_int_equal(rig_translate(&r, port, UIOMMU_NO_PASID, 0x5000, true, &pa), 0);
	/* Not live until SRTP, also not by TE. */
	wr64(&r, 0x20, rig_page(&r));
	assert_int_equal(rig_translate(&r, port, UIOMMU_NO_PASID, 0x6000, true, &pa), 0);
	rig_te(&r, false);
	rig_te(&r, true);
	assert_int_equal(rig_translate(&r, port, UIOMMU_NO_PASID, 0x7000, true, &pa), 0);
	wr32(&r, GCMD, 1u << 31 | 1u << 30);
	rig_queue_on(&r, false);
	rig_flush(&r);
	assert_int_equal(rig_translate(&r, port, UIOMMU_NO_PASID, 0x7000, true, &pa), 1);
	uiommu_port_destroy(port);
	rig_stop(&r);
}

/* A rig with every request blocked (root entry not present, reason 1). */
static void start_blocked(struct rig *r, unsigned int records, struct uiommu_port **port)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts), .fault_records = records };

	rig_start(r, &opts, false);
	assert_int_equal(uiommu_port_create(r->hw, 0x0708, port), 0);
	rig_root(r, rig_page(r));
	rig_te(r, true);
}

static void fault(struct rig *r, struct uiommu_port *port, uint64_t iova)
{
	uint64_t pa;

	assert_int_equal(rig_translate(r, port, UIOMMU_NO_PASID, iova, true, &pa), 1);
}

static void test_records_overflow(void **state)
{
	struct uiommu_port *port;
	struct rig r;

	start_blocked(&r, 3, &port);
	for (unsigned int round = 0; round < 4; round++) {
		unsigned int fri = round * 3 % 3;

		for (unsigned int i = 0; i < 5; i++)
			fault(&r, port, 0x1000 * (i + 1));
		/* Three recorded, the others lost. */
		assert_int_equal(rd32(&r, FSTS) & 0xFFFF, fri << 8 | 3);
		for (unsigned int i = 0; i < 3; i++) {
			assert_true(rd64(&r, frcd(&r, i)) == 0x1000 * (i + 1));
			assert_true(rd64(&r, frcd(&r, i) + 8) == (1ull << 63 | 1ull << 32 | 0x0708));
		}
		/* PPF cannot be written; F bits are cleared one by one; the last clears PPF. */
		wr32(&r, FSTS, 2);
		assert_int_equal(rd32(&r, FSTS) & 3, 3);
		wr32(&r, frcd(&r, 1) + 8, UINT32_MAX);		/* not F's dword */
		assert_true(rd64(&r, frcd(&r, 1) + 8) >> 63);
		for (unsigned int i = 0; i < 3; i++) {
			assert_int_equal(rd32(&r, FSTS) & 2, 2);
			wr32(&r, frcd(&r, i) + 12, 1u << 31);
		}
		/* While PFO is set nothing is recorded. */
		assert_int_equal(rd32(&r, FSTS), 1);
		fault(&r, port, 0x9000);
		assert_int_equal(rd32(&r, FSTS), 1);
		wr32(&r, FSTS, 1);
		assert_int_equal(rd32(&r, FSTS), 0);
	}
	/* FRI names the record that set PPF. */
	fault(&r, port, 0x1000);
	wr64(&r, frcd(&r, 0) + 8, 1ull << 63);
	assert_int_equal(rd32(&r, FSTS), 0);
	fault(&r, port, 0x2000);
	fault(&r, port, 0x3000);
	assert_int_equal(rd32(&r, FSTS), 1 << 8 | 2);
	uiommu_port_destroy(port);
	rig_stop(&r);
}

static void clear_faults(struct rig *r, unsigned int records)
{
	for (unsigned int i = 0; i < records; i++)
		wr32(r, frcd(r, i) + 12, 1u << 31);
	wr32(r, FSTS, 0x7F);
	assert_int_equal(rd32(r, FSTS), 0);
}

static void test_fault_event(void **state)
{
	struct uiommu_port *port;
	struct rig r;

	start_blocked(&r, 2, &port);
	assert_int_equal(rd32(&r, FECTL), IM);
	wr32(&r, 0x3C, 0xABCD1234);
	wr32(&r, 0x40, 0xFEE0100F);
	wr32(&r, 0x44, 0x11);
	/* Masked: pending. */
	fault(&r, port, 0x1000);
	assert_int_equal(rd32(&r, FECTL), IM | IP);
	assert_int_equal(r.irqs, 0);
	/* Writing IP does nothing; unmasking sends and clears it. */
	wr32(&r, FECTL, IM);
	assert_int_equal(rd32(&r, FECTL), IM | IP);
	wr32(&r, FECTL, 0);
	assert_int_equal(rd32(&r, FECTL), 0);
	assert_int_equal(r.irqs, 1);
	assert_true(r.irq_address == 0x11FEE0100Cull);
	assert_int_equal(r.irq_data, 0x1234);
	/* No new message while a bit of the group is set, also not for another bit. */
	fault(&r, port, 0x1000);
	fault(&r, port, 0x1000);
	assert_int_equal(rd32(&r, FSTS) & 3, 3);
	assert_int_equal(r.irqs, 1);
	/* All records cleared, PFO left: still none. */
	wr32(&r, frcd(&r, 0) + 12, 1u << 31);
	wr32(&r, frcd(&r, 1) + 12, 1u << 31);
	fault(&r, port, 0x1000);
	assert_int_equal(r.irqs, 1);
	clear_faults(&r, 2);
	fault(&r, port, 0x1000);
	assert_int_equal(r.irqs, 2);
	/* Serviced while masked: IP goes without a message. */
	clear_faults(&r, 2);
	wr32(&r, FECTL, IM);
	fault(&r, port, 0x1000);
	assert_int_equal(rd32(&r, FECTL), IM | IP);
	clear_faults(&r, 2);
	assert_int_equal(rd32(&r, FECTL), IM);
	wr32(&r, FECTL, 0);
	assert_int_equal(r.irqs, 2);
	uiommu_port_destroy(port);
	rig_stop(&r);
}

static int write_to(struct rig *r, struct uiommu_port *port, uint32_t pasid, uint64_t iova, const void *buf,
		    size_t len, struct uiommu_fault *fault)
{
	int err;

	uiommu_agent_begin(r->agent);
	err = uiommu_dma_write(port, r->agent, pasid, iova, buf, len, fault);
	uiommu_agent_end(r->agent);
	return err;
}

static int read_from(struct rig *r, struct uiommu_port *port, uint32_t pasid, uint64_t iova, void *buf,
		     size_t len, struct uiommu_fault *fault)
{
	int err;

	uiommu_agent_begin(r->agent);
	err = uiommu_dma_read(port, r->agent, pasid, iova, buf, len, fault);
	uiommu_agent_end(r->agent);
	return err;
}

static unsigned int n_msi;
static uint64_t msi_address;
static uint32_t msi_data;

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	n_msi++;
	msi_address = address;
	msi_data = data;
}

static void test_device_messages(void **state)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts), .msi = on_msi };
	static const uint8_t data[8] = { 0x78, 0x56, 0x34, 0x12, 1, 2, 3, 4 };
	struct uiommu_fault fault = { 0 };
	struct uiommu_port *port;
	uint8_t buf[8];
	struct rig r;

	n_msi = 0;
	rig_start(&r, &opts, false);
	assert_int_equal(uiommu_port_create(r.hw, 8, &port), 0);
	for (unsigned int te = 0; te < 2; te++) {
		assert_int_equal(write_to(&r, port, UIOMMU_NO_PASID, 0xFEE01004, data, 4, NULL), 0);
		assert_int_equal(n_msi, te + 1);
		assert_true(msi_address == 0xFEE01004);
		assert_int_equal(msi_data, 0x12345678);
		if (te)
			break;
		rig_root(&r, rig_page(&r));
		rig_te(&r, true);
	}
	/* Anything else there without PASID is blocked. */
	assert_int_equal(write_to(&r, port, UIOMMU_NO_PASID, 0xFEE01004, data, 8, &fault), -EFAULT);
	assert_int_equal(fault.reason, 0x29);
	assert_int_equal(write_to(&r, port, UIOMMU_NO_PASID, 0xFEE01002, data, 4, NULL), -EFAULT);
	assert_int_equal(read_from(&r, port, UIOMMU_NO_PASID, 0xFEE01004, buf, 4, &fault), -EFAULT);
	assert_int_equal(n_msi, 2);
	/* With PASID it is an address like any other. */
	assert_int_equal(write_to(&r, port, 3, 0xFEE01004, data, 4, &fault), -EFAULT);
	assert_int_equal(fault.reason, 0x31);
	uiommu_port_destroy(port);
	rig_stop(&r);
}

static void test_dma_arguments(void **state)
{
	static const uint8_t out[16] = "0123456789abcde";
	struct uiommu_port *port, *same;
	uint8_t buf[16] = { 0 };
	struct rig r;

	for (unsigned int accessor = 0; accessor < 2; accessor++) {
		rig_start(&r, NULL, accessor);
		assert_int_equal(uiommu_port_create(r.hw, 8, &port), 0);
		assert_int_equal(uiommu_port_create(r.hw, 8, &same), -EEXIST);
		/* TES=0: untranslated. */
		assert_int_equal(write_to(&r, port, UIOMMU_NO_PASID, RIG_TABLES + 3, out, 16, NULL), 0);
		assert_int_equal(read_from(&r, port, 7, RIG_TABLES + 3, buf, 16, NULL), 0);
		assert_memory_equal(buf, out, 16);
		assert_memory_equal(r.host + (RIG_TABLES - RIG_BASE) + 3, out, 16);
		assert_int_equal(read_from(&r, port, 0, RIG_TABLES, buf, 0, NULL), -EINVAL);
		assert_int_equal(read_from(&r, port, 0, RIG_TABLES + 4090, buf, 7, NULL), -EINVAL);
		assert_int_equal(read_from(&r, port, 0, RIG_TABLES, buf, 4097, NULL), -EINVAL);
		assert_int_equal(write_to(&r, port, 1u << 20, RIG_TABLES, buf, 4, NULL), -EINVAL);
		assert_int_equal(read_from(&r, port, 0, 0x18000000, buf, 4, NULL), -EIO);
		/* Outside of a batch nothing would drain it. */
		assert_int_equal(uiommu_dma_read(port, r.agent, 7, RIG_TABLES, buf, 4, NULL), -EINVAL);
		assert_int_equal(uiommu_dma_write(port, r.agent, 7, RIG_TABLES, buf, 4, NULL), -EINVAL);
		assert_int_equal(uiommu_dma_read(port, NULL, 7, RIG_TABLES, buf, 4, NULL), -EINVAL);
		uiommu_port_destroy(port);
		assert_int_equal(uiommu_port_create(r.hw, 8, &port), 0);
		uiommu_port_destroy(port);
		rig_stop(&r);
	}
}

static void test_allocations(void **state)
{
	struct uiommu_vtd_model_opts opts = { .size = sizeof(opts) };
	struct uiommu_port *port;
	struct uiommu_ctx *ctx;
	struct uiommu_hw *hw;
	long before;

	assert_int_equal(uiommu_ctx_create(NULL, &ctx), 0);
	before = atomic_load(&ctx->alloc.live);
	for (unsigned int own = 0; own < 2; own++) {
		unsigned int n = 1;

		opts.own_thread = own;
		for (;; n++) {
			int err;

			alloc_fail_nth(&ctx->alloc, n);
			err = uiommu_vtd_model_create(ctx, &opts, &hw);
			alloc_fail_nth(&ctx->alloc, 0);
			if (!err)
				break;
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(atomic_load(&ctx->alloc.live), before);
		}
		assert_true(n > 4);
		for (n = 1;; n++) {
			long live = atomic_load(&ctx->alloc.live);
			int err;

			alloc_fail_nth(&ctx->alloc, n);
			err = uiommu_port_create(hw, 8, &port);
			alloc_fail_nth(&ctx->alloc, 0);
			if (!err)
				break;
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(atomic_load(&ctx->alloc.live), live);
		}
		assert_true(n > 1);
		uiommu_port_destroy(port);
		uiommu_hw_destroy(hw);
		assert_int_equal(atomic_load(&ctx->alloc.live), before);
	}
	uiommu_ctx_destroy(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capabilities),	 cmocka_unit_test(test_options),
		cmocka_unit_test(test_access_widths),	 cmocka_unit_test(test_commands),
		cmocka_unit_test(test_root_latch),	 cmocka_unit_test(test_records_overflow),
		cmocka_unit_test(test_fault_event),	 cmocka_unit_test(test_device_messages),
		cmocka_unit_test(test_dma_arguments),	 cmocka_unit_test(test_allocations),
	};

	return cmocka_run_group_tests_name("vtd registers", tests, NULL, NULL);
}
