/* SPDX-License-Identifier: MIT */
/* What users are told when a call is refused: which of several reasons, and what would be right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"

struct lines {
	unsigned int n;
	char last[256];
};

static void keep_line(void *opaque, enum uiommu_log_level level, const char *text)
{
	struct lines *lines = opaque;

	(void)level;
	lines->n++;
	snprintf(lines->last, sizeof(lines->last), "%s", text);
}

/* One line was logged since the last look, and it has all of @text. */
static void assert_logged(struct lines *lines, const char *text)
{
	if (lines->n != 1 || !strstr(lines->last, text))
		fail_msg("%u lines, last \"%s\", not one with \"%s\"", lines->n, lines->last, text);
	lines->n = 0;
}

static struct rig *with_log(struct rig *r, unsigned int n, struct lines *lines)
{
	rig_create(r, n);
	*lines = (struct lines){ 0 };
	r->ctx->event = NULL;		/* its opaque would be another */
	r->ctx->log = keep_line;
	r->ctx->opaque = lines;
	return r;
}

static void assert_reason(const struct uiommu_report *report, const char *text)
{
	if (!strstr(report->reason, text))
		fail_msg("\"%s\" has no \"%s\"", report->reason, text);
	assert_true(strlen(report->reason) < UIOMMU_REASON_LEN - 1);
}

static void check_opts(struct rig *r, struct uiommu_replace_opts opts, int err, const char *text)
{
	struct {
		struct uiommu_replace_opts opts;
		char more[8];
	} long_opts = { .opts = opts, .more = { 1 } };
	struct uiommu_report report;
	struct uiommu_replace_target target = { .group = r->group, .pasid = UIOMMU_NO_PASID,
						.domain = r->domain[1] };
	struct uiommu_txn *txn;

	assert_int_equal(uiommu_group_replace_domain(r->group, r->domain[1], &long_opts.opts, &report), err);
	assert_reason(&report, text);
	assert_int_equal(uiommu_replace_pasid(r->group, 1, r->domain[1], &r->handle[1], &long_opts.opts,
					      &report), err);
	assert_reason(&report, text);
	assert_int_equal(uiommu_replace_prepare(r->ctx, &target, 1, &long_opts.opts, &txn, &report), err);
	assert_reason(&report, text);
}

static void test_options(void **state)
{
	struct uiommu_replace_opts opts = { .size = sizeof(opts) };
	struct rig r;

	(void)state;
	rig_create(&r, 1);
	opts.size--;
	check_opts(&r, opts, -EINVAL, "size is 31, must be sizeof(struct uiommu_replace_opts), 32");
	opts.size = sizeof(opts) + 8;
	check_opts(&r, opts, -E2BIG, "behind the 32 bytes");
	opts = (struct uiommu_replace_opts){ .size = sizeof(opts), .worst_gap = UIOMMU_GAP_UNKNOWN + 1 };
	check_opts(&r, opts, -EINVAL, "worst_gap is 4, must be 0 (UIOMMU_GAP_NONE) to 3");
	opts.worst_gap = UIOMMU_GAP_EQUAL;
	opts.equal_start = 0x2000;
	opts.equal_last = 0x1fff;
	check_opts(&r, opts, -EINVAL, "equal_start 0x2000 is above equal_last 0x1fff");
	rig_destroy(&r);
}

static void test_arguments(void **state)
{
	struct uiommu_report report;
	struct rig r;

	(void)state;
	rig_create(&r, 1);
	assert_int_equal(uiommu_attach_group(NULL, r.domain[1], &report), -EINVAL);
	assert_reason(&report, "no group");
	assert_int_equal(uiommu_attach_group(r.group, NULL, &report), -EINVAL);
	assert_reason(&report, "no domain");
	assert_int_equal(uiommu_attach_pasid(r.group, 0, r.domain[1], NULL, &report), -EINVAL);
	assert_reason(&report, "PASID 0 cannot be attached: valid are 1 to max_pasids - 1");
	assert_int_equal(uiommu_attach_group(r.group, r.domain[1], &report), 0);
	assert_int_equal(uiommu_attach_group(r.group, r.domain[2], &report), -EBUSY);
	assert_reason(&report, "use uiommu_group_replace_domain(), or detach it first");
	uiommu_detach_group(r.group);
	rig_destroy(&r);
}

static void test_not_destroyed(void **state)
{
	struct lines lines;
	struct rig r;

	(void)state;
	with_log(&r, 2, &lines);
	uiommu_group_destroy(r.group);
	assert_logged(&lines, "group not destroyed: it still has 2 devices; remove them first");
	uiommu_device_remove(r.dev[1]);
	r.dev[1] = NULL;
	uiommu_group_destroy(r.group);
	assert_logged(&lines, "group not destroyed: it still has 1 device; remove it first");
	uiommu_iommu_destroy(r.iommu);
	assert_logged(&lines, "IOMMU not destroyed: it still has 1 group and 4 domains; destroy and free");
	rig_destroy(&r);
}

static void test_domain_users(void **state)
{
	struct lines lines;
	struct rig r;

	(void)state;
	with_log(&r, 1, &lines);
	assert_int_equal(uiommu_domain_free(r.blocking), -EBUSY);
	assert_logged(&lines, "the IOMMU's own");
	assert_int_equal(uiommu_attach_group(r.group, r.domain[1], NULL), 0);
	assert_int_equal(uiommu_domain_free(r.domain[1]), -EBUSY);
	assert_logged(&lines, "not freed: 1 user (");
	assert_int_equal(uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, NULL), 0);
	assert_int_equal(uiommu_domain_free(r.domain[1]), -EBUSY);
	assert_logged(&lines, "not freed: 2 users (");
	uiommu_detach_pasid(r.group, 1);
	uiommu_detach_group(r.group);
	rig_destroy(&r);
}

static void test_device_not_added(void **state)
{
	struct uiommu_device_opts opts = { .size = sizeof(opts), .max_pasids = 16 };
	struct uiommu_replace_target target;
	struct uiommu_group *other;
	struct uiommu_device *dev;
	struct uiommu_txn *txn;
	struct lines lines;
	struct rig r;

	(void)state;
	with_log(&r, 1, &lines);
	assert_int_equal(uiommu_group_create(r.iommu, &other), 0);
	assert_int_equal(uiommu_device_add(r.group, 0, &dev), -EEXIST);
	assert_logged(&lines, "device 00:00.0 not added: the group has it already");
	assert_int_equal(uiommu_device_add(other, 0, &dev), -EEXIST);
	assert_logged(&lines, "another group has it");
	target = (struct uiommu_replace_target){ r.group, UIOMMU_NO_PASID, r.domain[1], NULL };
	assert_int_equal(uiommu_replace_prepare(r.ctx, &target, 1, NULL, &txn, NULL), 0);
	assert_int_equal(uiommu_device_add(r.group, 9, &dev), -EBUSY);
	assert_logged(&lines, "device 00:01.1 not added: a replacement of the group is prepared");
	uiommu_replace_abort(txn);
	assert_int_equal(uiommu_reset_prepare(r.dev[0]), 0);
	assert_int_equal(uiommu_device_add(r.group, 9, &dev), -EBUSY);
	assert_logged(&lines, "a device of the group is being reset");
	uiommu_reset_done(r.dev[0]);
	assert_int_equal(uiommu_attach_pasid(r.group, 1, r.domain[1], NULL, NULL), 0);
	assert_int_equal(uiommu_device_add_opts(r.group, 9, &opts, &dev), -EBUSY);
	assert_logged(&lines, "some are attached in the group: detach those first");
	uiommu_detach_pasid(r.group, 1);
	uiommu_group_destroy(other);
	rig_destroy(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_not_destroyed),
		cmocka_unit_test(test_domain_users),
		cmocka_unit_test(test_device_not_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
